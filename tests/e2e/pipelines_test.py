# TIMEOUT 300
"""Pipelines: events enriched, made into others and written or sent on; API.md, "Webhooks, pipelines, replays"."""
import json
import time

from harness import BROKERS, FILES, run, unique
from webhooks_test import WebhookTest

NOTES = {"kinds": {"note": {"events": {"note.written": {"fold": "replace"}, "note.changed": {"fold": "merge"}}}}}


class PipelineTest(WebhookTest):
    def setUp(self):
        super().setUp()
        self.source, self.target = unique("source"), unique("target")
        self.server.declare(self.source, FILES)
        self.server.declare(self.target, NOTES)

    def create(self, expect=201, **members):
        sink = {"product": self.target, "kind": "note", "type": "note.written"}
        return self.owner.post("/v2/pipelines", {"name": unique("pipe"), "source": {"types": ["file.*"]}, "sink": sink, **members}, expect=expect)

    def patch(self, pipeline, expect=200, **members):
        return self.owner.patch(f"/v2/pipelines/{pipeline['id']}", members, expect=expect)

    def read(self, pipeline):
        return self.owner.get(f"/v2/pipelines/{pipeline['id']}")

    def act(self, pipeline, what, body=None, expect=200):
        return self.owner.post(f"/v2/pipelines/{pipeline['id']}/{what}", {} if body is None else body, expect=expect)

    def write(self, entity, product=None, kind="added", **data):
        return self.owner.post(f"/v2/products/{product or self.source}/file/{entity}/events", {"events": [{"type": f"file.{kind}", "data": data}]},
                               expect=201)

    def notes(self, product=None, **client):
        return {row["entity"]: row["state"] for row in self.owner.pages(f"/v2/products/{product or self.target}/note")}

    def events(self, product):
        return list(self.owner.events(f"product={product}"))

    def events_made(self, count, product=None):
        """The events of the target, of which there are so many."""
        self.comes(lambda: len(self.events(product or self.target)), count)
        return self.events(product or self.target)

    def until_made(self, pipeline, **counts):
        def reached():
            now = self.read(pipeline)["deliveries"]
            return all(now[state] == count for state, count in counts.items()) and now["pending"] + now["failing"] == counts.get("failing", 0)
        self.until(reached)
        if BROKERS:
            time.sleep(1)  # what was written is another product's, whose rows are read by themselves

    def deliveries_of(self, pipeline, query=""):
        return list(self.owner.pages(f"/v2/webhooks/deliveries?pipeline_id={pipeline['id']}{query}"))

    def replay(self, pipeline, **members):
        made = self.owner.post("/v2/replays", {"from": "beginning", "sink": {"pipeline_id": pipeline["id"]}, **members}, expect=201)
        self.until(lambda: self.owner.get(f"/v2/replays/{made['id']}")["state"] == "completed")
        return self.owner.get(f"/v2/replays/{made['id']}")


