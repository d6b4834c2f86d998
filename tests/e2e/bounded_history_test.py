"""Bounded history of declared kinds: `keep_versions` and `keep_age`. API.md, "Declared products"."""
import time
import urllib.parse

from harness import ServerTest, run, unique


class BoundedHistory(ServerTest):
    def declare(self, **bounds):
        self.name = unique("files")
        self.path = f"/v2/products/{self.name}"
        self.manifest = {"kinds": {"file": {"events": {"file.set": {"fold": "replace"}, "file.changed": {"fold": "merge"}},
                                            "indexes": ["/state"], **bounds}}}
        return self.server.declare(self.name, self.manifest)

    def write(self, entity, data, what="changed"):
        return self.acme.post(f"{self.path}/events", {"events": [
            {"kind": "file", "entity": entity, "type": f"file.{what}", "data": data}]}, expect=201).mark

    def state(self, entity, mark):
        return self.acme.get(f"{self.path}/file/{entity}?as_of={mark}")

    def test_one_entity_goes_back_to_its_beginning_and_lists_as_far_as_is_kept(self):
        self.declare(keep_age="1s")
        beginning = self.acme.get(f"{self.path}/file").mark
        other = self.write("other", {"state": "on"})
        marks = [self.write("f", {"state": "on", f"n{n}": n}) for n in range(4)]
        time.sleep(1.3)
        marks += [self.write("f", {"state": "on", f"n{n}": n}) for n in range(4, 6)]
        for n, mark in enumerate(marks):
            row = self.state("f", mark)
            self.assertEqual((row["state"], row["version"]), ({"state": "on", **{f"n{m}": m for m in range(n + 1)}}, n + 1))
            self.assertEqual(row.etag, f'"{n + 1}"')
        self.acme.get(f"{self.path}/file/f?as_of={other}", expect=404)
        self.assertEqual([event["entityversion"] for event in self.acme.get(f"{self.path}/file/f/events")["data"]], [1, 2, 3, 4, 5, 6])
        for query in ("", "&/state=on"):
            for mark in (other, *marks[:3]):
                refused = self.acme.get(f"{self.path}/file?as_of={mark}{query}", expect=410)
                self.problem(refused, "history-trimmed")
            earliest = self.acme.get(f"{self.path}/file?as_of={refused['earliest_mark']}{query}")
            self.assertEqual([(row["entity"], row["version"]) for row in earliest["data"]], [("f", 4), ("other", 1)])
            self.assertEqual(len(self.acme.get(f"{self.path}/file?as_of={marks[5]}{query}")["data"]), 2)
            self.assertEqual(self.acme.get(f"{self.path}/file?as_of=2020-01-01T00:00:00Z{query}")["data"], [])
            self.assertEqual(self.acme.get(f"{self.path}/file?as_of={beginning}{query}")["data"], [])

    def test_pages_go_on_while_a_bounded_kind_changes(self):
        self.declare(keep_versions=1)
        for name in "abc":
            self.write(name, {"state": "on"})
        first = self.acme.get(f"{self.path}/file?limit=1")
        self.write("b", {"state": "off"})
        cursor = urllib.parse.quote(first["next_cursor"])
        self.assertEqual(self.acme.get(f"{self.path}/file?limit=1&cursor={cursor}")["data"][0]["state"], {"state": "on"})

    def test_a_page_whose_beginning_is_gone_says_so(self):
        self.declare(keep_age="1s")
        for name in "abc":
            self.write(name, {"state": "on"})
        first = self.acme.get(f"{self.path}/file?limit=1")
        cursor = urllib.parse.quote(first["next_cursor"])
        self.assertEqual([row["entity"] for row in self.acme.get(f"{self.path}/file?limit=1&cursor={cursor}")["data"]], ["b"])
        self.write("c", {"state": "off"})
        time.sleep(1.3)
        self.write("c", {"state": "off", "n": 1})
        self.problem(self.acme.get(f"{self.path}/file?limit=1&cursor={cursor}", expect=410), "history-trimmed")
        self.assertEqual([row["entity"] for row in self.acme.pages(f"{self.path}/file?limit=1")], ["a", "b", "c"])

    def test_by_age_and_by_events_of_another_manifest(self):
        self.declare(keep_age="1s")
        old = self.write("f", {"n": 1})
        time.sleep(1.2)
        self.write("f", {"n": 2})
        self.assertEqual(len(self.acme.get(f"{self.path}/file?as_of={old}")["data"]), 1)  # it was the newest until now
        time.sleep(1.2)
        self.write("f", {"n": 3})
        self.acme.get(f"{self.path}/file?as_of={old}", expect=410)
        self.assertEqual(self.state("f", old)["state"], {"n": 1})
        self.server.platform.put(self.path, {"kinds": {"file": {"events": self.manifest["kinds"]["file"]["events"], "indexes": ["/state"]}}}, expect=200)
        kept = self.write("f", {"n": 4})
        time.sleep(1.2)
        self.write("f", {"n": 5})
        self.assertEqual(self.acme.get(f"{self.path}/file?as_of={kept}")["data"][0]["state"], {"n": 4})

    def test_bad_bounds(self):
        for bounds, pointer in (({"keep_versions": 0}, "keep_versions"), ({"keep_versions": "3"}, "keep_versions"), ({"keep_age": 90}, "keep_age"),
                                ({"keep_age": "90"}, "keep_age"), ({"keep_age": "3 weeks"}, "keep_age")):
            with self.subTest(bounds):
                manifest = {"kinds": {"file": {"events": {"file.set": {"fold": "replace"}}, **bounds}}}
                self.problem(self.server.platform.put(f"/v2/products/{unique('bad')}", manifest, expect=422), "invalid-request",
                             pointer=f"/kinds/file/{pointer}")


if __name__ == "__main__":
    run()
