# TIMEOUT 240
"""Declared products, one event at a time, in batches and in bulk: API.md, "Declared products"."""
import json
import random
import socket

from harness import FILES, ServerTest, percent, run, unique


def file(entity, kind="added", data=None, **more):
    return {"kind": "file", "entity": entity, "type": f"file.{kind}", "data": data if data is not None else {}, **more}


class Manifests(ServerTest):
    def test_declared_changed_read(self):
        name = unique("git")
        made = self.platform.put(f"/v2/products/{name}", FILES, expect=201)
        self.assertEqual((made["name"], made["version"]), (name, 1))
        same = self.platform.put(f"/v2/products/{name}", FILES, expect=200)
        self.assertEqual((same["version"], same.etag), (1, made.etag))
        grown = json.loads(json.dumps(FILES))
        grown["kinds"]["file"]["events"]["file.moved"] = {"fold": "merge"}
        grown["kinds"]["tag"] = {"events": {"tag.set": {"fold": "replace"}}}
        changed = self.platform.put(f"/v2/products/{name}", grown, expect=200)
        self.assertEqual(changed["version"], 2)
        self.assertEqual(self.platform.get(f"/v2/products/{name}").json, changed.json)
        self.assertEqual(self.platform.get(f"/v2/products/{name}?version=1")["version"], 1)
        self.assertEqual(set(self.platform.get(f"/v2/products/{name}?version=1")["kinds"]), {"file"})
        self.problem(self.platform.get(f"/v2/products/{name}?version=3", expect=404), "not-found")
        self.assertIn(name, [product["name"] for product in self.platform.pages("/v2/products")])

    def test_types_that_have_events_stay(self):
        name = self.declare_files()
        self.acme.post(f"/v2/products/{name}/events", {"events": [file("a")]})
        self.server.settle()
        refolded = json.loads(json.dumps(FILES))
        refolded["kinds"]["file"]["events"]["file.added"]["fold"] = "merge"
        removed = json.loads(json.dumps(FILES))
        del removed["kinds"]["file"]["events"]["file.added"]
        other = {"kinds": {"tag": {"events": {"tag.set": {"fold": "merge"}}}}}
        for manifest in (refolded, removed, other):
            self.problem(self.platform.put(f"/v2/products/{name}", manifest, expect=409), "in-use")
        unused = json.loads(json.dumps(FILES))
        del unused["kinds"]["file"]["events"]["file.deleted"]
        self.platform.put(f"/v2/products/{name}", unused, expect=200)

    def test_by_the_platform_only(self):
        self.problem(self.acme.put(f"/v2/products/{unique('git')}", FILES, expect=403), "forbidden")

    def test_wrong_names(self):
        for name in ("log", "keyring", "cluster", "projects", "identity", "resources", "webhooks", "deliveries", "Git", "9git", "-git", "g" * 49, "gi_t"):
            with self.subTest(name=name):
                self.assertIn(self.platform.put(f"/v2/products/{name}", FILES, expect="any").status, (400, 404, 422))

    def test_wrong_manifests(self):
        def with_kind(kind, events):
            return {"description": "x", "kinds": {kind: {"events": events}}}

        good = {"file.added": {"fold": "replace"}}
        for manifest in ({}, {"kinds": []}, {"kinds": {"file": {}}}, with_kind("file", {"file.added": {"fold": "append"}}), with_kind("file", {"file.added": {}}),
                         with_kind("file", {"project.created": {"fold": "merge"}}), with_kind("file", {"key.x": {"fold": "merge"}}),
                         with_kind("events", good), with_kind("dry-run", good), with_kind("versions", good), with_kind("file", []),
                         {**with_kind("file", good), "colour": 1}, {"description": 5, "kinds": {}}):
            with self.subTest(manifest=str(manifest)[:80]):
                self.problem(self.platform.put(f"/v2/products/{unique('git')}", manifest, expect=422), "invalid-request", detail='"pointer": "/')


