# TIMEOUT 300
"""Nothing of one organization reaches another, by any operation and any place an id can be put.

A victim organization owns a project, keys, files, events, marks and cursors, all of them carrying canary
words. Callers that must not see them (nobody, a revoked key, another organization, the victim's own other
space) then run every operation of /openapi.json with the victim's ids in path, query, body, cursor, mark,
Last-Event-ID and Idempotency-Key. Each answer must be, byte for byte, the answer for an id that does not
exist, apart from the request's id and the id itself; no answer may hold a canary; the victim is unchanged.
"""
import json
import re

import openapi
from client import NO_BODY, StreamClosed
from harness import LOOPBACK_ALLOWED, PROJECT_FILES, ServerTest, percent, run, unique

CANARY = "canary"


def in_query(parameter, value):
    """A condition has it as a text: what cannot be compiled is shown again in part."""
    text = f"event.subject == '{value}'" if parameter == "filter" else value
    return f"{parameter}={percent(text)}"


class Victim:
    """An organization with one of everything; `ids` by the word before the path's parameter."""

    def __init__(self, test, suffix):
        server = test.server
        self.name = f"{CANARY} organization {suffix}"
        self.client = server.organization(self.name)
        self.body = {"name": f"{CANARY} project {suffix}"}
        self.idempotency_key = f"shared-key-{suffix}"
        project = self.client.post("/v2/projects", self.body, headers={"Idempotency-Key": self.idempotency_key})
        self.entity = f"{CANARY}/file/{suffix}"
        written = self.client.post(f"/v2/products/{test.product}/file/{percent(self.entity)}/events",
                                   {"events": [{"type": "file.added", "data": {"secret": f"{CANARY} data"}}]})
        self.client.patch(f"/v2/projects/{project['id']}", {"name": f"{CANARY} project {suffix} renamed"})
        self.client.post("/v2/projects", {"name": f"{CANARY} second"})
        self.client.patch(f"/v2/projects/{project['id']}/settings", {"word": f"{CANARY} setting"})
        self.client.put(f"/v2/projects/{project['id']}/members/{CANARY}-member", {"role": "owner"})
        self.client.post(f"/v2/projects/{project['id']}/environments", {"name": f"{CANARY}-environment"})
        self.client.patch(f"/v2/projects/{project['id']}/environments/{CANARY}-environment/settings", {"word": f"{CANARY} inner"})
        for place in ("", f"/environments/{CANARY}-environment"):
            self.client.put(f"/v2/projects/{project['id']}{place}/secrets/{CANARY}-secret", {"value": f"{CANARY} value"})
        server.platform.put("/v2/resource-kinds/made", {"provisioner": "none"})
        resource = self.client.post("/v2/resources", {"project_id": project["id"], "environment": "staging", "kind": "made", "name": f"{CANARY} resource",
                                                      "units": 1, "spec": {"word": f"{CANARY} spec"}}, expect=201)
        self.client.post(f"/v2/resources/{resource['id']}/health", {"health": "healthy", "detail": f"{CANARY} health"})
        self.client.post(f"/v2/resources/{resource['id']}/costs", {"amount": "1.00", "currency": "EUR", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "note": CANARY})
        server.platform.with_headers(Tidemark_Organization=self.client.organization).put(f"/v2/quotas/{CANARY}-{suffix}", {"count": 7, "units": 77})
        endpoint, policy, delivery = test.delivery(self.client, f"{CANARY}-{suffix}")
        self.ids = {"replays": test.waiting_replay(self.client, endpoint), "pipelines": test.idle_pipeline(self.client, endpoint), "endpoints": endpoint, "retry-policies": policy, "deliveries": delivery, "resources": resource["id"], "quotas": f"{CANARY}-{suffix}", "environments": f"{CANARY}-environment", "members": f"{CANARY}-member", "secrets": f"{CANARY}-secret", "organizations": self.client.organization, "projects": project["id"], "keys": self.client.key_id, "entity": self.entity}
        self.marks = [project.mark, written.mark, self.client.get("/v2/projects").mark]
        self.cursor = self.client.get("/v2/projects?limit=1")["next_cursor"]
        self.event = self.client.get("/v2/events?after=beginning&limit=1")["data"][0]["mark"]

    def snapshot(self):
        organization = self.client.get(f"/v2/organizations/{self.client.organization}").json
        return ([event["id"] for event in self.client.events()], list(self.client.pages("/v2/projects")), list(self.client.pages("/v2/auth/keys")),
                organization)