class Republishing(PipelineTest):
    def test_events_are_filtered_made_into_others_and_written(self):
        pipeline = self.create(condition="event.data.size > 2", map={
            "name": "${event.subject}", "text": "${event.data.size} bytes", "size": "${event.data.size * 2}",
            "tags": ["${event.type}", "$${kept}"], "note": "${event.data.?note}", "fixed": {"a": None}})
        self.assertRegex(pipeline["id"], "^pl_")
        self.assertEqual(pipeline.headers["Location"], f"/v2/pipelines/{pipeline['id']}")
        self.assertEqual((pipeline["state"], pipeline["priority"], pipeline["enrich"], pipeline["definition_version"]), ("active", "normal", None, 1))
        for n in range(6):
            self.write(f"f{n}", size=n, **({"note": "n"} if n == 5 else {}))
        self.until_made(pipeline, succeeded=3)
        made = {"text": "4 bytes", "size": 8, "tags": ["file.added", "${kept}"], "fixed": {"a": None}}
        self.comes(self.notes, {"f3": {**made, "name": "f3", "text": "3 bytes", "size": 6}, "f4": {**made, "name": "f4"},
                                        "f5": {**made, "name": "f5", "text": "5 bytes", "size": 10, "note": "n"}})
        before = {event["id"]: event for event in self.events(self.source)}
        for event in self.events_made(3):
            of = before[event["causationid"]]
            self.assertEqual((event["hops"], event["correlationid"], event["time"], event["type"]), (1, of["correlationid"], of["time"], "note.written"))
            self.assertNotIn("hops", of)
        rows = self.deliveries_of(pipeline)
        self.assertEqual({(row["pipeline_id"], row["endpoint_id"], row["definition_version"], row["status"]) for row in rows}, {(pipeline["id"], None, 1, 201)})

    def test_one_behind_another_keeps_the_order_of_each_entity(self):
        middle = unique("middle")
        self.server.declare(middle, FILES)
        first = self.create(sink={"product": middle}, map={"size": "${event.data.size}", "twice": "${event.data.size * 2}"},
                            source={"types": ["*"], "products": [self.source]})
        second = self.create(source={"products": [middle], "filter": "event.data.twice % 4 == 0"}, priority="high",
                             map={"size": "${event.data.size}"})
        for n in range(60):
            self.write(f"f{n % 5}", size=n)
        self.until_made(first, succeeded=60)
        self.until_made(second, succeeded=30)
        after = self.events_made(30)
        self.assertEqual({event["hops"] for event in after}, {2})
        for entity in range(5):
            sizes = [event["data"]["size"] for event in after if event["subject"] == f"f{entity}"]
            self.assertEqual(sizes, sorted(sizes))

    def test_a_circle_ends(self):
        pipeline = self.create(source={"products": [self.source]}, sink={"product": self.source, "entity": "${event.subject + 'x'}"},
                               map={"size": "${event.data.size + 1}"})
        self.write("f", size=0)
        self.until(lambda: self.read(pipeline)["deliveries"]["exhausted"] == 1)
        self.assertEqual(self.read(pipeline)["deliveries"]["succeeded"], 8)
        parked, = self.deliveries_of(pipeline, "&state=exhausted")
        self.assertIn("circle", self.owner.get(f"/v2/webhooks/deliveries/{parked['id']}")["attempts"][0]["body"])
        self.assertEqual(max(event.get("hops", 0) for event in self.events_made(9, self.source)), 8)

    def test_rows_are_looked_up_as_they_were_at_the_event(self):
        project = self.project("Before")
        folders = unique("folders")
        self.server.declare(folders, FILES)
        pipeline = self.create(paused=True, start="beginning", enrich=[
            {"as": "project", "product": "projects", "kind": "project", "id": "${event.data.?project}"},
            {"as": "folder", "product": folders, "kind": "file", "id": "${event.data.folder}"}],
            map={"name": "${rows.project == null ? 'none' : rows.project.name}", "folder": "${rows.folder}"})
        self.write("a", project=project, folder="home")
        time.sleep(0.01)
        self.write("home", folders, size=1)
        time.sleep(0.01)
        self.write("b", project=project, folder="home")
        time.sleep(0.01)  # what is accepted within the same millisecond is at the same place
        self.owner.patch(f"/v2/projects/{project}", {"name": "After"})
        self.write("home", folders, size=2)
        time.sleep(0.01)
        self.write("c", project=project, folder="home")
        self.write("d", folder="elsewhere")
        self.act(pipeline, "resume")
        self.until_made(pipeline, succeeded=4)
        expected = {"a": {"name": "Before", "folder": None}, "b": {"name": "Before", "folder": {"size": 1}},
                    "c": {"name": "After", "folder": {"size": 2}}, "d": {"name": "none", "folder": None}}
        self.comes(self.notes, expected)

    def test_a_built_in_products_events_can_be_made_into_others(self):
        pipeline = self.create(source={"types": ["project.created"]}, map={"name": "${event.data.name}", "kind": "${event.kind}"})
        project = self.project("Web")
        self.until_made(pipeline, succeeded=1)
        self.comes(self.notes, {project: {"name": "Web", "kind": "project"}})

    def test_it_goes_on_after_a_kill_and_writes_nothing_twice(self):
        pipeline = self.create(map={"size": "${event.data.size}"})
        for n in range(300):
            self.write(f"f{n % 40}", size=n)
            if n % 100 == 50:
                self.server.kill()
                self.server.start()
                if BROKERS:
                    time.sleep(6)  # others go on: what met this kill is tried again after 5 s, and were the next met, after 5 minutes
        self.until_made(pipeline, succeeded=300)
        self.assertEqual(len({event["causationid"] for event in self.events_made(300)}), 300)