class Entities(ServerTest):
    def setUp(self):
        self.name = self.declare_files()
        self.base = f"/v2/products/{self.name}/file"

    def append(self, entity, *events, expect=201, **more):
        return self.acme.post(f"{self.base}/{percent(entity)}/events", {"events": list(events), **more}, expect=expect)

    def event(self, kind="added", data=None, **more):
        return {"type": f"file.{kind}", "data": data if data is not None else {}, **more}

    def test_appended_and_read(self):
        made = self.append("db/builder.cc", self.event(data={"size": 1}, time="2011-03-18T22:37:00.000Z"))
        self.assertEqual(made["version"], 1)
        event = made["events"][0]
        self.assertEqual({**event, "id": None}, {"id": None, "kind": "file", "entity": "db/builder.cc", "version": 1})
        self.assert_id("evt", event["id"])
        row = self.acme.get(f"{self.base}/db%2Fbuilder.cc")
        self.assertEqual((row["entity"], row["state"], row["version"]), ("db/builder.cc", {"size": 1}, 1))
        self.assertEqual(row.etag, '"1"')
        self.assertEqual(self.acme.get(f"{self.base}?entity=db/builder.cc").json, row.json)
        logged = self.acme.get(f"{self.base}/db%2Fbuilder.cc/events")["data"][0]
        self.assertEqual((logged["type"], logged["subject"], logged["source"], logged["time"], logged["data"], logged["kind"]),
                         ("file.added", "db/builder.cc", f"/products/{self.name}", "2011-03-18T22:37:00.000Z", {"size": 1}, "file"))

    def test_folds(self):
        self.append("f", self.event(data={"a": 1, "b": {"c": 2, "d": 3}}))
        self.append("f", self.event("modified", {"a": None, "b": {"c": 9}, "e": [1, {"x": None}]}))
        self.assertEqual(self.acme.get(f"{self.base}/f")["state"], {"b": {"c": 9, "d": 3}, "e": [1, {"x": None}]})
        self.append("f", self.event(data={"new": True}))
        self.assertEqual(self.acme.get(f"{self.base}/f")["state"], {"new": True})
        self.append("f", self.event("deleted"))
        self.problem(self.acme.get(f"{self.base}/f", expect=404), "not-found")
        self.assertEqual([row for row in self.acme.pages(self.base) if row["entity"] == "f"], [])
        self.assertEqual(self.append("f", self.event(data={"again": 1}))["version"], 5)
        self.assertEqual(self.acme.get(f"{self.base}/f")["state"], {"again": 1})

    def test_merge_on_nothing_and_delete_of_nothing(self):
        self.append("m", self.event("modified", {"a": 1, "b": None}))
        self.assertEqual(self.acme.get(f"{self.base}/m")["state"], {"a": 1})
        self.assertEqual(self.append("n", self.event("deleted"))["version"], 1)
        self.acme.get(f"{self.base}/n", expect=404)

    def test_several_events_in_order(self):
        made = self.append("s", self.event(data={"n": 1}), self.event("modified", {"m": 2}), self.event("modified", {"n": 3}))
        self.assertEqual([event["version"] for event in made["events"]], [1, 2, 3])
        self.assertEqual(made["version"], 3)
        self.assertEqual(self.acme.get(f"{self.base}/s")["state"], {"n": 3, "m": 2})

    def test_expected_versions(self):
        outcomes = {  # expected: (never existed, lives at version 1, deleted at version 2)
            "any": (201, 201, 201), "exists": (409, 201, 409), "absent": (201, 409, 201), "no_stream": (201, 409, 409),
            "deleted": (409, 409, 201), 1: (409, 201, 409), 2: (409, 409, 201), 7: (409, 409, 409)}
        for expected, statuses in outcomes.items():
            for life, status in enumerate(statuses):
                with self.subTest(expected=expected, life=life):
                    entity = unique("e")
                    for kind in ("added", "deleted")[:life]:
                        self.append(entity, self.event(kind))
                    answer = self.append(entity, self.event(), expect=status, expected_version=expected)
                    if status == 409:
                        conflict = self.problem(answer, "version-conflict")["conflicts"][0]
                        self.assertEqual(conflict, {"kind": "file", "entity": entity, "expected": expected, "current_version": life})

    def test_wrong_expectations(self):
        for expected in ("maybe", -1, 1.5, True, None, [], "1"):
            with self.subTest(expected=expected):
                self.problem(self.append("w", self.event(), expect=422, expected_version=expected), "invalid-request", pointer="/expected_version")

    def test_names(self):
        for name in ("a", "with space", "ünïcödé/東京", "a/../b", "...", "%2F", "?x=1&y=2#z", "🜁" * 128, "events", "x" * 512, "+"):
            with self.subTest(name=name[:20]):
                self.append(name, self.event(data={"n": name}))
                self.assertEqual(self.acme.get(f"{self.base}/{percent(name)}")["entity"], name)
                self.assertEqual(self.acme.get(f"{self.base}?entity={percent(name)}")["state"], {"n": name})
        self.assertEqual(len(list(self.acme.pages(self.base, limit=2))), 11)

    def test_wrong_names(self):
        for name in (".", "..", "x" * 513, "a\nb", "\x00", "\x7f", "🜁" * 129):
            with self.subTest(name=name[:20]):
                self.problem(self.append(name, self.event(), expect=404), "not-found")
        answer = self.acme.post(f"{self.base}/%FF%FE/events", {"events": [self.event()]}, expect=400)
        self.problem(answer, "invalid-parameter", detail="segment 5")
        self.assertEqual(list(self.acme.pages(self.base)), [])

    def test_wrong_events(self):
        for events, pointer in [([], "/events"), ({}, "/events"), ([5], "/events/0"), ([{}], "/events/0/type"), ([self.event("flown")], "/events/0/type"),
                                ([self.event(), self.event(data=7)], "/events/1/data"), ([self.event(time="soon")], "/events/0/time"),
                                ([self.event(colour=1)], "/events/0/colour"), ([{"type": "file.added"}], "/events/0/data"),
                                ([self.event(time=5)], "/events/0/time"), ([self.event(data=[1])], "/events/0/data")]:
            with self.subTest(events=str(events)[:60]):
                answer = self.acme.post(f"{self.base}/w/events", {"events": events}, expect=422)
                self.problem(answer, "invalid-request", pointer=pointer)

    def test_kinds_and_products_that_are_not_there(self):
        body = {"events": [self.event()]}
        for path, missing in ((f"/v2/products/nothing/file/{percent('a/b')}", "product"), (f"/v2/products/{self.name}/folder/a", "kind"),
                              (f"{self.base}/missing", "entity")):
            for tail in ("", "/events"):
                self.problem(self.acme.get(path + tail, expect=404), "not-found", detail=f"there is no {missing} of this name")
        for path, missing in (("/v2/products/nothing/file", "product"), (f"/v2/products/{self.name}/folder", "kind"),
                              (f"/v2/products/{self.name}/folder?entity=a", "kind"), (f"{self.base}?entity=missing", "entity")):
            self.problem(self.acme.get(path, expect=404), "not-found", detail=f"there is no {missing} of this name")
        for path, missing in (("/v2/products/nothing/file/a", "product"), (f"/v2/products/{self.name}/folder/a", "kind")):
            self.problem(self.acme.post(f"{path}/events", body, expect=404), "not-found", detail=f"there is no {missing} of this name")
        self.problem(self.acme.post("/v2/products/nothing/events", body, expect=404), "not-found", detail="there is no product of this name")

    def test_as_of(self):
        marks = [self.append("p", self.event(data={"n": 0})).mark]
        marks += [self.append("p", self.event("modified", {"n": n})).mark for n in range(1, 5)]
        gone = self.append("p", self.event("deleted")).mark
        for n, mark in enumerate(marks):
            row = self.acme.get(f"{self.base}/p?as_of={mark}")
            self.assertEqual((row["state"], row["version"]), ({"n": n}, n + 1))
            self.assertEqual([r["state"] for r in self.acme.pages(f"{self.base}?as_of={mark}")], [{"n": n}])
        self.acme.get(f"{self.base}/p?as_of={gone}", expect=404)

    def test_permissions_are_the_products(self):
        writer = self.server.key(self.acme.organization, [f"products.{self.name}:write"])
        reader = self.server.key(self.acme.organization, [f"products.{self.name}:read"])
        body = {"events": [self.event()]}
        writer.post(f"{self.base}/x/events", body, expect=201)
        self.problem(reader.post(f"{self.base}/x/events", body, expect=403), "forbidden")
        reader.get(f"{self.base}/x")
        stranger = self.server.key(self.acme.organization, ["products.another:*"])
        self.problem(stranger.get(f"{self.base}/x", expect=403), "forbidden")

    def test_as_a_dictionary_of_random_writes(self):
        """Five hundred random writes against a dictionary; the seed is in the failure's text."""
        seed = random.randrange(1 << 30)
        source, model = random.Random(seed), {}
        for _ in range(500):
            name, kind = f"f{source.randrange(40)}", source.choice(["added", "modified", "deleted"])
            data = {source.choice("abc"): source.choice([1, "x", None, {"y": 1}])}
            self.append(name, self.event(kind, data))
            if kind == "deleted":
                model.pop(name, None)
            elif kind == "added":
                model[name] = data
            else:
                model[name] = merged(model.get(name), data)
        rows = {row["entity"]: row["state"] for row in self.acme.pages(self.base, limit=7)}
        self.assertEqual(rows, model, f"seed {seed}")