# Ids of the right form that nobody has.
MISSING = {"replays": "rpl_01h2xcejqtf2nbrexx3vqjhp41", "pipelines": "pl_01h2xcejqtf2nbrexx3vqjhp41", "endpoints": "we_01h2xcejqtf2nbrexx3vqjhp41", "retry-policies": "rp_01h2xcejqtf2nbrexx3vqjhp41", "deliveries": "dlv_01h2xcejqtf2nbrexx3vqjhp41", "resources": "res_01h2xcejqtf2nbrexx3vqjhp41", "quotas": "nothing", "organizations": "org_01h2xcejqtf2nbrexx3vqjhp41", "projects": "proj_01h2xcejqtf2nbrexx3vqjhp41",
           "keys": "key_01h2xcejqtf2nbrexx3vqjhp41", "environments": "nothing", "members": "nobody", "secrets": "nothing", "entity": "nothing/of/that/name"}


# The platform's, for all or for nobody to see.
SHOWS_NOTHING_OF_AN_ORGANIZATION = ("GET /v2/status", "GET /v2/resource-kinds", "GET /v2/resource-kinds/{kind}", "GET /v2/resource-kinds/{kind}/events",
                                    "GET /v2/products", "GET /v2/products/{product}", "GET /v2/products/{product}/events")