class Parking(PipelineTest):
    def test_what_nothing_can_be_made_of_parks_with_its_error_and_goes_through_once_it_can(self):
        pipeline = self.create(condition="event.data.size > 1", map={"half": "${10 / event.data.size}", "n": "${event.data.n}"})
        self.write("a", size=2, n=1)
        self.write("b", n=1)           # the condition has no answer
        self.write("c", size=5)        # the map has none
        self.write("d", size=10, n=4)
        self.until_made(pipeline, succeeded=2, exhausted=2)
        errors = sorted(self.owner.get(f"/v2/webhooks/deliveries/{row['id']}")["attempts"][0]["body"] for row in self.deliveries_of(pipeline, "&state=exhausted"))
        self.assertIn("the pipeline's condition", errors[0])
        self.assertIn("the pipeline's map: '/n'", errors[1])
        # Sent again they are made as they were: by the version of then.
        self.patch(pipeline, map={"half": None, "n": "${event.data.?n.orValue(7)}"}, condition="!has(event.data.size) || event.data.size > 1")
        row = self.deliveries_of(pipeline, "&state=exhausted")[0]
        attempts = lambda: sorted(row["attempts_made"] for row in self.deliveries_of(pipeline, "&state=exhausted"))
        self.owner.post(f"/v2/webhooks/deliveries/{row['id']}/resend", expect=202)
        self.until(lambda: attempts() == [1, 2])
        replayed = self.replay(pipeline, only="failed")
        self.assertEqual((replayed["progress"]["succeeded"], replayed["progress"]["exhausted"]), (0, 2))
        again = self.owner.post("/v2/webhooks/deliveries/resend", {"pipeline_id": pipeline["id"], "state": "exhausted"})
        self.assertEqual(again["resent"], 2)
        self.until(lambda: attempts() == [2, 3])
        # Or as it is by now, mended.
        mended = self.replay(pipeline, only="failed", definition="current")
        self.assertEqual((mended["progress"]["succeeded"], mended["progress"]["exhausted"], mended["definition_version"]), (2, 0, 2))
        self.comes(self.notes, {"a": {"half": 5, "n": 1}, "b": {"n": 1}, "c": {"n": 7}, "d": {"half": 1, "n": 4}})
        self.problem(self.owner.post("/v2/replays", {"from": "beginning", "sink": {"product": self.target}, "definition": "current"}, expect=422),
                     "invalid-request", pointer="/definition")

    def test_what_is_written_is_not_written_again_by_a_resend(self):
        pipeline = self.create()
        self.write("a", size=1)
        self.until_made(pipeline, succeeded=1)
        row, = self.deliveries_of(pipeline)
        self.problem(self.owner.post(f"/v2/webhooks/deliveries/{row['id']}/resend", expect=409), "invalid-transition", detail="replay")

    def test_the_row_says_why(self):
        pipeline = self.create(map={"n": "${event.data.n}"})
        refused = self.create(sink={"product": self.target, "kind": "nothing", "type": "note.written"})
        self.write("a", size=1)
        self.until_made(pipeline, exhausted=1)
        self.until_made(refused, exhausted=1)
        self.assertIn("the pipeline's map: '/n' comes to an error", self.deliveries_of(pipeline)[0]["error"])
        self.assertIn("nothing", self.deliveries_of(refused)[0]["error"])

    def test_what_the_product_refuses_parks_and_is_replayed_once_it_takes_it(self):
        strict = unique("strict")
        notes = {"note.written": {"fold": "replace", "schema": {"type": "object", "properties": {"size": {"maximum": 9}}}}}
        self.server.declare(strict, {"kinds": {"note": {"events": notes}}})
        pipeline = self.create(sink={"product": strict, "kind": "note", "type": "note.written"})
        for n in range(12):
            self.write(f"f{n}", size=n)
        self.until_made(pipeline, succeeded=10, exhausted=2)
        self.server.platform.put(f"/v2/products/{strict}", {"kinds": {"note": {"events": {"note.written": {"fold": "replace"}}}}}, expect=200)
        self.server.settle()
        replayed = self.replay(pipeline, only="failed")
        self.assertEqual((replayed["progress"]["succeeded"], replayed["progress"]["exhausted"]), (2, 0))
        self.assertEqual(len(self.notes(strict)), 12)


