# TIMEOUT 180
"""Sealed fields of declared products: what a manifest names under `sealed` is in clear in answers and nowhere else.
API.md, "Declared products"; DESIGN.md 4."""
import json
import os
import unittest

import harness
from canaries import search
from harness import Server, ServerTest, run, unique

PEOPLE = {"kinds": {"person": {
    "events": {"person.set": {"fold": "replace", "schema": {"properties": {"email": {"type": ["string", "null"], "pattern": "@"}}}},
               "person.changed": {"fold": "merge"}, "person.gone": {"fold": "delete"}},
    "sealed": ["/email", "/who/name", "/notes"], "unique": ["/email"], "indexes": ["/team"]},
    "place": {"events": {"place.set": {"fold": "replace"}}}}}
LINES = {"Content-Type": "application/x-ndjson"}
CANARY = "xyzzy-geheim/42@example.org"


def event(entity, data, what="set"):
    return {"kind": "person", "entity": entity, "type": f"person.{what}", "data": data}


class SealedFields(ServerTest):
    def setUp(self):
        self.name = unique("people")
        self.server.declare(self.name, PEOPLE)
        self.path = f"/v2/products/{self.name}"

    def write(self, *events, expect=201, client=None, **options):
        return (client or self.acme).post(f"{self.path}/events", {"events": list(events)}, expect=expect, **options)

    def state(self, entity, query=""):
        return self.acme.get(f"{self.path}/person/{entity}{query}")["state"]

    def found(self, query, client=None):
        return [row["entity"] for row in (client or self.acme).pages(f"{self.path}/person?{query}")]

    def test_answers_show_what_was_written(self):
        ada = {"email": "ada@example.org", "who": {"name": "Ada", "born": 1815}, "notes": [1, {"a": None}], "team": "x"}
        first = self.write(event("ada", ada))
        self.assertEqual(self.state("ada"), ada)
        self.write(event("ada", {"email": "a@b", "notes": {"any": "thing"}, "who": {"born": 1816}}, "changed"))
        changed = {**ada, "email": "a@b", "notes": {"any": "thing"}, "who": {"name": "Ada", "born": 1816}}
        self.assertEqual(self.state("ada"), changed)
        self.assertEqual(self.state("ada", f"?as_of={first.mark}"), ada)
        self.assertEqual(self.acme.get(f"{self.path}/person?as_of={first.mark}")["data"][0]["state"], ada)
        self.assertEqual(self.acme.get(f"{self.path}/person?fields=state")["data"], [{"state": changed}])
        own = self.acme.get(f"{self.path}/person/ada/events")["data"]
        self.assertEqual([one["data"] for one in own], [ada, {"email": "a@b", "notes": {"any": "thing"}, "who": {"born": 1816}}])
        self.assertEqual([one["data"] for one in self.acme.get(f"/v2/events?after=beginning&product={self.name}")["data"]],
                         [one["data"] for one in own])
        with self.acme.stream("after=beginning&type=person.*") as stream:
            self.assertEqual([one["data"] for _, one in stream.take(len(own))], [one["data"] for one in own])
        self.write(event("ada", {"email": None, "notes": None}, "changed"))
        self.assertEqual(self.state("ada"), {"who": {"name": "Ada", "born": 1816}, "team": "x"})
        self.write(event("ada", {"email": None, "who": "nobody"}))
        self.assertEqual(self.state("ada"), {"email": None, "who": "nobody"})

    def test_unique_and_filters_by_the_blind_index(self):
        self.write(event("ada", {"email": "ada@example.org", "team": "x"}), event("bob", {"email": "bob@example.org", "team": "x"}))
        self.assertEqual(self.found("/email=ada@example.org"), ["ada"])
        self.assertEqual(self.found("/email=ada@example.org&/email=bob@example.org&/team=x"), ["ada", "bob"])
        self.assertEqual(self.found("/email=eve@example.org"), [])
        taken = self.write(event("eve", {"email": "ada@example.org"}), expect=409)
        self.problem(taken, "unique-taken", pointer="/events/0/data/email")
        self.assertNotIn("ada@example.org", taken.body.decode())
        self.write(event("ada", {}, "gone"), event("eve", {"email": "ada@example.org"}))
        self.assertEqual(self.found("/email=ada@example.org"), ["eve"])
        other = self.server.organization("Other")
        self.write(event("ada", {"email": "ada@example.org"}), client=other)
        self.assertEqual(self.found("/email=ada@example.org", other), ["ada"])
        self.problem(self.acme.get(f"{self.path}/person?/notes=1", expect=400), "invalid-parameter", parameter="/notes")

    def test_schemas_check_what_is_in_clear(self):
        self.problem(self.write(event("ada", {"email": "no address"}), expect=422), "invalid-request", pointer="/events/0/data/email")
        forged = self.write(event("ada", {"who": {"name": "sealed:1:AAAA"}}), expect=422)
        self.problem(forged, "invalid-request", pointer="/events/0/data", detail="sealed:1:")
        self.acme.get(f"{self.path}/person/ada", expect=404)

    def test_lines_and_repetitions(self):
        lines = [{"events": [event(f"p{n}", {"email": f"p{n}@example.org"})], "idempotency_key": f"{self.name}-{n}"} for n in range(50)]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        for replayed in (None, True):
            answers = [json.loads(line) for line in self.acme.post(f"{self.path}/events", body, headers=LINES).body.splitlines()]
            self.assertEqual([(one["line"], one.get("replayed")) for one in answers], [(n + 1, replayed) for n in range(50)])
        self.assertEqual(self.state("p7"), {"email": "p7@example.org"})
        key = {"Idempotency-Key": unique("once")}
        first = self.write(event("ada", {"email": "a@b"}), headers=key)
        again = self.write(event("ada", {"email": "a@b"}), headers=key)
        self.assertEqual((again.json, again.headers["Idempotent-Replayed"]), (first.json, "true"))
        self.problem(self.write(event("ada", {"email": "b@b"}), headers=key, expect=422), "idempotency-key-reused")
        one = self.acme.post(f"{self.path}/person/ada/events", {"events": [{"type": "person.set", "data": {"email": "c@d"}}]}, expect=201)
        self.assertEqual((one["version"], self.state("ada")), (2, {"email": "c@d"}))

    def test_sealed_fields_stay(self):
        self.write(event("ada", {"email": "a@b"}))
        self.server.settle()

        def declare(expect, **members):
            return self.server.platform.put(self.path, {"kinds": {**PEOPLE["kinds"], "person": {**PEOPLE["kinds"]["person"], **members}}}, expect=expect)

        for members in ({"sealed": ["/email"]}, {"indexes": ["/team", "/notes"]}, {"sealed": PEOPLE["kinds"]["person"]["sealed"] + ["/team"]}):
            with self.subTest(members):
                self.problem(declare(409, **members), "in-use", pointer="/kinds/person/sealed")
        self.problem(declare(422, sealed=["/who", "/who/name"]), "invalid-request", pointer="/kinds/person/sealed")
        self.assertEqual(declare(200, sealed=PEOPLE["kinds"]["person"]["sealed"] + ["/phone"])["version"], 2)
        self.write(event("bob", {"phone": 7, "email": "b@b"}))
        self.assertEqual(self.state("bob"), {"phone": 7, "email": "b@b"})
        dry = self.server.platform.with_headers(Tidemark_Organization=self.acme.organization).post(
            f"{self.path}/dry-run", {"kinds": {"person": {"events": {"person.set": {"fold": "replace", "schema": {"properties": {"phone": {"type": "string"}}}}},
                                                          "sealed": ["/email"]}}})
        self.assertIn("/data/phone", dry["problems"][0]["detail"])


