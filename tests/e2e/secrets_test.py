# TIMEOUT 180
"""Secrets and the keyring that seals them. API.md, "Projects"; DESIGN.md 4.

A value is looked for, in every form that it could have on its way, in everything that the server ever writes: files, its
own log, metrics, answers.
"""
import json
import os
import unittest

import harness
from canaries import search
from client import NO_BODY
from harness import Server, ServerTest, run, tidemark, unique

CANARY = "xyzzy-Geheimnis/42 \u00e9\n"


class Secrets(ServerTest):
    def setUp(self):
        made = self.project()
        self.id, self.path = made["id"], f"/v2/projects/{made['id']}"

    def events_of(self, path):
        return [(event["type"], event["data"]) for event in self.acme.get(f"{self.path}/{path}/events")["data"]]

    def test_set_read_replace_delete(self):
        path = f"{self.path}/secrets/DB_PASSWORD"
        made = self.acme.put(path, {"value": "hunter2"}, expect=201)
        self.assertEqual((made["project_id"], made["environment"], made["name"], made["value_version"], made["version"], made.etag),
                         (self.id, None, "DB_PASSWORD", 1, 1, '"1"'))
        self.assertEqual(made.headers["Location"], path)
        self.assertNotIn("value", made.json)
        self.assertEqual(self.acme.get(path).json, made.json)
        self.assertEqual(self.acme.put(path, {"value": "hunter3"}, expect=200)["value_version"], 2)
        self.problem(self.acme.put(path, {"value": "x"}, headers={"If-Match": '"1"'}, expect=412), "precondition-failed")
        self.assertEqual([one["name"] for one in self.acme.get(f"{self.path}/secrets")["data"]], ["DB_PASSWORD"])
        self.acme.delete(path, expect=204)
        self.problem(self.acme.get(path, expect=404), "not-found")
        self.assertEqual(self.acme.get(f"{path}?as_of={made.mark}").json, made.json)
        self.assertEqual(self.events_of("secrets/DB_PASSWORD"), [("secret.set", {}), ("secret.set", {}), ("secret.deleted", {})])

    def test_reveal_shows_any_value_and_is_always_an_event(self):
        path = f"{self.path}/secrets/TOKEN"
        for value in ("one", "two"):
            self.acme.put(path, {"value": value})
        shown = self.acme.post(f"{path}/reveal", NO_BODY, expect=200)
        self.assertEqual(shown.json, {"name": "TOKEN", "value": "two", "version": 2})
        self.assertEqual(shown.headers["Cache-Control"], "no-store")
        self.assertEqual(self.acme.post(f"{path}/reveal", {"version": 1})["value"], "one")
        self.problem(self.acme.post(f"{path}/reveal", {"version": 3}, expect=422), "invalid-request", pointer="/version")
        self.assertEqual(self.events_of("secrets/TOKEN")[2:], [("secret.revealed", {"version": 2}), ("secret.revealed", {"version": 1})])
        self.assertEqual(self.acme.get(path)["value_version"], 2)

    def test_a_repeated_reveal_does_not_show_the_value_again(self):
        path = f"{self.path}/secrets/TOKEN"
        key = {"Idempotency-Key": unique("reveal")}
        self.acme.put(path, {"value": "one"})
        first = self.acme.post(f"{path}/reveal", headers=key)
        again = self.acme.post(f"{path}/reveal", headers=key)
        self.assertEqual((first["value"], again["value"], again.headers["Idempotent-Replayed"]), ("one", None, "true"))
        self.assertEqual(len(self.events_of("secrets/TOKEN")), 2)

    def test_a_repeated_put_is_the_first_one(self):
        path, key = f"{self.path}/secrets/TOKEN", {"Idempotency-Key": unique("put")}
        first = self.acme.put(path, {"value": "one"}, headers=key, expect=201)
        again = self.acme.put(path, {"value": "one"}, headers=key, expect=201)
        self.assertEqual((again.json, again.headers["Idempotent-Replayed"]), (first.json, "true"))
        self.problem(self.acme.put(path, {"value": "two"}, headers=key, expect=422), "idempotency-key-reused")

    def test_reveal_is_a_permission_of_its_own(self):
        path = f"{self.path}/secrets/TOKEN"
        self.acme.put(path, {"value": "one"})
        all_but = self.server.key(self.acme.organization, ["secrets:*", "projects:*"])
        self.assertEqual(self.problem(all_but.post(f"{path}/reveal", expect=403), "forbidden")["permission"], "secrets:reveal")
        only = self.server.key(self.acme.organization, ["secrets:reveal"])
        self.assertEqual(only.post(f"{path}/reveal")["value"], "one")
        self.problem(only.get(path, expect=403), "forbidden")

    def test_of_an_environment(self):
        inner = f"{self.path}/environments/staging/secrets/TOKEN"
        self.acme.put(f"{self.path}/secrets/TOKEN", {"value": "outer"})
        made = self.acme.put(inner, {"value": "inner"}, expect=201)
        self.assertEqual((made["environment"], made["name"]), ("staging", "TOKEN"))
        self.assertEqual(self.acme.post(f"{inner}/reveal")["value"], "inner")
        self.assertEqual(self.acme.post(f"{self.path}/secrets/TOKEN/reveal")["value"], "outer")
        self.problem(self.acme.put(f"{self.path}/environments/nowhere/secrets/TOKEN", {"value": "x"}, expect=404), "not-found")
        self.problem(self.acme.get(f"{self.path}/environments/nowhere/secrets", expect=404), "not-found")
        self.acme.delete(f"{self.path}/environments/staging", expect=204)
        self.problem(self.acme.get(inner, expect=404), "not-found")
        self.assertEqual(self.events_of("environments/staging/secrets/TOKEN")[-1], ("secret.deleted", {}))

    def test_of_an_archived_project(self):
        path = f"{self.path}/secrets/TOKEN"
        self.acme.put(path, {"value": "one"})
        self.acme.post(f"{self.path}/archive")
        self.problem(self.acme.put(path, {"value": "x"}, expect=409), "invalid-transition")
        self.assertEqual(self.acme.post(f"{path}/reveal")["value"], "one")

    def test_bad_input(self):
        path = f"{self.path}/secrets/TOKEN"
        self.problem(self.acme.put(f"{self.path}/secrets/a%20b", {"value": "x"}, expect=400), "invalid-parameter")
        self.problem(self.acme.put(f"{self.path}/secrets/{'a' * 129}", {"value": "x"}, expect=400), "invalid-parameter")
        for value in ("", None, 7, "x" * 65_537, "\u00e9" * 32_769):
            self.problem(self.acme.put(path, {"value": value}, expect=422), "invalid-request", pointer="/value")
        self.assertEqual(self.acme.get(f"{self.path}/secrets")["data"], [])
        for value in ("x" * 65_536, "line\nline\u0000\t", "\u00e9" * 32_768):
            self.acme.put(path, {"value": value})
            self.assertEqual(self.acme.post(f"{path}/reveal")["value"], value)

    def test_events_of_everything_below_a_project(self):
        self.acme.put(f"{self.path}/members/user_1", {"role": "owner"})
        self.acme.patch(f"{self.path}/settings", {"a": 1})
        self.acme.patch(f"{self.path}/environments/staging/settings", {"a": 2})
        self.assertEqual(self.events_of("members/user_1"), [("member.added", {"role": "owner"})])
        self.assertEqual(self.events_of("settings"), [("settings.changed", {"patch": {"a": 1}})])
        self.assertEqual(self.events_of("environments/staging/settings"), [("settings.changed", {"patch": {"a": 2}})])
        self.assertEqual([kind for kind, _ in self.events_of("environments/staging")], ["project.created"])
        for path in ("members/nobody", "environments/nowhere", "secrets/NOTHING", "environments/production/settings"):
            self.problem(self.acme.get(f"{self.path}/{path}/events", expect=404), "not-found")