class Versions(PipelineTest):
    def test_each_event_is_made_as_the_pipeline_was_where_it_stands(self):
        pipeline = self.create(map={"v": "one", "size": "${event.data.size}"})
        for n in range(20):
            self.write(f"a{n}", size=n)
        self.until_made(pipeline, succeeded=20)
        changed = self.patch(pipeline, map={"v": "two", "size": "${event.data.size}"}, condition="event.data.size % 2 == 0")
        self.assertEqual((changed["definition_version"], changed["version"]), (2, 2))
        self.act(pipeline, "pause")
        for n in range(20):
            self.write(f"b{n}", size=n)
        self.act(pipeline, "resume")
        self.until_made(pipeline, succeeded=30)
        third = self.patch(pipeline, map={"v": "three"})
        self.assertEqual(third["definition_version"], 5)
        versions = {row["event_id"]: row["definition_version"] for row in self.deliveries_of(pipeline)}
        self.assertEqual(sorted(versions.values()), [1] * 20 + [2] * 10)
        live = {event["causationid"]: json.dumps(event["data"]) for event in self.events_made(30)}
        self.until(lambda: self.read(pipeline)["deliveries"]["pending"] == 0)
        replayed = self.replay(pipeline)
        self.assertEqual(replayed["progress"]["succeeded"], 30)
        again = {event["causationid"]: json.dumps(event["data"]) for event in self.events_made(60) if event.get("replayid") == replayed["id"]}
        self.assertEqual(again, live)

    def test_a_dry_run_says_what_it_makes_and_what_a_change_would_make_otherwise(self):
        for n in range(10):
            self.write(f"f{n}", size=n)
        pipeline = self.create(paused=True, condition="event.data.size > 6", map={"size": "${event.data.size}"})
        self.assertEqual((pipeline["state"], pipeline["reason"]), ("paused", "created paused"))
        shown = self.act(pipeline, "dry-run")
        self.assertEqual((shown["events"], shown["taken"], shown["parked"], shown["complete"], shown["next"]), (10, 3, 0, True, None))
        self.assertEqual([(one["before"], one["after"]["entity"], one["after"]["type"], one["after"]["data"]) for one in shown["differences"]],
                         [(None, f"f{n}", "note.written", {"size": n}) for n in (7, 8, 9)])
        changed = self.act(pipeline, "dry-run", {"change": {"condition": "event.data.size > 7", "map": {"size": "${9 / (event.data.size - 8)}"}}})
        self.assertEqual((changed["taken"], changed["parked"]), (2, 1))
        seven, eight = changed["differences"]
        self.assertEqual((seven["before"]["data"], seven["after"]), ({"size": 7}, None))
        self.assertEqual(eight["before"]["data"], {"size": 8})
        self.assertIn("the pipeline's map: '/size'", eight["after"]["error"])
        page = self.act(pipeline, "dry-run", {"limit": 2})
        self.assertEqual((len(page["differences"]), page["complete"]), (2, False))
        rest = self.act(pipeline, "dry-run", {"from": page["next"]})
        self.assertEqual([one["after"]["data"]["size"] for one in rest["differences"]], [9])
        self.assertEqual((self.notes(), self.read(pipeline)["version"]), ({}, 1))
        refused = self.act(pipeline, "dry-run", {"change": {"sink": {"type": "note.unknown"}}})
        self.assertIn("note.unknown", refused["differences"][0]["after"]["error"])
        self.problem(self.act(pipeline, "dry-run", {"change": {"map": {"a": "${"}}}, 422), "invalid-request", pointer="/change/map")
        self.problem(self.act(pipeline, "dry-run", {"change": 1}, 422), "invalid-request", pointer="/change")


class Odd(PipelineTest):
    """Events and rows that nobody thinks of."""

    def test_what_nests_too_deep_for_expressions_parks_and_holds_up_nothing(self):
        deep = json.loads("[" * 60 + "]" * 60)
        pipeline = self.create(source={"types": ["settings.changed", "project.created"]}, condition="event.type != ''", map={"a": "${event.kind}"})
        project = self.project()
        self.owner.patch(f"/v2/projects/{project}/settings", {"deep": json.loads("[" * 62 + "]" * 62)})
        self.owner.patch(f"/v2/projects/{project}/settings", {"less": deep})
        self.project()
        self.until_made(pipeline, succeeded=3, exhausted=1)
        self.assertIn("too deep", self.deliveries_of(pipeline, "&state=exhausted")[0]["error"])
        self.assertEqual(self.act(pipeline, "dry-run")["parked"], 1)

    def test_few_values_that_are_many_bytes_end_at_a_mebibyte(self):
        laughs = "cel.bind(a, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], BODY)"
        for outer, inner in zip("abcdefgh", "bcdefghi"):
            laughs = laughs.replace("BODY", f"cel.bind({inner}, [{', '.join(outer * 10)}], BODY)")
        pipeline = self.create(map={"a": "${" + laughs.replace("BODY", "i") + "}"})
        self.write("a", size=1)
        self.until_made(pipeline, exhausted=1)
        self.assertIn("1 MiB", self.deliveries_of(pipeline)[0]["error"])

    def test_rows_whose_history_is_trimmed(self):
        bounded = unique("bounded")
        self.server.declare(bounded, {"kinds": {"file": {**FILES["kinds"]["file"], "keep_versions": 1}}})
        pipeline = self.create(paused=True, start="beginning", source={"products": [self.source]}, map={"size": "${rows.one == null ? 0 : rows.one.size}"},
                               enrich=[{"as": "one", "product": bounded, "kind": "file", "id": "one"}])
        for n in range(1, 4):
            self.write("one", bounded, size=n)
            time.sleep(0.01)
            self.write(f"f{n}", size=0)
            time.sleep(0.01)
        self.act(pipeline, "resume")
        self.until_made(pipeline, succeeded=3)
        self.comes(self.notes, {f"f{n}": {"size": n} for n in range(1, 4)})

    def test_what_it_writes_itself_is_not_its_source_unless_said_so(self):
        pipeline = self.create(source={}, sink={"product": self.source}, map={"size": "${event.data.size + 1}"}, condition="event.type == 'file.added'")
        other = unique("other")
        self.server.declare(other, FILES)
        self.write("a", other, size=1)
        self.until_made(pipeline, succeeded=1)
        self.write("b", size=1)
        time.sleep(0.3)
        self.comes(lambda: [event["subject"] for event in self.events(self.source)], ["a", "b"])