@unittest.skipIf(harness.BROKERS, "looks into the files of an embedded log")
class Sealed(unittest.TestCase):
    def setUp(self):
        self.server = Server("--log-level", "debug")
        self.addCleanup(self.server.close)
        self.server.start()
        self.server.declare("people", PEOPLE)
        self.acme = self.server.organization()

    def write(self, *events, expect=201, **options):
        return self.acme.post("/v2/products/people/events", {"events": list(events)}, expect=expect, **options)

    def test_a_value_stands_nowhere_in_clear(self):
        data = {"email": CANARY, "who": {"name": CANARY}, "notes": [CANARY], "team": "seen-anywhere"}
        key = {"Idempotency-Key": unique("put")}
        for _ in range(2):
            self.write(event("ada", data), headers=key)
        self.acme.post("/v2/products/people/events", json.dumps({"events": [event("bob", {"notes": CANARY})], "idempotency_key": "b"}).encode() + b"\n",
                       headers=LINES)
        refused = [self.write(event("eve", {"email": CANARY}), expect=409),
                   self.write(event("eve", {"email": CANARY + "x"}), {**event("eve", {}), "type": "person.none"}, expect=422),
                   self.acme.post("/v2/products/people/person/ada/events", {"events": [{"type": "person.set", "data": data}]}, headers={"If-Match": '"9"'}, expect=412)]
        self.assertEqual(self.acme.get("/v2/products/people/person?/team=seen-anywhere")["data"][0]["state"], data)
        answers = [*refused, self.server.client().get("/metrics"), self.server.platform.get("/v2/status")]
        found, texts = search(self.server, CANARY, answers)
        self.assertEqual(found, [])
        self.assertGreater(sum(b"seen-anywhere" in text for text in texts), 2)

    def test_without_the_root_key_what_needs_no_sealed_field_goes_on(self):
        self.write(event("ada", {"email": "a@b"}), event("bob", {"team": "x"}), {**event("home", {"at": 1}), "kind": "place", "type": "place.set"})
        key = os.path.join(self.server.data, "root.key")
        self.server.stop()
        os.rename(key, key + ".away")
        self.server.start()
        path = "/v2/products/people"
        for refused in (f"{path}/person/ada", f"{path}/person", f"{path}/person/ada/events", "/v2/events?after=beginning", f"{path}/person?/email=a@b"):
            answer = self.acme.get(refused, expect=503)
            self.assertEqual(answer["type"], "/problems/root-key-missing", refused)
        self.assertEqual(self.write(event("eve", {"email": "e@b"}), expect=503)["type"], "/problems/root-key-missing")
        self.acme.get(f"{path}/person/eve", expect=404)
        self.assertEqual(self.acme.get(f"{path}/person/bob")["state"], {"team": "x"})
        self.assertEqual(self.acme.get(f"{path}/place")["data"][0]["state"], {"at": 1})
        self.write(event("bob", {"team": "y"}))
        self.server.stop()
        os.rename(key + ".away", key)
        self.server.start()
        self.assertEqual(self.acme.get(f"{path}/person/ada")["state"], {"email": "a@b"})


if __name__ == "__main__":
    run()