class TenantMatrix(ServerTest):
    arguments = LOOPBACK_ALLOWED

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.product = unique("git")
        cls.server.declare(cls.product, PROJECT_FILES)
        cls.operations = [operation for operation in openapi.operations(cls.server.client()) if operation.path.startswith("/v2")]
        cls.asked = 0

    def setUp(self):
        """A new victim and new callers for each test: what one test writes is not another's leak."""
        self.assertGreater(len(self.operations), 25)
        self.victim = Victim(self, unique("one"))
        victim = self.victim.client.organization
        revoked = self.server.key(victim)
        self.platform.with_headers(Tidemark_Organization=victim).delete(f"/v2/auth/keys/{revoked.key_id}")
        stranger = self.server.organization("Stranger")
        stranger.post("/v2/projects", {"name": "Own"})
        self.callers = {"no key": self.server.client(), "revoked key": self.server.client(revoked.key), "other organization": stranger,
                        "other space": self.server.key(victim, space="test")}
        self.before = self.victim.snapshot()

    def tearDown(self):
        self.assertEqual(self.victim.snapshot(), self.before, "the victim was changed")

    @classmethod
    def tearDownClass(cls):
        print(f"\ntenant matrix: {cls.asked} requests over {len(cls.operations)} operations")

    def values(self, operation, ids):
        """The path's parameters: the given ids where an organization's own things are named."""
        values, words = {}, operation.path.split("/")
        for word, parameter in zip(words, words[1:]):
            if parameter.startswith("{"):
                name = parameter[1:-1]
                if word in ("products", "integrations"):
                    values[name] = self.product
                elif word == "resource-kinds":
                    values[name] = "made"  # the platform's, for all to see
                elif word.startswith("{"):
                    self.assertIn(name, ("kind", "entity"), f"{operation.name}: teach this test what '{name}' is")
                    values[name] = ids["entity"] if name == "entity" else "file"
                else:
                    self.assertIn(word, ids, f"{operation.name}: teach this test a foreign and a missing id of '{word}'")
                    values[name] = ids[word]
        return values

    def ask(self, caller, operation, ids, query="", body=None, **headers):
        type(self).asked += 1
        url = operation.url(self.values(operation, ids)) + (f"?{query}" if query else "")
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if operation.is_stream:
            return self.ask_stream(caller, query, headers)
        content = json.dumps(operation.body() if body is None and operation.schema else body or {}).encode() if operation.writes else NO_BODY
        return caller.request(operation.method, url, content, expect="any", headers={"Content-Type": "application/json", **headers})

    def ask_stream(self, caller, query, headers):
        """A stream's head and what comes up to its first position."""
        with caller.stream(query, headers) as stream:
            text = f"{stream.status}\n"
            try:
                while stream.status == 200:
                    fields = stream.raw()
                    text += json.dumps(fields)
                    if fields.get("event") == "position":
                        break
            except StreamClosed:
                pass
            return text

    def text(self, answer, *ids):
        """What must be the same: status, type and body, without request id, mark and the ids that were sent."""
        if isinstance(answer, str):
            text = answer
        else:
            text = f"{answer.status} {answer.headers['Content-Type']}\n{answer.body.decode()}"
            text = text.replace(answer.headers["X-Request-Id"] or "-", "REQUEST")
        for name in ids:
            for form in (name, percent(name), json.dumps(name)[1:-1]):
                text = text.replace(form, "ID")
        # What the caller made for itself by this very request differs from one to the next.
        made = r"\b(org|proj|res|key|evt|req|we|rp|dlv)_[0-9a-z]{26}\b|\ble_(live|test)_\w+|\bwhsec_[\w+/=]+|\d{4}-\d\d-\d\dT[\d:.]+Z|(?<=\"version\":)\d+"
        return re.sub(made, "MADE", re.sub(r"tm1_[\w-]+", "MARK", text))

    def no_leak(self, where, answer, sent=()):
        """No canary, and no id of the victim that the caller did not send."""
        whole = answer if isinstance(answer, str) else f"{answer.headers}\n{answer.body.decode()}"
        own = [self.victim.name] if where.startswith("other space") else []
        for name in [*sent, *own]:
            for form in (name, percent(name), json.dumps(name)[1:-1]):
                whole = whole.replace(form, "")
        self.assertNotIn(CANARY, whole.lower(), where)
        for word, name in self.victim.ids.items():
            if not (word == "organizations" and where.startswith("other space")):
                self.assertNotIn(name, whole, where)

    def matrix(self):
        for name, caller in self.callers.items():
            for operation in self.operations:
                yield f"{name}: {operation.name}", name, caller, operation

    def same(self, where, caller_name, foreign, missing, foreign_ids, missing_ids):
        self.no_leak(where, foreign, foreign_ids)
        self.assertEqual(self.text(foreign, *foreign_ids), self.text(missing, *missing_ids), where)
        if caller_name in ("no key", "revoked key"):
            self.assertIn(foreign[:3] if isinstance(foreign, str) else str(foreign.status), "401", where)

    def test_in_the_path(self):
        for where, name, caller, operation in self.matrix():
            if self.values(operation, self.victim.ids) == self.values(operation, MISSING):
                continue
            with self.subTest(where):
                if name == "other space" and operation.path.startswith("/v2/organizations"):
                    # The victim's other space is the victim, so its organization is not foreign to it: it may see what is no
                    # secret of the live space, and change nothing.
                    answer = self.ask(caller, operation, self.victim.ids)
                    self.assertEqual(answer.status, 403 if operation.writes else 200, f"{where}: {answer}")
                    continue
                if operation.writes and "{entity}" in operation.path:
                    continue  # writing to an entity of that name makes one's own; test_a_name_is_no_id below
                foreign, missing = (self.ask(caller, operation, ids) for ids in (self.victim.ids, MISSING))
                self.same(where, name, foreign, missing, self.victim.ids.values(), MISSING.values())
                if operation.path_parameters and not isinstance(foreign, str) and "products" not in operation.path:
                    self.assertIn(foreign.status, (401, 403, 404, 422), where)

    def test_a_route_that_is_new_must_be_taught(self):
        for path in ("/v2/widgets/{widget_id}", "/v2/projects/{project_id}/widgets/{widget}", "/v2/projects/{project_id}/{widget}"):
            planted = openapi.Operation({}, "get", path, {})
            for ids in (self.victim.ids, MISSING):
                with self.subTest(path), self.assertRaisesRegex(AssertionError, rf"GET {re.escape(path)}: teach this test .*'widget"):
                    self.values(planted, ids)

    def test_the_victim_has_something_that_each_route_shows(self):
        """Else a route could leak what nobody has."""
        for operation in self.operations:
            if operation.writes or operation.name in SHOWS_NOTHING_OF_AN_ORGANIZATION:
                continue
            with self.subTest(operation.name):
                query = {"/v2/events/stream": "after=beginning", "/v2/projects/{project_id}/diff": f"from={self.victim.marks[0]}&to={self.victim.marks[-1]}",
                         "/v2/projects/{project_id}/costs": "month=2026-01"}.get(operation.path, "")
                if operation.is_stream:
                    with self.victim.client.stream(query) as stream:
                        shown = str(stream.next())
                else:
                    answer = self.ask(self.victim.client, operation, self.victim.ids, query)
                    self.assertEqual(answer.status, 200, f"{operation.name}: {answer}")
                    shown = answer.body.decode()
                own = [CANARY, *self.victim.ids.values()]
                self.assertTrue([word for word in own if word in shown], f"{operation.name}: give the victim something that it shows, not {shown}")

    def test_a_leak_would_be_seen(self):
        """The comparison itself, with a caller who may see: the victim."""
        read = next(operation for operation in self.operations if operation.name.startswith("GET /v2/projects/{") and operation.name.endswith("}"))
        foreign, missing = (self.ask(self.victim.client, read, ids) for ids in (self.victim.ids, MISSING))
        with self.assertRaises(AssertionError):
            self.no_leak("other organization", foreign, self.victim.ids.values())
        self.assertNotEqual(self.text(foreign, *self.victim.ids.values()), self.text(missing, *MISSING.values()))

    def test_in_the_query(self):
        for where, name, caller, operation in self.matrix():
            for parameter in operation.query_parameters:
                for word in self.victim.ids:
                    with self.subTest(where, parameter=parameter, word=word):
                        ids = {**MISSING}
                        foreign, missing = (self.ask(caller, operation, ids, in_query(parameter, value))
                                            for value in (self.victim.ids[word], MISSING[word]))
                        self.same(where, name, foreign, missing, (self.victim.ids[word],), (MISSING[word],))

    def test_in_the_body(self):
        made_ids = [word for word, name in MISSING.items() if re.fullmatch(r"[a-z]+_[0-9a-z]{26}", name)]
        for where, name, caller, operation in self.matrix():
            if operation.schema is None or "{entity}" in operation.path or operation.path.endswith("/events"):
                continue
            for member, schema in operation.properties().items():
                if member in ("name", "slug", "description", "types"):
                    continue  # texts of the caller's own
                kind = str(operation.resolve(schema).get("type"))
                for word in made_ids:
                    if word == "organizations" and name == "other space":
                        continue  # it is this caller's own
                    with self.subTest(where, member=member, word=word):
                        values = [self.victim.ids[word], MISSING[word]]
                        if member in ("filter", "condition"):
                            values = [f"event.subject == '{value}'" for value in values]
                        foreign, missing = (self.ask(caller, operation, MISSING, body={**operation.body(), member: [value] if "array" in kind else value})
                                            for value in values)
                        self.same(where, name, foreign, missing, (self.victim.ids[word],), (MISSING[word],))

    def test_in_a_mark_a_cursor_and_last_event_id(self):
        tampered = [mark[:-3] + ("AAA" if mark[-3:] != "AAA" else "BBB") for mark in self.victim.marks]
        for where, name, caller, operation in self.matrix():
            if operation.writes:
                continue
            places = [("Tidemark", None), ("Last-Event-ID", None)] if operation.is_stream else [("Tidemark", None)]
            places += [(None, parameter) for parameter in operation.query_parameters]
            for header, parameter in places:
                for mark, wrong in zip(self.victim.marks + [self.victim.event], tampered + [tampered[0]]):
                    with self.subTest(where, header=header, parameter=parameter):
                        foreign, missing = (self.ask(caller, operation, MISSING, in_query(parameter, value) if parameter else "",
                                                     **({header: value} if header else {})) for value in (mark, wrong))
                        self.same(where, name, foreign, missing, (mark,), (wrong,))
            if "cursor" in operation.query_parameters:
                cursor = self.victim.cursor
                wrong = cursor[:-3] + ("AAA" if cursor[-3:] != "AAA" else "BBB")
                with self.subTest(where, parameter="cursor"):
                    foreign, missing = (self.ask(caller, operation, MISSING, f"cursor={value}") for value in (cursor, wrong))
                    self.same(where, name, foreign, missing, (cursor,), (wrong,))

    def test_in_the_idempotency_key(self):
        """The victim's key and request, sent by another: never the victim's answer."""
        for name, caller in self.callers.items():
            with self.subTest(name):
                answer = caller.post("/v2/projects", {**self.victim.body, "name": "mine"}, expect="any", headers={"Idempotency-Key": self.victim.idempotency_key})
                self.no_leak(name, answer)
                self.assertIsNone(answer.headers["Idempotent-Replayed"])
                self.assertEqual(answer.status, 401 if "key" in name else 201, answer)

    def own(self, caller):
        """Things of the caller's own, by the word before the path's parameter: what a write may be about."""
        made = caller.post("/v2/auth/keys", {"name": "own", "space": "test" if "le_test" in caller.key else "live", "permissions": []}, expect=201)
        return {"environments": "staging", "members": "somebody", "secrets": "SOME", "organizations": caller.organization, "projects": caller.post("/v2/projects", {"name": "Own"})["id"], "keys": made["id"], **{word: MISSING[word] for word in ("resources", "endpoints", "retry-policies", "deliveries", "replays", "pipelines")}, "quotas": "nothing", "entity": "shared/name"}

    def test_the_same_idempotency_key_for_every_write(self):
        """Two organizations, and the two spaces of one, write with one key: nobody is told of the other's request or answer."""
        first = self.server.organization("First")
        pair = {"another organization": self.server.organization("Second"), "the other space": self.server.key(first.organization, space="test")}
        tried = 0
        for word, second in pair.items():
            for operation in self.operations:
                if not operation.writes:
                    continue
                key = unique("same-key")
                body = {"name": unique("Changed")} if operation.method == "PATCH" else None  # one that changes nothing is not remembered
                answers = [self.ask(caller, operation, self.own(caller), body=body, Idempotency_Key=key) for caller in (first, second)]
                with self.subTest(word, operation=operation.name):
                    for answer in answers:
                        self.assertIsNone(answer.headers["Idempotent-Replayed"], answer)
                        self.assertNotIn("idempotency-key-reused", answer.body.decode())
                    if word == "another organization":
                        self.assertEqual(answers[0].status, answers[1].status, answers)
                    if answers[0].status < 300:
                        tried += 1
                        again = self.ask(first, operation, self.own(first), body=body, Idempotency_Key=key)
                        self.assertTrue(again.headers["Idempotent-Replayed"] or again["type"] == "/problems/idempotency-key-reused", again)
        self.assertGreater(tried, 12)

    def test_in_tidemark_organization(self):
        for where, name, caller, operation in self.matrix():
            if name == "other space":
                continue
            with self.subTest(where):
                foreign, missing = (self.ask(caller, operation, MISSING, Tidemark_Organization=value)
                                    for value in (self.victim.ids["organizations"], MISSING["organizations"]))
                self.same(where, name, foreign, missing, (self.victim.ids["organizations"],), (MISSING["organizations"],))

    def test_a_name_is_no_id(self):
        """Declared entities are named by their writer: the same name elsewhere is another entity."""
        for name in ("other organization", "other space"):
            caller, path = self.callers[name], f"/v2/products/{self.product}/file/{percent(self.victim.entity)}"
            self.assertEqual(caller.get(path, expect=404).status, 404)
            mine = caller.post(f"{path}/events", {"expected_version": "no_stream", "events": [{"type": "file.added", "data": {"mine": True}}]}, expect=201)
            self.assertEqual(mine["version"], 1)
            self.assertEqual(caller.get(path)["state"], {"mine": True})
            self.assertEqual(len(caller.get(f"{path}/events")["data"]), 1)

    def test_what_everyone_may_list_holds_nothing_of_the_victim(self):
        for where, name, caller, operation in self.matrix():
            if not operation.writes and not operation.path_parameters:
                with self.subTest(where):
                    self.no_leak(where, self.ask(caller, operation, MISSING))

    def test_platform_key_in_another_organization(self):
        within = self.platform.with_headers(Tidemark_Organization=self.callers["other organization"].organization)
        for path in (f"/v2/projects/{self.victim.ids['projects']}", f"/v2/auth/keys/{self.victim.ids['keys']}"):
            self.problem(within.get(path, expect=404), "not-found")
        self.assertNotIn(CANARY, json.dumps(within.events()).lower())


if __name__ == "__main__":
    run()