class States(PipelineTest):
    def test_pausing_loses_nothing_and_skipping_does(self):
        pipeline = self.create()
        self.write("a", size=1)
        self.until_made(pipeline, succeeded=1)
        paused = self.act(pipeline, "pause")
        self.assertEqual((paused["state"], paused["reason"]), ("paused", "paused on request"))
        self.write("b", size=1)
        self.assertEqual(self.act(pipeline, "resume")["state"], "active")
        self.until_made(pipeline, succeeded=2)
        self.act(pipeline, "pause")
        self.write("c", size=1)
        self.act(pipeline, "resume", {"skip_to": "now"})
        self.write("d", size=1)
        self.until_made(pipeline, succeeded=3)
        self.comes(lambda: set(self.notes()), {"a", "b", "d"})
        types = [event["type"] for event in self.owner.get(f"/v2/pipelines/{pipeline['id']}/events")["data"]]
        self.assertEqual(types, ["pipeline.created", "pipeline.paused", "pipeline.resumed", "pipeline.paused", "pipeline.resumed"])
        self.assertEqual([row["id"] for row in self.owner.pages("/v2/pipelines?state=active")], [pipeline["id"]])

    def test_lists_by_project_and_by_endpoint_and_their_replays_by_pipeline(self):
        project, endpoint = self.project(), self.endpoint()
        sinks = {"written": {}, "of_project": {"project_id": project}, "sent": {"sink": {"endpoint_id": endpoint["id"]}, "source": {"types": ["file.*"]}}}
        ids = {name: self.create(paused=True, **members)["id"] for name, members in sinks.items()}
        replay = self.owner.post("/v2/replays", {"from": "beginning", "sink": {"pipeline_id": ids["of_project"]}}, expect=201)["id"]
        other = self.owner.post("/v2/replays", {"from": "beginning", "sink": {"endpoint_id": endpoint["id"]}}, expect=201)["id"]
        for path, query, found in (("pipelines", "", [*ids.values()]), ("pipelines", f"project_id={project}", [ids["of_project"]]),
                                   ("pipelines", f"endpoint_id={endpoint['id']}", [ids["sent"]]), ("pipelines", f"endpoint_id={endpoint['id']}&state=active", []),
                                   ("replays", f"pipeline_id={ids['of_project']}", [replay]), ("replays", f"pipeline_id={ids['sent']}", []),
                                   ("replays", f"pipeline_id={ids['of_project']}&pipeline_id={ids['sent']}", [replay]),
                                   ("replays", f"endpoint_id={endpoint['id']}", [other]), ("replays", f"project_id={project}", [replay])):
            with self.subTest(path, query=query):
                self.assertEqual(sorted(row["id"] for row in self.owner.pages(f"/v2/{path}?{query}")), sorted(found))
        for path, name in (("pipelines", "project_id"), ("pipelines", "endpoint_id"), ("replays", "pipeline_id"), ("webhooks/deliveries", "replay_id"),
                           ("webhooks/endpoints", "project_id"), ("resources", "project_id")):
            with self.subTest(path, name=name):
                problem = self.problem(self.owner.get(f"/v2/{path}?{name}={endpoint['id'][:-1]}u", expect=400), "invalid-parameter")
                self.assertIn("must be an id that begins with", problem["errors"][0]["detail"])

    def test_deleted_it_makes_nothing_more(self):
        pipeline = self.create(map={"n": "${event.data.n}"})
        self.write("a", size=1)
        self.until_made(pipeline, exhausted=1)
        self.owner.request("DELETE", f"/v2/pipelines/{pipeline['id']}", expect=204)
        self.problem(self.owner.get(f"/v2/pipelines/{pipeline['id']}", expect=404), "not-found")
        row, = self.deliveries_of(pipeline)
        self.problem(self.owner.post(f"/v2/webhooks/deliveries/{row['id']}/resend", expect=409), "invalid-transition")
        self.write("b", n=1)
        other = self.create(start="beginning")
        self.until_made(other, succeeded=2)
        self.events_made(2)

    def test_start(self):
        self.write("a", size=1)
        everything = self.create(start="beginning")
        only_new = self.create(sink={"product": self.target, "kind": "note", "type": "note.written", "entity": "new-${event.subject}"})
        self.write("b", size=1)
        self.until_made(everything, succeeded=2)
        self.until_made(only_new, succeeded=1)
        self.comes(lambda: set(self.notes()), {"a", "b", "new-b"})

    def test_what_is_refused(self):
        for members, pointer in (({"condition": "event.data.("}, "/condition"), ({"map": {"a": "${event.}"}}, "/map"), ({"map": []}, "/map"),
                                 ({"map": {"a": "${x}"}}, "/map"), ({"source": {"filter": "1"}}, "/source/filter"), ({"source": {"types": []}}, "/source/types"),
                                 ({"source": {"products": ["nothing"]}}, "/source"), ({"sink": {}}, "/sink/product"), ({"sink": {"product": "nothing"}}, "/sink"),
                                 ({"sink": {"endpoint_id": "we_1"}}, "/sink/endpoint_id"), ({"sink": {"product": "projects"}}, "/sink"),
                                 ({"sink": {"endpoint_id": "we_00000000000000000000000000"}}, "/sink/endpoint_id"),
                                 ({"sink": {"product": self.target, "entity": "${"}}, "/sink/entity"), ({"priority": "urgent"}, "/priority"),
                                 ({"enrich": [{"as": "a b", "product": self.source, "kind": "file", "id": "x"}]}, "/enrich/0/as"),
                                 ({"enrich": [{"as": "a", "product": self.source, "kind": "file", "id": "${rows.x}"}]}, "/enrich/0/id"),
                                 ({"enrich": [{"as": "a", "product": "identity", "kind": "key", "id": "x"}]}, "/enrich"),
                                 ({"enrich": [{"as": "a", "product": self.source, "kind": "file", "id": "x"}] * 2}, "/enrich/1/as"),
                                 ({"enrich": [{"as": "a", "product": self.source, "kind": "file", "id": "x"},
                                              {"as": "b", "product": self.source, "kind": "flie", "id": "x"}]}, "/enrich/1/kind"),
                                 ({"project_id": "proj_00000000000000000000000000"}, "/project_id"), ({"start": "soon"}, "/start"), ({"more": 1}, "/more")):
            with self.subTest(members):
                self.problem(self.create(422, **members), "invalid-request", pointer=pointer)
        pull = self.owner.post("/v2/webhooks/endpoints", {"kind": "pull"}, expect=201)
        self.problem(self.create(422, sink={"endpoint_id": pull["id"]}), "invalid-request", pointer="/sink/endpoint_id")
        pipeline = self.create()
        other = unique("other")
        self.server.declare(other, NOTES)
        self.problem(self.patch(pipeline, 422, sink={"product": other}), "invalid-request", pointer="/sink")
        self.problem(self.act(pipeline, "resume", {"skip_to": "then"}, 422), "invalid-request", pointer="/skip_to")
        typo = {"enrich": [{"as": "a", "product": self.source, "kind": "flie", "id": "x"}]}
        self.problem(self.patch(pipeline, 422, **typo), "invalid-request", pointer="/enrich/0/kind")
        self.problem(self.act(pipeline, "dry-run", {"change": typo}, 422), "invalid-request", pointer="/change/enrich/0/kind")
        for n in range(5):
            declared = {"kinds": {**NOTES["kinds"], f"kind{n}": {"events": {f"kind{n}.made": {"fold": "replace"}}}}}
            self.server.declare(unique(f"new{n}"), declared)
            self.server.declare(other, declared)
            self.create(enrich=[{"as": "a", "product": other, "kind": f"kind{n}", "id": "x"}], paused=True)

    def test_who_makes_one_may_do_by_hand_what_it_does(self):
        body = {"name": "p", "source": {"types": ["file.*"]}, "sink": {"product": self.target, "kind": "note", "type": "note.written"},
                "enrich": [{"as": "p", "product": "projects", "kind": "project", "id": "x"}]}
        granted = ["pipelines:write", "events:read", "projects:read", f"products.{self.target}:write"]
        for missing in granted:
            key = self.server.key(self.owner.organization, [each for each in granted if each != missing])
            self.problem(key.post("/v2/pipelines", body, expect=403), "forbidden")
        pipeline = self.server.key(self.owner.organization, granted).post("/v2/pipelines", {**body, "map": {"n": "${event.data.n}"}}, expect=201)
        self.write("a", size=1)
        self.until_made(pipeline, exhausted=1)
        row, = self.deliveries_of(pipeline)
        resender = self.server.key(self.owner.organization, ["webhooks:*"])
        self.problem(resender.post(f"/v2/webhooks/deliveries/{row['id']}/resend", expect=403), "forbidden")
        self.problem(resender.post("/v2/webhooks/deliveries/resend", {"pipeline_id": pipeline["id"], "state": "exhausted"}, expect=403), "forbidden")