@unittest.skipIf(harness.BROKERS, "looks into the files of an embedded log")
class Sealed(unittest.TestCase):
    def setUp(self):
        self.server = Server("--log-level", "debug")
        self.addCleanup(self.server.close)
        self.server.start()
        self.acme = self.server.organization()
        self.path = f"/v2/projects/{self.acme.post('/v2/projects', {'name': 'Web'})['id']}"

    def root_key(self, name="root.key"):
        return os.path.join(self.server.data, name)

    def problem(self, answer, name):
        self.assertEqual(answer["type"], f"/problems/{name}")

    def secret(self, value="hunter2"):
        return self.acme.put(f"{self.path}/secrets/TOKEN", {"value": value})

    def reveal(self, **options):
        return self.acme.post(f"{self.path}/secrets/TOKEN/reveal", **options)

    def test_a_value_stands_nowhere_in_clear(self):
        key = {"Idempotency-Key": unique("put")}
        first = self.acme.get("/v2/projects").mark
        self.acme.put(f"{self.path}/secrets/TOKEN", {"value": CANARY}, headers=key)
        self.acme.put(f"{self.path}/environments/staging/secrets/TOKEN", {"value": CANARY})
        self.assertEqual(self.reveal()["value"], CANARY)
        answers = [self.acme.put(f"{self.path}/secrets/TOKEN", {"value": CANARY, "more": CANARY}, expect=422),
                   self.acme.put(f"{self.path}/secrets/TOKEN", {"value": CANARY}, headers={"If-Match": '"9"'}, expect=412),
                   self.acme.put(f"{self.path}/secrets/TOKEN", {"value": CANARY}, headers=key),
                   self.acme.put("/v2/projects/proj_01h2xcejqtf2nbrexx3vqjhp41/secrets/TOKEN", {"value": CANARY}, expect=404),
                   self.acme.get(f"{self.path}/secrets"), self.acme.get(f"{self.path}/secrets/TOKEN/events"),
                   self.acme.get(f"{self.path}/diff?from={first}&to={self.acme.get('/v2/projects').mark}")]
        self.acme.delete(f"{self.path}/environments/staging", expect=204)
        answers += self.shown()
        found, texts = search(self.server, CANARY, answers)
        self.assertEqual(found, [])
        self.assertGreater(sum(b"secrets/TOKEN" in text for text in texts), 2)  # a name is in clear: this looks where things are

    def test_a_keys_text_stands_nowhere(self):
        """Of a key's text there is what begins it, nowhere the secret that follows: made, used, repeated, given another, revoked, wrong."""
        platform = self.server.platform
        within = platform.with_headers(Tidemark_Organization=self.acme.organization)
        once = {"Idempotency-Key": unique("key")}
        body = {"name": "canary key", "permissions": ["projects:read"]}
        made, again = (within.post("/v2/auth/keys", body, headers=once) for _ in range(2))
        self.assertEqual((again["id"], again["key"]), (made["id"], None))
        rotated = within.post(f"/v2/auth/keys/{made['id']}/rotate", {"overlap_seconds": 60})
        keys = [platform.key, self.acme.key, made["key"], rotated["key"]]
        self.assertEqual(len(set(keys)), 4)
        for key in keys[2:]:
            self.server.client(key).get("/v2/projects", expect=200)
        wrong = keys[3][:-1] + ("0" if keys[3][-1] != "0" else "1")
        answers = [again, self.server.client(wrong).get("/v2/projects", expect=401), self.server.client(keys[3]).post("/v2/projects", {"name": "x"}, expect=403)]
        within.delete(f"/v2/auth/keys/{made['id']}")
        answers += [self.server.client(keys[3]).get("/v2/projects", expect=401), within.get("/v2/auth/keys"), within.get(f"/v2/auth/keys/{made['id']}"),
                    within.get(f"/v2/auth/keys/{made['id']}/events"), self.acme.get("/v2/auth/whoami"), *self.shown()]
        os.remove(self.server.key_file)  # where its owner was given it
        found, texts = search(self.server, [key[20:52] for key in keys], answers)
        self.assertEqual(found, [])
        self.assertGreater(sum(b"canary key" in text for text in texts), 2)

    def shown(self):
        """What the server shows of everything: events, export, metrics, status."""
        key = {**os.environ, "TIDEMARK_KEY": self.acme.key}
        export = tidemark("replay", "--url", f"http://127.0.0.1:{self.server.port}", env=key).stdout
        self.assertIn('"type":"project.created"', export)
        return [self.acme.get("/v2/events?after=beginning"), self.server.client().get("/metrics"), self.server.platform.get("/v2/status"), export.encode()]

    def test_without_the_root_key_everything_else_goes_on(self):
        self.secret()
        mark = self.acme.post("/v2/projects", {"name": "Before"}, headers={"Idempotency-Key": "before"}).mark
        self.server.stop()
        os.rename(self.root_key(), self.root_key("away"))
        for because in ("is missing", "another root key"):
            with self.subTest(because):
                self.server.start()
                self.assertIn(because, self.server.output())
                self.problem(self.reveal(expect=503), "root-key-missing")
                refused = self.acme.put(f"{self.path}/secrets/TOKEN", {"value": "x"}, expect=503)
                self.problem(refused, "root-key-missing")
                self.assertIn("Retry-After", refused.headers)
                self.assertEqual(self.acme.get(f"{self.path}/secrets/TOKEN")["version"], 1)
                self.assertEqual(len(self.server.client().get("/readyz")["degraded"]), 1)
                self.acme.get(f"/v2/projects?at_least={mark}")
                again = self.acme.post("/v2/projects", {"name": "Before"}, headers={"Idempotency-Key": "before"})
                self.assertEqual(again.headers["Idempotent-Replayed"], "true")
                self.acme.post("/v2/projects", {"name": "After"}, expect=201)
                self.server.stop()
                with open(os.open(self.root_key(), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
                    file.write("a" * 64)
        os.rename(self.root_key("away"), self.root_key())
        self.server.start()
        self.assertEqual(self.reveal()["value"], "hunter2")
        self.assertEqual(self.server.client().get("/readyz")["degraded"], [])

    def test_verify_and_rotate(self):
        self.secret()
        self.server.stop()
        said = json.loads(tidemark("keyring", "verify", "--data", self.server.data, "--json").stdout)
        self.assertEqual((said["keys"]["data"], said["shut"]), ({"active": 1, "destroyed": 0}, []))
        told = tidemark("keyring", "rotate", "--data", self.server.data).stdout
        self.assertIn("3 keys are wrapped by the new root key", told)
        before = [name for name in os.listdir(self.server.data) if name.startswith("root.key.")]
        self.assertEqual(len(before), 1)
        self.assertIn(before[0], told)
        self.server.start()
        self.assertEqual(self.reveal()["value"], "hunter2")
        self.assertEqual(self.secret("hunter3")["value_version"], 3)
        self.assertEqual(self.reveal()["value"], "hunter3")
        self.server.stop()
        self.assertIn("data  2 active", tidemark("keyring", "verify", "--data", self.server.data).stdout)
        damaged = tidemark("keyring", "verify", "--data", self.server.data, "--root-key", self.root_key(before[0]), expect=4)
        self.assertIn("another root key", damaged.stderr)
        os.remove(self.root_key())
        self.assertIn("is missing", tidemark("keyring", "verify", "--data", self.server.data, expect=4).stderr)


if __name__ == "__main__":
    run()
