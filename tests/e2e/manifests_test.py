"""What a manifest may say beside folds: schemas and aliases; what a changed one would do. API.md, "Declared products"."""
from harness import ServerTest, run, unique

SIZED = {"type": "object", "required": ["size"], "additionalProperties": False, "properties": {
    "size": {"type": "integer", "maximum": 10}, "kind": {"enum": ["a", "b"]}}}


def manifest(events, **more):
    return {"kinds": {"file": {"events": events, **more}}}


class Schemas(ServerTest):
    def declare(self, events, **more):
        name = unique("schemas")
        self.server.declare(name, manifest(events, **more))
        return name

    def test_events_are_checked_and_errors_point_into_them(self):
        name = self.declare({"file.set": {"fold": "replace", "schema": SIZED}, "file.gone": {"fold": "delete"}})
        path = f"/v2/products/{name}"
        self.acme.post(f"{path}/file/a/events", {"events": [{"type": "file.set", "data": {"size": 10.0, "kind": "a"}}]}, expect=201)
        refused = self.problem(self.acme.post(f"{path}/events", {"events": [
            {"kind": "file", "entity": "a", "type": "file.set", "data": {"size": 3}},
            {"kind": "file", "entity": "b", "type": "file.set", "data": {"size": 11, "kind": "c"}},
            {"kind": "file", "entity": "b", "type": "file.gone", "data": {"size": 11}},
            {"kind": "file", "entity": "c", "type": "file.set", "data": {"more": 1}}]}, expect=422), "invalid-request")
        self.assertEqual({error["pointer"]: error["detail"] for error in refused["errors"]}, {
            "/events/1/data/size": "must be at most 10", "/events/1/data/kind": 'must be "a" or "b"',
            "/events/3/data/size": "is required", "/events/3/data/more": "unknown member"})
        self.assertEqual(self.acme.get(f"{path}/file/a")["version"], 1, "all or nothing")
        one = self.problem(self.acme.post(f"{path}/file/a/events", {"events": [{"type": "file.set", "data": {"size": 1, "kind": "z"}}]},
                                           expect=422), "invalid-request")
        self.assertEqual(one["errors"][0]["pointer"], "/events/0/data/kind")
        line = self.acme.post(f"{path}/events", b'{"events":[{"kind":"file","entity":"x","type":"file.set","data":{}}]}\n',
                               headers={"Content-Type": "application/x-ndjson"})
        self.assertIn(b"/events/0/data/size", line.body)

    def test_schemas_that_are_not_supported_are_refused(self):
        for schema, pointer in (({"$ref": "https://example.com/schema"}, "/$ref"), ({"typ": "object"}, "/typ"),
                                ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
                                ({"properties": {"a": {"pattern": "(?=a)"}}}, "/properties/a/pattern"), (7, "")):
            with self.subTest(schema=schema):
                answer = self.platform.put(f"/v2/products/{unique('schemas')}", manifest(
                    {"file.set": {"fold": "replace", "schema": schema}}), expect=422)
                self.assertEqual(self.problem(answer, "invalid-request")["errors"][0]["pointer"],
                                 "/kinds/file/events/file.set/schema" + pointer)

    def test_events_are_pinned_to_the_version_they_were_checked_by(self):
        events = {"file.set": {"fold": "replace", "schema": SIZED}}
        name = self.declare(events)
        path = f"/v2/products/{name}"
        send = lambda data, status: self.acme.post(f"{path}/file/a/events", {"events": [{"type": "file.set", "data": data}]}, expect=status)
        send({"size": 1}, 201)
        send({"size": 100}, 422)
        self.server.declare(name, manifest({"file.set": {"fold": "replace", "schema": True}}))
        send({"size": 100}, 201)
        seen = self.acme.get(f"{path}/file/a/events")["data"]
        self.assertEqual([event["dataschema"] for event in seen], [f"{path}?version=1", f"{path}?version=2"])
        old = self.platform.get(seen[0]["dataschema"])
        self.assertEqual(old["kinds"]["file"]["events"]["file.set"]["schema"], SIZED)

    def test_an_alias_is_written_as_its_type(self):
        name = self.declare({"file.set": {"fold": "replace"}})
        path = f"/v2/products/{name}"
        send = lambda kind, status: self.acme.post(f"{path}/file/a/events", {"events": [{"type": kind, "data": {}}]}, expect=status)
        send("file.set", 201)
        self.problem(send("file.stored", 422), "invalid-request")
        # file.set has events and stays declared; what still comes under that name is written as file.stored.
        self.server.declare(name, manifest({"file.set": {"fold": "replace"}, "file.stored": {"fold": "merge"}},
                                           aliases={"file.set": "file.stored", "file.put": "file.stored"}))
        for kind in ("file.set", "file.put", "file.stored"):
            send(kind, 201)
        self.assertEqual([event["type"] for event in self.acme.get(f"{path}/file/a/events")["data"]],
                         ["file.set", "file.stored", "file.stored", "file.stored"])
        for aliases, pointer in (({"file.put": "file.none"}, "/file.put"), ({"project.x": "file.set"}, "/project.x"), ([], "")):
            refused = self.platform.put(f"/v2/products/{unique('schemas')}", manifest({"file.set": {"fold": "merge"}}, aliases=aliases), expect=422)
            self.assertEqual(self.problem(refused, "invalid-request")["errors"][0]["pointer"], "/kinds/file/aliases" + pointer)