class Sealed(PipelineTest):
    def test_what_is_sealed_is_passed_on_whole_and_stays_sealed(self):
        people, mailing = unique("people"), unique("mailing")
        person = {"events": {"person.set": {"fold": "replace"}}, "sealed": ["/email"]}
        self.server.declare(people, {"kinds": {"person": person}})
        self.server.declare(mailing, {"kinds": {"entry": {"events": {"entry.set": {"fold": "replace"}}, "sealed": ["/to"]}}})
        sink = {"product": mailing, "kind": "entry", "type": "entry.set"}
        source = {"products": [people]}
        good = self.create(source=source, sink=sink, map={"to": "${event.data.email}", "name": "${event.data.name}"})
        open_ = self.create(source=source, sink=sink, map={"cc": "${event.data.email}"})
        part = self.create(source=source, sink=sink, map={"to": "<${event.data.email}>"})
        self.owner.post(f"/v2/products/{people}/person/ada/events", {"events": [{"type": "person.set", "data": {"email": "ada@example.org", "name": "Ada"}}]},
                        expect=201)
        self.until_made(good, succeeded=1)
        self.until_made(open_, exhausted=1)
        self.until_made(part, exhausted=1)
        self.comes(lambda: self.owner.get(f"/v2/products/{mailing}/entry/ada", expect="any").json.get("state"), {"to": "ada@example.org", "name": "Ada"})
        error = self.owner.get(f"/v2/webhooks/deliveries/{self.deliveries_of(open_)[0]['id']}")["attempts"][0]["body"]
        self.assertIn("'/cc' is sealed in", error)
        error = self.owner.get(f"/v2/webhooks/deliveries/{self.deliveries_of(part)[0]['id']}")["attempts"][0]["body"]
        self.assertIn("passed on whole", error)
        dry = self.act(good, "dry-run")
        self.assertEqual(dry["differences"][0]["after"]["data"]["to"], "ada@example.org")
        self.assertIn("'/cc' is sealed", self.act(open_, "dry-run")["differences"][0]["after"]["error"])
        # Nothing of it is in what expressions are given, nor where names are made of it.
        told = self.create(source=source, map={"text": "${event.data.email.split(':').size()}", "same": "${event.data.email == 'sealed:1:0'}"})
        for members in ({"sink": {**sink, "entity": "${event.data.email}"}}, {"map": {"${event.id}": "x", "m": "${{event.data.email: 1}}"}},
                        {"enrich": [{"as": "x", "product": people, "kind": "person", "id": "${event.data.email}"}]}):
            broken = self.create(source=source, start="beginning", **{"sink": sink, **members})
            self.until_made(broken, exhausted=1)
            self.assertIn("sealed value", self.deliveries_of(broken)[0]["error"])
        dry = self.act(told, "dry-run")
        self.assertEqual(dry["differences"][0]["after"]["data"], {"text": 3, "same": True})