def merged(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


class Batches(ServerTest):
    def setUp(self):
        self.name = self.declare_files()
        self.path = f"/v2/products/{self.name}/events"

    def rows(self):
        return {row["entity"]: row for row in self.acme.pages(f"/v2/products/{self.name}/file", limit=1000)}

    def test_many_entities_at_once(self):
        made = self.acme.post(self.path, {"events": [file("a"), file("b"), file("a", "modified", {"n": 1}), file("c"), file("c", "deleted")]}, expect=201)
        self.assertEqual([(e["entity"], e["version"]) for e in made["events"]], [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("c", 2)])
        self.assertEqual(set(self.rows()), {"a", "b"})

    def test_all_or_nothing(self):
        self.acme.post(self.path, {"events": [file("kept")]})
        body = {"expected": [{"kind": "file", "entity": "kept", "version": 1}, {"kind": "file", "entity": "other", "version": 3}],
                "events": [file("kept", "modified", {"n": 1}), file("new")]}
        conflicts = self.problem(self.acme.post(self.path, body, expect=409), "version-conflict")["conflicts"]
        self.assertEqual(conflicts, [{"kind": "file", "entity": "other", "expected": 3, "current_version": 0}])
        self.problem(self.acme.post(self.path, {"events": [file("new"), file("bad", "flown")]}, expect=422), "invalid-request", pointer="/events/1/type")
        self.assertEqual({name: row["version"] for name, row in self.rows().items()}, {"kept": 1})

    def test_conditions_on_entities_that_are_not_written(self):
        self.acme.post(self.path, {"events": [file("guard")]})
        for version, status in ((1, 201), (2, 409), ("exists", 201), ("absent", 409)):
            body = {"expected": [{"kind": "file", "entity": "guard", "version": version}], "events": [file(unique("x"))]}
            self.acme.post(self.path, body, expect=status)

    def test_ten_thousand_and_one(self):
        self.acme.post(self.path, {"events": [file(f"f{n}") for n in range(10_000)]}, expect=201)
        self.assertEqual(len(self.rows()), 10_000)
        refused = self.acme.post(self.path, {"events": [file(f"g{n}") for n in range(10_001)]}, expect=422)
        self.problem(refused, "invalid-request", pointer="/events")
        self.assertEqual(len(self.rows()), 10_000)

    def test_four_mebibytes(self):
        def four(size):
            return {"events": [file(f"big{size}-{n}", data={"text": "x" * size}) for n in range(4)]}

        self.acme.post(self.path, four(975_000), expect=201)
        self.assertEqual([len(row["state"]["text"]) for row in self.rows().values()], [975_000] * 4)
        self.acme.post(self.path, four(1_048_500), expect=413)
        self.problem(self.acme.post(self.path, four(1_250_000), expect=413), "too-large")
        self.assertEqual(len(self.rows()), 4)

    def test_an_entity_has_a_mebibyte_of_state(self):
        self.acme.post(self.path, {"events": [file("big", data={"text": "x" * 1_000_000})]}, expect=201)
        answer = self.acme.post(self.path, {"events": [file("huge", data={"text": "x" * 1_100_000})]}, expect=413)
        self.problem(answer, "record-too-large")
        self.assertEqual(set(self.rows()), {"big"})

    def test_a_mark_of_a_batch_takes_the_whole_record(self):
        made = self.acme.post(self.path, {"events": [file("a"), file("b")]})
        first = self.acme.get("/v2/events?after=beginning&limit=1&product=" + self.name)["data"][0]
        for mark in (made.mark, first["mark"]):
            rows = list(self.acme.pages(f"/v2/products/{self.name}/file?as_of={mark}"))
            self.assertEqual({row["entity"] for row in rows}, {"a", "b"})


class Bulk(ServerTest):
    def setUp(self):
        self.name = self.declare_files()
        self.path = f"/v2/products/{self.name}/events"

    def bulk(self, lines, expect=200):
        body = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
        answer = self.acme.request("POST", self.path, body, headers={"Content-Type": "application/x-ndjson"}, expect=expect, timeout=60)
        return [json.loads(line) for line in answer.body.splitlines()] if answer.status == 200 else answer

    def entities(self):
        return {row["entity"] for row in self.acme.pages(f"/v2/products/{self.name}/file", limit=1000)}

    def test_a_record_a_line_in_order(self):
        answers = self.bulk({"events": [file(f"f{n}"), file(f"g{n}")]} for n in range(300))
        self.assertEqual([(a["line"], a["events"]) for a in answers], [(n + 1, 2) for n in range(300)])
        for answer in answers[:3]:
            self.assert_mark(answer["mark"])
        self.assertEqual(len(self.entities()), 600)
        rows = list(self.acme.pages(f"/v2/products/{self.name}/file?as_of={answers[99]['mark']}", limit=1000))
        self.assertEqual(len(rows), 200)

    def test_stops_at_the_first_refusal(self):
        for bad, name in (({"events": [file("x", "flown")]}, "invalid-request"), (b"{", "malformed-json"), ({}, "invalid-request"),
                          ({"expected": [{"kind": "file", "entity": "a", "version": 9}], "events": [file("y")]}, "version-conflict"),
                          ({"events": [file("x")], "colour": 1}, "invalid-request"), (b'{"events":"' + b"x" * 4_300_000 + b'"}', "too-large")):
            with self.subTest(name=name):
                before, after = unique("before"), unique("after")
                answers = self.bulk([{"events": [file(before)]}, bad, {"events": [file(after)]}])
                self.assertEqual(answers[0]["line"], 1)
                self.assertEqual(answers[1]["line"], 2)
                self.assertEqual(answers[1]["problem"]["type"], f"/problems/{name}")
                self.assertEqual(len(answers), 2)
                self.assertIn(before, self.entities())
                self.assertNotIn(after, self.entities())

    def test_each_line_has_its_own_idempotency_key(self):
        lines = [{"idempotency_key": unique("line"), "events": [file(f"f{n}", data={"n": n})]} for n in range(20)]
        first = self.bulk(lines[:12])
        again = self.bulk(lines)
        self.assertEqual([a["mark"] for a in again[:12]], [a["mark"] for a in first])
        self.assertEqual([a["line"] for a in again], list(range(1, 21)))
        rows = list(self.acme.pages(f"/v2/products/{self.name}/file"))
        self.assertEqual({row["version"] for row in rows}, {1})
        changed = {**lines[3], "events": [file("other")]}
        self.assertEqual(self.bulk([changed])[0]["problem"]["type"], "/problems/idempotency-key-reused")

    def test_lines_are_answered_as_they_become_durable(self):
        """One line is sent and answered before the next is sent, on one request."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as connection:
            connection.sendall((f"POST {self.path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.acme.key}\r\n"
                                "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n").encode())
            received = b""
            for n in range(3):
                line = json.dumps({"events": [file(f"f{n}")]}).encode() + b"\n"
                connection.sendall(b"%x\r\n%s\r\n" % (len(line), line))
                while b'"line":%d' % (n + 1) not in received.replace(b" ", b""):
                    piece = connection.recv(65536)
                    self.assertTrue(piece, received)
                    received += piece
            connection.sendall(b"0\r\n\r\n")
        self.assertEqual(self.entities(), {"f0", "f1", "f2"})

    def test_empty_lines_and_no_last_newline(self):
        body = json.dumps({"events": [file("a")]}).encode()
        answer = self.acme.request("POST", self.path, body, headers={"Content-Type": "application/x-ndjson"}, expect=200)
        self.assertEqual(json.loads(answer.body)["line"], 1)
        self.acme.request("POST", self.path, b"", headers={"Content-Type": "application/x-ndjson"}, expect=200)

    def test_empty_lines_are_counted(self):
        for bad, name in ((b"junk", "malformed-json"), (b"x" * 4_300_000, "too-large")):
            answers = self.bulk([b"", {"events": [file("a")]}, b"\r", b"", {"events": [file("b")]}, bad])
            self.assertEqual([answer["line"] for answer in answers], [2, 5, 6])
            self.assertEqual(answers[2]["problem"]["type"], f"/problems/{name}")


if __name__ == "__main__":
    run()