class DryRuns(ServerTest):
    def test_what_a_changed_manifest_would_make_of_the_rows(self):
        name = unique("dry")
        events = {"file.set": {"fold": "replace"}, "file.changed": {"fold": "merge"}, "file.gone": {"fold": "delete"}}
        self.server.declare(name, manifest(events))
        path = f"/v2/products/{name}"
        send = lambda entity, kind, data: self.acme.post(f"{path}/file/{entity}/events", {"events": [{"type": f"file.{kind}", "data": data}]}, expect=201)
        for entity in "abc":
            send(entity, "set", {"size": 1})
        send("a", "changed", {"name": "a"})
        send("b", "changed", {"size": 20})
        send("c", "gone", {})
        before = self.acme.get(f"{path}/file")
        platform = self.platform.with_headers(Tidemark_Organization=self.acme.organization)
        dry = lambda body, expect=200: platform.post(f"{path}/dry-run", body, expect=expect)
        same = dry(manifest(events))
        self.assertEqual((same["differences"], same["problems"], same["truncated"]), ([], [], False))
        self.assertEqual(same["kinds"], [{"kind": "file", "events": 6, "rows": 2, "added": 0, "removed": 0, "changed": 0,
                                          "not_applied": 0, "schema_violations": 0, "unique_violations": 0}])
        changed = dry(manifest({"file.set": {"fold": "replace", "schema": SIZED}, "file.changed": {"fold": "replace", "schema": SIZED}},
                               unique=["/size"]))
        kind = changed["kinds"][0]
        self.assertEqual((kind["added"], kind["removed"], kind["changed"], kind["not_applied"], kind["schema_violations"], kind["unique_violations"]),
                         (1, 0, 1, 1, 2, 0))
        self.assertEqual(changed["differences"], [
            {"kind": "file", "entity": "a", "before": {"size": 1, "name": "a"}, "after": {"name": "a"}},
            {"kind": "file", "entity": "c", "before": None, "after": {"size": 1}}])
        self.assertEqual([(problem["entity"], problem["version"]) for problem in changed["problems"]], [("a", 2), ("b", 2), ("c", 2)])
        doubles = dry(manifest({**events, "file.gone": {"fold": "merge"}}, unique=["/size"]))
        self.assertEqual(doubles["kinds"][0]["unique_violations"], 1)
        after = self.acme.get(f"{path}/file")
        self.assertEqual(after["data"], before["data"])
        self.assertEqual(self.platform.get(path)["version"], 1)
        other = self.platform.with_headers(Tidemark_Organization=self.server.organization("Other").organization)
        self.assertEqual(other.post(f"{path}/dry-run", manifest(events))["kinds"], [])
        self.problem(dry({"kinds": {}}, 422), "invalid-request", pointer="/kinds")
        self.problem(self.acme.post(f"{path}/dry-run", manifest(events), expect=403), "forbidden")
        self.problem(self.platform.post(f"{path}/dry-run", manifest(events), expect=400), "organization-required")


if __name__ == "__main__":
    run()