class ToEndpoints(PipelineTest):
    def test_what_is_made_is_sent_signed_and_the_same_each_time(self):
        endpoint = self.endpoint(types=["nothing.at_all"])
        pipeline = self.create(sink={"endpoint_id": endpoint["id"], "type": "note.made"}, map={"size": "${event.data.size}"})
        self.receiver.status = 500
        self.write("a", size=1)
        _, headers, first = self.receiver.take(1)[0]
        self.receiver.status = 204
        row, = self.until(lambda: self.deliveries_of(pipeline))
        self.owner.post(f"/v2/webhooks/deliveries/{row['id']}/resend", expect=202)
        _, again, second = self.receiver.take(1)[0]
        self.assertEqual((first, headers["webhook-id"]), (second, again["webhook-id"]))
        event = json.loads(first)
        source, = self.events(self.source)
        self.assertEqual({name: event[name] for name in ("source", "type", "subject", "data", "causationid", "time")},
                         {"source": f"/pipelines/{pipeline['id']}", "type": "note.made", "subject": "a", "data": {"size": 1},
                          "causationid": source["id"], "time": source["time"]})
        self.assertEqual(headers["webhook-id"], event["id"])
        self.assertNotEqual(event["id"], source["id"])
        self.until_made(pipeline, succeeded=1)
        replayed = self.replay(pipeline)
        _, tagged, third = self.receiver.take(1)[0]
        self.assertEqual((third, tagged["tidemark-replay"], tagged["webhook-id"]), (first, replayed["id"], event["id"]))
        self.assertEqual(self.owner.get(f"/v2/webhooks/endpoints/{endpoint['id']}")["deliveries"]["succeeded"], 0)

    def test_what_nothing_can_be_made_of_parks(self):
        endpoint = self.endpoint(types=["nothing.at_all"])
        pipeline = self.create(sink={"endpoint_id": endpoint["id"]}, map={"n": "${event.data.n}"})
        self.write("a", size=1)
        self.write("b", n=1)
        self.until_made(pipeline, succeeded=1, exhausted=1)
        parked, = self.deliveries_of(pipeline, "&state=exhausted")
        self.assertIn("the pipeline's map: '/n'", parked["error"])
        self.assertEqual(len(self.receiver.take(1)), 1)

    def test_without_its_endpoint_it_is_paused(self):
        endpoint = self.endpoint()
        pipeline = self.create(sink={"endpoint_id": endpoint["id"]})
        self.owner.request("DELETE", f"/v2/webhooks/endpoints/{endpoint['id']}", expect=204)
        self.assertEqual(self.until(lambda: self.read(pipeline)["reason"]), "its endpoint was deleted")
        self.assertEqual(self.read(pipeline)["state"], "paused")
        self.problem(self.act(pipeline, "resume", expect=409), "invalid-transition", detail="deleted")

    def test_a_project_sees_what_is_its_own(self):
        mine, other = self.project("mine"), self.project("other")
        key = self.server.key(self.owner.organization, projects=[mine])
        endpoint = key.post("/v2/webhooks/endpoints", {"url": self.receiver.url, "types": ["nothing.at_all"], "project_id": mine}, expect=201)
        body = {"name": "p", "source": {"types": ["member.*"]}, "sink": {"endpoint_id": endpoint["id"]}, "project_id": mine}
        pipeline = key.post("/v2/pipelines", body, expect=201)
        self.problem(key.post("/v2/pipelines", {**body, "project_id": other}, expect=422), "invalid-request", pointer="/project_id")
        self.problem(key.post("/v2/pipelines", {**body, "sink": {"product": self.target}}, expect=403), "forbidden")
        row = [{"as": "p", "product": "projects", "kind": "project", "id": other}]
        self.problem(key.post("/v2/pipelines", {**body, "enrich": row}, expect=403), "forbidden")
        self.assertEqual(self.create(sink={"endpoint_id": endpoint["id"]})["project_id"], mine)
        for patch in ({"project_id": None}, {"project_id": other}):
            for refused in (key.patch(f"/v2/pipelines/{pipeline['id']}", patch, expect=422),
                            key.post(f"/v2/pipelines/{pipeline['id']}/dry-run", {"change": patch}, expect=422)):
                self.assertIn("/project_id", self.problem(refused, "invalid-request")["errors"][0]["pointer"])
        # Somebody who may has it enriched: those who are restricted see it, and have it made no other way.
        enriched = self.owner.patch(f"/v2/pipelines/{pipeline['id']}", {"enrich": row}, expect=200)
        for what in ("dry-run", "resume"):
            self.problem(key.post(f"/v2/pipelines/{pipeline['id']}/{what}", {}, expect=403), "forbidden")
        self.problem(key.post("/v2/replays", {"from": "beginning", "sink": {"pipeline_id": pipeline["id"]}}, expect=403), "forbidden")
        self.assertEqual(self.owner.patch(f"/v2/pipelines/{pipeline['id']}", {"enrich": []}, expect=200)["version"], enriched["version"] + 1)
        hidden = self.create()
        self.assertIn(pipeline["id"], [row["id"] for row in key.pages("/v2/pipelines")])
        self.assertNotIn(hidden["id"], [row["id"] for row in key.pages("/v2/pipelines")])
        self.problem(key.get(f"/v2/pipelines/{hidden['id']}", expect=404), "not-found")
        for project in (other, mine):
            self.owner.put(f"/v2/projects/{project}/members/ann", {"role": "owner"})
        dry = key.post(f"/v2/pipelines/{pipeline['id']}/dry-run", {})
        self.assertEqual((dry["events"], dry["taken"]), (1, 1))
        got, = self.receiver.take(1)
        self.assertEqual(json.loads(got[2])["causationid"], list(self.owner.events("type=member.*"))[1]["id"])


if __name__ == "__main__":
    run()
