"""Filters by declared indexes, unique rules, integrations, ?fields= and ?include=: API.md, "Declared products" and "Habits"."""
import time

from harness import ServerTest, run, unique

RUN = {"kinds": {"run": {
    "events": {"run.set": {"fold": "replace"}, "run.changed": {"fold": "merge"}, "run.gone": {"fold": "delete"}},
    "indexes": ["/state", "/deep/size"], "project": "/project_id"}}}


class DeclaredLists(ServerTest):
    def setUp(self):
        self.name = unique("runs")
        self.server.declare(self.name, RUN)
        self.path = f"/v2/products/{self.name}"

    def write(self, rows, client=None):
        return (client or self.acme).post(f"{self.path}/events", {"events": [
            {"kind": "run", "entity": entity, "type": "run.set", "data": data} for entity, data in rows.items()]}, expect=201)

    def names(self, query, client=None, path=None):
        return [row["entity"] for row in (client or self.acme).pages((path or f"{self.path}/run") + query)]

    def test_filters_by_declared_indexes(self):
        self.write({"a": {"state": "on", "deep": {"size": 1}}, "b": {"state": "off", "deep": {"size": 2}},
                    "c": {"state": "on", "deep": {"size": 2}}, "d": {"deep": {"size": "2"}}})
        self.assertEqual(self.names("?/state=on"), ["a", "c"])
        self.assertEqual(self.names("?/state=on&order=desc"), ["c", "a"])
        self.assertEqual(self.names("?/state=on&/state=off"), ["a", "b", "c"])
        self.assertEqual(self.names("?/state=on&/deep/size=2"), ["c"])
        self.assertEqual(self.names("?/deep/size=2"), ["b", "c", "d"])
        self.assertEqual(self.names("?%2Fdeep%2Fsize=2&limit=1"), ["b", "c", "d"])
        self.assertEqual(self.names("?/state=none"), [])
        other = self.server.organization("Other")
        self.assertEqual(self.names("?/state=on", other), [])

    def test_a_filter_without_an_index_names_the_one_to_declare(self):
        for full in (False, True):
            if full:
                self.write({"a": {"state": "on"}})
            for query in ("?/commit=1", "?/state=on&/commit=1", "?/deep=1", "?/state/x=1"):
                with self.subTest(full=full, query=query):
                    refused = self.acme.get(f"{self.path}/run{query}", expect=400)
                    pointer = query.replace("?", "&").split("&")[-1].split("=")[0]
                    self.problem(refused, "invalid-parameter", parameter=pointer, detail=rf'\\"indexes\\":\[\\"{pointer}\\"\]')
        self.problem(self.acme.get(f"{self.path}/other?/commit=1", expect=404), "not-found")
        many = "&".join(f"/state={n}" for n in range(51))
        self.problem(self.acme.get(f"{self.path}/run?{many}", expect=400), "invalid-parameter", parameter="/state")

    def test_pages_go_on_at_the_mark_they_began_with(self):
        self.write({f"r{n:03}": {"state": "on" if n % 2 else "off"} for n in range(100)})
        first = self.acme.get(f"{self.path}/run?/state=on&limit=10")
        mark = first.mark
        self.write({f"r{n:03}": {"state": "off" if n % 2 else "on"} for n in range(100)})
        rows, cursor = first["data"], first["next_cursor"]
        while cursor:
            page = self.acme.get(f"{self.path}/run?/state=on&limit=10&cursor={cursor}")
            rows, cursor = rows + page["data"], page["next_cursor"]
        odd = [f"r{n:03}" for n in range(100) if n % 2]
        self.assertEqual([row["entity"] for row in rows], odd)
        self.assertEqual(self.names(f"?/state=on&as_of={mark}"), odd)
        self.assertEqual(self.names("?/state=on"), [f"r{n:03}" for n in range(100) if not n % 2])
        self.problem(self.acme.get(f"{self.path}/run?/state=off&limit=10&cursor={first['next_cursor']}", expect=400), "invalid-parameter")

    def test_an_index_declared_later_holds_what_was_there_also_after_a_kill(self):
        name = unique("late")
        plain = {"kinds": {"run": {"events": RUN["kinds"]["run"]["events"]}}}
        self.server.declare(name, plain)
        for part in range(4):
            self.acme.post(f"/v2/products/{name}/events", {"events": [
                {"kind": "run", "entity": f"r{n:05}", "type": "run.set", "data": {"state": str(n % 7)}}
                for n in range(part * 5000, part * 5000 + 5000)]}, expect=201)
        self.server.declare(name, {"kinds": {"run": {**plain["kinds"]["run"], "indexes": ["/state"]}}})
        answer = self.acme.get(f"/v2/products/{name}/run?/state=3&limit=1000", expect="any")
        if answer.status == 503:
            self.problem(answer, "mark-not-reached", detail="is being made")
            self.assertIn("Retry-After", answer.headers)
        self.server.kill()
        self.server.start()
        until = time.monotonic() + 30
        while answer.status == 503 and time.monotonic() < until:
            time.sleep(0.05)
            answer = self.acme.get(f"/v2/products/{name}/run?/state=3&limit=1000", expect="any")
        found = [row["entity"] for row in self.acme.pages(f"/v2/products/{name}/run?/state=3", limit=1000)]
        self.assertEqual(found, [f"r{n:05}" for n in range(20000) if n % 7 == 3])

    def test_unique_values_are_taken_once(self):
        name = unique("users")
        self.server.declare(name, {"kinds": {"user": {"events": {"person.set": {"fold": "replace"}, "person.gone": {"fold": "delete"}},
                                                       "unique": ["/email"]}}})
        path = f"/v2/products/{name}/user"
        send = lambda entity, kind, data, status: self.acme.post(
            f"{path}/{entity}/events", {"events": [{"type": f"person.{kind}", "data": data}]}, expect=status)
        send("a", "set", {"email": "x@example.com"}, 201)
        taken = self.problem(send("b", "set", {"email": "x@example.com"}, 409), "unique-taken")
        self.assertEqual(taken["errors"][0]["pointer"], "/events/0/data/email")
        self.assertEqual([row["entity"] for row in self.acme.pages(f"{path}?/email=x@example.com")], ["a"])
        send("a", "gone", {}, 201)
        send("b", "set", {"email": "x@example.com"}, 201)
        late = self.platform.put(f"/v2/products/{self.name}", {"kinds": {"run": {**RUN["kinds"]["run"], "unique": ["/state"]}}}, expect="any")
        self.assertEqual(late.status, 200, "no run was written yet")
        self.write({"a": {"state": "x"}})
        self.server.settle()
        worse = {"kinds": {"run": {**RUN["kinds"]["run"], "unique": ["/state", "/deep"]}}}
        self.problem(self.platform.put(f"/v2/products/{self.name}", worse, expect=409), "in-use", pointer="/kinds/run/unique")
        self.problem(self.platform.put(f"/v2/products/{self.name}", {"kinds": {"run": {"events": RUN["kinds"]["run"]["events"]}}}, expect=409),
                     "in-use", pointer="/kinds/run/indexes")

    def test_integrations_list_what_names_a_project(self):
        mine, theirs = self.project(), self.project()
        self.write({"a": {"project_id": mine["id"], "state": "on"}, "b": {"project_id": theirs["id"], "state": "on"},
                    "c": {"state": "on"}, "d": {"project_id": mine["id"], "state": "off"}})
        path = f"/v2/integrations/{self.name}/run"
        self.assertEqual(self.names("", path=path), ["a", "b", "c", "d"])
        self.assertEqual(self.names(f"?project_id={mine['id']}", path=path), ["a", "d"])
        self.assertEqual(self.names(f"?project_id={mine['id']}&/state=on", path=path), ["a"])
        self.assertEqual(self.names("?project_id=proj_01arz3ndektsv4rrffq69g5fav", path=path), [])
        self.problem(self.acme.get(f"{path}?project_id=proj_none", expect=400), "invalid-parameter", parameter="project_id")
        limited = self.server.key(self.acme.organization, projects=[mine["id"]])
        self.assertEqual(self.names("", limited, path), ["a", "d"])
        self.assertEqual(self.names(f"?project_id={theirs['id']}", limited, path), [])
        self.assertEqual(self.names("?/state=on", limited, path), ["a"])
        self.problem(limited.get(f"{self.path}/run", expect=404), "not-found")
        self.problem(limited.get(f"{self.path}/run/a", expect=404), "not-found")
        plain = self.declare_files()
        self.problem(self.acme.get(f"/v2/integrations/{plain}/file", expect=404), "not-found")
        included = limited.get(f"{path}?include=project")["data"]
        self.assertEqual([row["project"]["id"] for row in included], [mine["id"]] * 2)
        self.assertEqual([row["project"] and row["project"]["id"] for row in self.acme.get(f"{self.path}/run?include=project")["data"]],
                         [mine["id"], theirs["id"], None, mine["id"]])
        self.problem(self.acme.get(f"/v2/products/{plain}/file?include=project", expect=400), "invalid-parameter", parameter="include")

    def test_fields_and_include(self):
        project = self.project()
        slim = self.acme.get("/v2/projects?fields=id,name")
        self.assertEqual({tuple(one) for one in slim["data"]}, {("id", "name")})
        self.assertIn("next_cursor", slim.json)
        one = self.acme.get(f"/v2/projects/{project['id']}?fields=slug")
        self.assertEqual((one.json, one.etag), ({"slug": project["slug"]}, project.etag))
        self.problem(self.acme.get("/v2/projects?fields=id,nam", expect=400), "invalid-parameter", parameter="fields", detail="nam")
        self.problem(self.acme.get("/v2/projects?fields=", expect=400), "invalid-parameter", parameter="fields")
        self.problem(self.acme.get("/v2/projects?include=project", expect=400), "invalid-parameter", parameter="include")
        parts = self.acme.get(f"/v2/projects/{project['id']}/environments?include=project&fields=name,project")["data"]
        self.assertEqual([part["project"] for part in parts], [project.json] * 3)
        self.assertEqual(set(parts[0]), {"name", "project"})
        self.write({"a": {"state": "on"}})
        self.assertEqual(self.acme.get(f"{self.path}/run?fields=entity,version")["data"], [{"entity": "a", "version": 1}])
        blind = self.server.key(self.acme.organization, [f"products.{self.name}:read"])
        self.problem(blind.get(f"{self.path}/run?include=project", expect=403), "forbidden")


if __name__ == "__main__":
    run()
