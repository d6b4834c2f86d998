# TIMEOUT 300
"""Pipelines that ask operations of projects and resources; API.md, "Webhooks, pipelines, replays"."""
import json
import time

from harness import BROKERS, run, unique
from pipelines_test import PipelineTest


class Operations(PipelineTest):
    """Pipelines whose sink is a command to a built-in product."""

    def ask(self, operation, path=None, expect=201, **members):
        sink = {"operation": operation} if path is None else {"operation": operation, "path": path}
        return self.create(expect, sink=sink, **members)

    def environments(self, project):
        return {row["name"] for row in self.owner.pages(f"/v2/projects/{project}/environments")}

    def why(self, pipeline):
        row, = self.deliveries_of(pipeline, "&state=exhausted")
        return row["status"], self.owner.get(f"/v2/webhooks/deliveries/{row['id']}")["attempts"][0]["body"]

    def test_a_command_is_made_of_an_event(self):
        pipeline = self.ask("create_environment", {"project_id": "${event.subject}"}, source={"types": ["project.created"]},
                            condition="event.data.name != 'Plain'", map={"name": "demo"})
        self.assertEqual(pipeline["sink"], {"endpoint_id": None, "product": None, "operation": "create_environment", "kind": None,
                                            "entity": None, "type": None, "path": {"project_id": "${event.subject}"}})
        plain, made = self.project("Plain"), self.project("Web")
        self.project("Web")
        self.until_made(pipeline, succeeded=2)
        self.comes(lambda: "demo" in self.environments(made), True)
        self.assertNotIn("demo", self.environments(plain))
        for row in self.deliveries_of(pipeline):
            self.assertEqual((row["status"], row["endpoint_id"], row["definition_version"]), (201, None, 1))
        of = next(event for event in self.owner.events("type=project.created") if event["subject"] == made)
        event, = [event for event in self.owner.events("type=environment.created") if event["causationid"] == of["id"]]
        self.assertEqual((event["correlationid"], event["hops"], event["actor"]), (of["correlationid"], 1, "system"))

    def test_kinds_of_requests(self):
        project = self.project()
        settings = self.ask("change_settings", {"project_id": project}, condition="event.subject == 's'", map={"size": "${event.data.size}"})
        member = self.ask("put_member", {"project_id": project, "user_id": "user-${event.data.user}"}, condition="event.subject == 'm'",
                          map={"role": "viewer"})
        archive = self.ask("archive_project", {"project_id": "${event.data.project}"}, condition="event.subject == 'a'")
        self.write("s", size=3)
        self.write("m", user="ann")
        for pipeline in (settings, member):
            self.until_made(pipeline, succeeded=1)
        self.comes(lambda: self.owner.get(f"/v2/projects/{project}/settings").json, {"size": 3})
        self.comes(lambda: self.owner.get(f"/v2/projects/{project}/members/user-ann", expect="any").json.get("role"), "viewer")
        self.write("a", project=project)
        self.until_made(archive, succeeded=1)
        self.comes(lambda: self.owner.get(f"/v2/projects/{project}")["state"], "archived")
        self.write("m", user="bob")  # an archived project takes no members
        self.until_made(member, succeeded=1, exhausted=1)
        status, body = self.why(member)
        self.assertEqual((status, json.loads(body)["type"]), (409, "/problems/invalid-transition"))

    def test_resources_are_asked_for_scaled_and_taken_away(self):
        kind = unique("kind")
        self.platform.put(f"/v2/resource-kinds/{kind}", {"provisioner": "none"})
        ask = self.ask("create_resource", condition="event.subject == 'more'", map={
            "project_id": "${event.data.project}", "environment": "development", "kind": kind, "name": "${event.data.name}", "units": 1})
        scale = self.ask("scale_resource", {"resource_id": "${event.data.of}"}, condition="event.subject == 'scale'", map={"units": "${event.data.units}"})
        take = self.ask("delete_resource", {"resource_id": "${event.data.of}"}, condition="event.subject == 'less'")
        for n in range(10):  # each right behind the project that it is for
            self.write("more", project=self.project(), name=f"r{n}")
        self.until_made(ask, succeeded=10)
        made = lambda: {row["name"]: row for row in self.owner.pages(f"/v2/resources?kind={kind}")}
        self.comes(lambda: set(made()), {f"r{n}" for n in range(10)})
        self.write("scale", of=made()["r1"]["id"], units=3)
        self.write("less", of=made()["r2"]["id"])
        self.until_made(scale, succeeded=1)
        self.until_made(take, succeeded=1)
        self.comes(lambda: (made().get("r1", {}).get("units"), len(made())), (3, 9))
        self.assertEqual({row["status"] for row in self.deliveries_of(take)}, {204})

    def test_in_the_test_space_it_makes_what_is_of_that(self):
        test = self.server.key(self.owner.organization, space="test")
        made = test.post("/v2/pipelines", {"name": "p", "source": {"types": ["file.*"]}, "sink": {"operation": "create_project"},
                                           "map": {"name": "Made"}}, expect=201)
        test.post(f"/v2/products/{self.source}/file/a/events", {"events": [{"type": "file.added", "data": {}}]}, expect=201)
        self.until(lambda: test.get(f"/v2/pipelines/{made['id']}")["deliveries"]["succeeded"] == 1)
        self.comes(lambda: [row["name"] for row in test.pages("/v2/projects")], ["Made"])
        self.assertEqual(list(self.owner.pages("/v2/projects")), [])

    def test_what_is_refused_parks_with_the_problem_and_goes_once_it_is_mended(self):
        pipeline = self.ask("create_project", map={"name": "${event.data.name}", "slug": "${event.data.slug}"})
        slug = unique("shop")
        for n in (1, 2):  # of one entity, so one after the other
            self.write("a", name="Shop", slug=slug, n=n)
        self.until_made(pipeline, succeeded=1, exhausted=1)
        status, body = self.why(pipeline)
        self.assertEqual((status, json.loads(body)["type"]), (409, "/problems/slug-taken"))
        self.patch(pipeline, map={"name": "${event.data.name}", "slug": "${event.data.slug}-${event.data.n}"})
        replayed = self.owner.post("/v2/replays", {"from": "beginning", "sink": {"pipeline_id": pipeline["id"]}, "only": "failed",
                                                   "definition": "current"}, expect=201)
        self.until(lambda: self.owner.get(f"/v2/replays/{replayed['id']}")["state"] == "completed")
        self.comes(lambda: sorted(row["slug"] for row in self.owner.pages("/v2/projects")), [slug, f"{slug}-2"])
        event = next(event for event in self.owner.events("type=project.created") if event["data"]["slug"] == f"{slug}-2")
        self.assertEqual((event["replayid"], event["correlationid"]), (replayed["id"], replayed["id"]))

    def test_it_goes_on_after_a_kill_and_asks_nothing_twice(self):
        pipeline = self.ask("create_project", map={"name": "P${event.data.n}"})
        for n in range(300):
            self.write(f"f{n % 40}", n=n)
            if n % 100 == 50:
                self.server.kill()
                self.server.start()
                if BROKERS:
                    time.sleep(6)  # others go on: what met this kill is tried again after 5 s, and were the next met, after 5 minutes
        self.until_made(pipeline, succeeded=300)
        self.comes(lambda: sorted(row["name"] for row in self.owner.pages("/v2/projects")), sorted(f"P{n}" for n in range(300)))

    def test_a_circle_ends(self):
        pipeline = self.ask("create_project", source={"types": ["project.created"]}, map={"name": "${event.data.name}x"})
        self.project("P")
        self.until(lambda: self.read(pipeline)["deliveries"]["exhausted"] == 1)
        self.assertIn("circle", self.why(pipeline)[1])
        self.comes(lambda: sorted(row["name"] for row in self.owner.pages("/v2/projects")), ["P" + "x" * n for n in range(9)])

    def test_it_acts_where_it_is_and_nowhere_else(self):
        other = self.server.organization("Other")
        theirs = other.post("/v2/projects", {"name": "Theirs"})["id"]
        test = self.server.key(self.owner.organization, space="test")
        in_test = test.post("/v2/projects", {"name": "In test"})["id"]
        pipeline = self.ask("change_project", {"project_id": "${event.data.project}"}, map={"name": "Mine"})
        for name, project in (("a", theirs), ("b", in_test)):
            self.write(name, project=project)
        self.until_made(pipeline, exhausted=2)
        self.assertEqual({row["status"] for row in self.deliveries_of(pipeline)}, {404})
        self.assertEqual((other.get(f"/v2/projects/{theirs}")["name"], test.get(f"/v2/projects/{in_test}")["name"]), ("Theirs", "In test"))

    def test_a_dry_run_asks_nothing(self):
        pipeline = self.ask("create_environment", {"project_id": "${event.data.project}"}, paused=True, map={"name": "e${event.data.n}"})
        project = self.project()
        self.write("a", project=project, n=1)
        self.write("b", n=2)
        shown = self.act(pipeline, "dry-run")
        self.assertEqual((shown["taken"], shown["parked"]), (2, 1))
        self.assertEqual(shown["differences"][0]["after"],
                         {"operation": "create_environment", "path": {"project_id": project}, "data": {"name": "e1"}})
        self.assertIn("the pipeline's sink, path, 'project_id'", shown["differences"][1]["after"]["error"])
        self.assertNotIn("e1", self.environments(project))

    def test_sealed_values_go_into_no_command(self):
        people = unique("people")
        self.server.declare(people, {"kinds": {"person": {"events": {"person.set": {"fold": "replace"}}, "sealed": ["/email"]}}})
        source = {"products": [people]}
        named = self.ask("create_project", source=source, map={"name": "${event.data.email}"})
        placed = self.ask("change_project", {"project_id": "${event.data.email}"}, source=source, map={"name": "x"})
        self.owner.post(f"/v2/products/{people}/person/ada/events", {"events": [{"type": "person.set", "data": {"email": "ada@example.org"}}]}, expect=201)
        for pipeline in (named, placed):
            self.until_made(pipeline, exhausted=1)
            status, body = self.why(pipeline)
            self.assertEqual(status, 422)
            self.assertIn("sealed", body)
            self.assertNotIn("ada@", body)
        self.assertEqual(list(self.owner.pages("/v2/projects")), [])

    def test_what_has_no_body_is_asked_for_an_event_with_sealed_values_too(self):
        people = unique("people")
        self.server.declare(people, {"kinds": {"person": {"events": {"person.set": {"fold": "replace"}}, "sealed": ["/email"]}}})
        project = self.project()
        pipeline = self.ask("archive_project", {"project_id": "${event.data.project}"}, source={"products": [people]})
        self.owner.post(f"/v2/products/{people}/person/ada/events", {"events": [{"type": "person.set", "data": {
            "email": "ada@example.org", "project": project}}]}, expect=201)
        self.until_made(pipeline, succeeded=1)
        self.comes(lambda: self.owner.get(f"/v2/projects/{project}")["state"], "archived")
        self.assertEqual(self.act(pipeline, "dry-run")["differences"][0]["after"],
                         {"operation": "archive_project", "path": {"project_id": project}, "data": {}})

    def test_what_is_no_such_sink(self):
        project = {"project_id": "x"}
        for sink, more, pointer in (({"operation": "nothing"}, {}, "/sink"), ({"operation": "get_project", "path": project}, {}, "/sink"),
                                    ({"operation": "create_key"}, {}, "/sink"), ({"operation": "create_endpoint"}, {}, "/sink"),
                                    ({"operation": "put_secret", "path": {**project, "secret": "s"}}, {}, "/sink"),
                                    ({"operation": "reveal_secret", "path": {**project, "secret": "s"}}, {}, "/sink"),
                                    ({"operation": "put_quota", "path": {"kind": "k"}}, {}, "/sink"),
                                    ({"operation": "put_resource_kind", "path": {"kind": "k"}}, {}, "/sink"),
                                    ({"operation": "append_events", "path": {"product": self.target}}, {}, "/sink"),
                                    ({"operation": "change_project"}, {}, "/sink"), ({"operation": "create_project", "path": project}, {}, "/sink"),
                                    ({"operation": "change_project", "path": {**project, "more": "x"}}, {}, "/sink"),
                                    ({"operation": "change_project", "path": {"project_id": "${"}}, {}, "/sink/path"),
                                    ({"operation": "change_project", "path": {"project_id": 1}}, {}, "/sink/path"),
                                    ({"operation": "change_project", "path": []}, {}, "/sink/path"),
                                    ({"product": self.target, "path": project}, {}, "/sink/path"),
                                    ({"operation": "create_project", "product": self.target}, {}, "/sink/product"),
                                    ({"operation": "create_project", "type": "x"}, {}, "/sink/type"),
                                    ({"operation": "create_project", "endpoint_id": "we_00000000000000000000000000"}, {}, "/sink/endpoint_id"),
                                    ({"operation": "create_project"}, {"source": {}}, "/source"),
                                    ({"operation": "create_project"}, {"source": {"types": ["file.*", "*"]}}, "/source"),
                                    ({"operation": "delete_project", "path": project}, {"map": {}}, "/map")):
            with self.subTest(sink):
                self.problem(self.create(422, sink=sink, **more), "invalid-request", pointer=pointer)
        pipeline = self.ask("change_project", project, map={"name": "x"})
        for change in ({"operation": "create_project", "path": None}, {"path": None}, {"path": {"project_id": None}}, {"path": {"more": "x"}}):
            self.problem(self.patch(pipeline, 422, sink=change), "invalid-request", pointer="/sink")
        self.problem(self.patch(pipeline, 422, source={"types": ["*"]}), "invalid-request", pointer="/source")
        self.problem(self.act(pipeline, "dry-run", {"change": {"sink": {"path": {"project_id": 1}}}}, 422), "invalid-request", pointer="/change/sink/path")
        self.assertEqual(self.patch(pipeline, sink={"path": {"project_id": "${event.subject}"}})["sink"]["path"], {"project_id": "${event.subject}"})

    def test_who_makes_one_may_do_by_hand_what_it_does(self):
        body = {"name": "p", "source": {"types": ["file.*"]}, "sink": {"operation": "put_member", "path": {"project_id": "x", "user_id": "x"}}}
        granted = ["pipelines:write", "events:read", "members:write"]
        for missing in granted:
            key = self.server.key(self.owner.organization, [each for each in granted if each != missing])
            self.problem(key.post("/v2/pipelines", body, expect=403), "forbidden")
        pipeline = self.server.key(self.owner.organization, granted).post("/v2/pipelines", body, expect=201)
        other = self.server.key(self.owner.organization, ["pipelines:*", "events:read", "replays:*"])
        self.problem(other.patch(f"/v2/pipelines/{pipeline['id']}", {"name": "q"}, expect=403), "forbidden")
        for what in ("resume", "dry-run"):
            self.problem(other.post(f"/v2/pipelines/{pipeline['id']}/{what}", {}, expect=403), "forbidden")
        self.problem(other.post("/v2/replays", {"from": "beginning", "sink": {"pipeline_id": pipeline["id"]}}, expect=403), "forbidden")
        restricted = self.server.key(self.owner.organization, projects=[self.project()])
        self.problem(restricted.post("/v2/pipelines", body, expect=403), "forbidden")


if __name__ == "__main__":
    run()
