# TIMEOUT 120
"""Organizations, keys, and who is asking: API.md, "Starting, keys, organizations"."""
import binascii
import os
import stat
import time
import unittest

from client import Client
from harness import Server, ServerTest, run, tidemark, unique

MEMBERS = {"id", "name", "slug", "state", "created_at", "updated_at", "version"}


class Organizations(ServerTest):
    def test_created_read_listed(self):
        slug = unique("acme")
        made = self.platform.post("/v2/organizations", {"name": "Acme", "slug": slug}, expect=201)
        self.assertLessEqual(MEMBERS, set(made.json))
        self.assert_id("org", made["id"])
        self.assertEqual((made["name"], made["slug"], made["state"], made["version"]), ("Acme", slug, "active", 1))
        self.assert_time(made["created_at"])
        self.assertEqual(made.headers["Location"], f"/v2/organizations/{made['id']}")
        self.assertEqual(made.etag, '"1"')
        self.assert_mark(made.mark)
        read = self.platform.get(made.headers["Location"])
        self.assertEqual(read.json, made.json)
        self.assertIn(made.json, list(self.platform.pages("/v2/organizations")))

    def test_slug_is_unique_on_the_platform(self):
        slug = unique("acme")
        self.platform.post("/v2/organizations", {"name": "One", "slug": slug})
        self.problem(self.platform.post("/v2/organizations", {"name": "Two", "slug": slug}, expect=409), "slug-taken")

    def test_changed(self):
        made = self.platform.post("/v2/organizations", {"name": "Acme", "slug": unique("acme")})
        path = f"/v2/organizations/{made['id']}"
        changed = self.platform.patch(path, {"name": "Acme Inc."}, expect=200)
        self.assertEqual((changed["name"], changed["version"], changed.etag), ("Acme Inc.", 2, '"2"'))
        self.assertEqual(self.platform.get(path).json, changed.json)

    def test_suspended_and_resumed(self):
        client = self.server.organization("Late")
        path = f"/v2/organizations/{client.organization}"
        client.get("/v2/projects")
        suspended = self.platform.post(f"{path}/suspend", expect=200)
        self.assertEqual((suspended["state"], suspended["version"]), ("suspended", 2))
        for answer in (client.get("/v2/projects", expect=403), client.post("/v2/projects", {"name": "P"}, expect=403),
                       client.get("/v2/events", expect=403)):
            self.problem(answer, "organization-suspended")
        self.problem(self.platform.post(f"{path}/suspend", expect=409), "invalid-transition")
        self.assertEqual(self.platform.post(f"{path}/resume")["state"], "active")
        client.post("/v2/projects", {"name": "P"}, expect=201)
        self.problem(self.platform.post(f"{path}/resume", expect=409), "invalid-transition")

    def test_an_organizations_key_sees_its_own_organization_only(self):
        other = self.server.organization("Other")
        self.assertEqual(self.acme.get(f"/v2/organizations/{self.acme.organization}", expect=200)["id"], self.acme.organization)
        foreign = self.acme.get(f"/v2/organizations/{other.organization}", expect=404)
        self.problem(foreign, "not-found")
        self.assertEqual(foreign.status, self.acme.get("/v2/organizations/org_01h2xcejqtf2nbrexx3vqjhp41", expect="any").status)

    def test_made_by_the_platform_only(self):
        self.problem(self.acme.post("/v2/organizations", {"name": "X", "slug": unique("x")}, expect=403), "forbidden")


class Keys(ServerTest):
    def setUp(self):
        self.within = self.platform.with_headers(Tidemark_Organization=self.acme.organization)

    def make(self, expect=201, **members):
        return self.within.post("/v2/auth/keys", {"name": "ci", "space": "live", "permissions": ["projects:*"], **members},
                                expect=expect)

    def test_created_and_shown_once(self):
        made = self.make(permissions=["projects:*", "events:read"])
        self.assert_id("key", made["id"])
        self.assertEqual(made["organization_id"], self.acme.organization)
        self.assertEqual((made["name"], made["space"], made["state"], made["version"]), ("ci", "live", "active", 1))
        self.assertEqual(made["permissions"], ["projects:*", "events:read"])
        self.assertIsNone(made["projects"])
        self.assertIsNone(made["expires_at"])
        for read in (self.within.get(f"/v2/auth/keys/{made['id']}").json,
                     next(k for k in self.within.pages("/v2/auth/keys") if k["id"] == made["id"])):
            self.assertIsNone(read["key"])
            self.assertEqual({**read, "key": made["key"]}, made.json)

    def test_text_of_a_key(self):
        for space in ("live", "test"):
            key = self.make(space=space)["key"]
            self.assertRegex(key, rf"^le_{space}_[0-9A-Za-z]{{50}}$")
            self.assert_checksum(key)

    def assert_checksum(self, key):
        """The last six characters are CRC-32 in base 62, in the digits' own order."""
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        value = 0
        for character in key[-6:]:
            value = value * 62 + digits.index(character)
        self.assertEqual(value, binascii.crc32(key[:-6].encode()))

    def test_the_secret_is_not_in_the_data_directory(self):
        secret = self.make()["key"].encode()
        self.within.get("/v2/auth/keys")
        for place, _, names in os.walk(self.server.data):
            for name in names:
                with open(os.path.join(place, name), "rb") as file:
                    self.assertNotIn(secret[8:], file.read(), name)
        self.assertNotIn(secret.decode(), self.server.output())

    def test_whoami(self):
        made = self.make(permissions=["projects:read"])
        asked = self.server.client(made["key"]).get("/v2/auth/whoami")
        self.assertEqual(asked.json, {"kind": "key", "id": made["id"], "organization_id": self.acme.organization,
                                      "space": "live", "permissions": ["projects:read"], "projects": None, "expires_at": None})

    def test_rotated_with_overlap(self):
        made = self.make()
        rotated = self.within.post(f"/v2/auth/keys/{made['id']}/rotate", {"overlap_seconds": 1}, expect=200)
        self.assertEqual((rotated["id"], rotated["version"]), (made["id"], 2))
        self.assertNotEqual(rotated["key"], made["key"])
        old, new = self.server.client(made["key"]), self.server.client(rotated["key"])
        old.get("/v2/projects")
        new.get("/v2/projects")
        time.sleep(1.3)
        self.problem(old.get("/v2/projects", expect=401), "unauthenticated")
        new.get("/v2/projects")

    def test_rotated_without_overlap_ends_the_old_secret_at_once(self):
        made = self.make()
        rotated = self.within.post(f"/v2/auth/keys/{made['id']}/rotate", {"overlap_seconds": 0})
        self.server.client(made["key"]).get("/v2/projects", expect=401)
        self.server.client(rotated["key"]).get("/v2/projects")

    def test_revoked(self):
        made = self.make()
        client = self.server.client(made["key"])
        client.get("/v2/projects")
        self.assertEqual(self.within.delete(f"/v2/auth/keys/{made['id']}", expect=204).body, b"")
        refused = client.get("/v2/projects", expect=401)
        self.problem(refused, "unauthenticated")
        self.assertTrue(refused.headers["WWW-Authenticate"].startswith("Bearer"))
        self.assertEqual(self.within.get(f"/v2/auth/keys/{made['id']}")["state"], "revoked")
        self.assertIn(made["id"], [k["id"] for k in self.within.pages("/v2/auth/keys") if k["state"] == "revoked"])

    def test_expires(self):
        soon = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 2)) + ".000Z"
        client = self.server.client(self.make(expires_at=soon)["key"])
        client.get("/v2/projects")
        time.sleep(2.2)
        self.problem(client.get("/v2/projects", expect=401), "unauthenticated")

    def test_wrong_keys_are_unauthenticated(self):
        good = self.make()["key"]
        flipped = good[:20] + ("a" if good[20] != "a" else "b") + good[21:]
        for key in ("", "x", "le_live_", flipped, good[:-1], good + "0", good.upper(), "le_live_" + "0" * 50):
            with self.subTest(key=key):
                self.problem(Client(self.server.port).with_headers(Authorization=f"Bearer {key}").get("/v2/projects", expect=401),
                             "unauthenticated")
        self.problem(self.server.client().get("/v2/projects", expect=401), "unauthenticated")
        self.problem(self.server.client().with_headers(Authorization=f"Basic {good}").get("/v2/projects", expect=401),
                     "unauthenticated")

    def test_permissions_are_needed(self):
        reader = self.server.key(self.acme.organization, ["projects:read"])
        reader.get("/v2/projects")
        refused = reader.post("/v2/projects", {"name": "P"}, expect=403)
        self.assertEqual(self.problem(refused, "forbidden")["permission"], "projects:write")
        self.problem(reader.get("/v2/events", expect=403), "forbidden")
        self.problem(reader.get("/v2/auth/keys", expect=403), "forbidden")

    def test_a_key_grants_at_most_its_makers_rights(self):
        maker = self.server.key(self.acme.organization, ["keys:*", "projects:read"])
        body = {"name": "child", "space": "live", "permissions": ["projects:read"]}
        maker.post("/v2/auth/keys", body, expect=201)
        for more in ({"permissions": ["projects:write"]}, {"permissions": ["*"]}, {"permissions": ["projects:*"]}, {"space": "test"}):
            with self.subTest(more=more):
                self.problem(maker.post("/v2/auth/keys", {**body, **more}, expect=422), "invalid-request", pointer="/space" if "space" in more else "/permissions/0")

    def test_a_key_with_projects_sees_those_only(self):
        seen, hidden = (self.acme.post("/v2/projects", {"name": name})["id"] for name in ("Seen", "Hidden"))
        client = self.server.key(self.acme.organization, ["*"], projects=[seen])
        self.assertEqual([p["id"] for p in client.pages("/v2/projects")], [seen])
        client.get(f"/v2/projects/{seen}")
        self.problem(client.get(f"/v2/projects/{hidden}", expect=404), "not-found")
        self.problem(client.patch(f"/v2/projects/{hidden}", {"name": "X"}, expect=404), "not-found")
        self.problem(client.post("/v2/projects", {"name": "New"}, expect=403), "forbidden")
        self.assertEqual({event["subject"] for event in client.events("type=project.*")}, {seen})
        self.assertEqual(client.get("/v2/auth/whoami")["projects"], [seen])

    def test_wrong_bodies(self):
        for member, value in (("name", 5), ("space", "prod"), ("permissions", "projects:*"), ("permissions", ["nonsense"]),
                              ("permissions", ["projects:fly"]), ("projects", "proj_1"), ("expires_at", "tomorrow")):
            with self.subTest(member=member, value=value):
                body = self.make(expect=422, **{member: value})
                self.problem(body, "invalid-request", detail=f'"pointer": "/{member}')


class ThePlatformKey(ServerTest):
    def test_names_the_organization(self):
        self.problem(self.platform.get("/v2/projects", expect=400), "organization-required")
        within = self.platform.with_headers(Tidemark_Organization=self.acme.organization)
        made = within.post("/v2/projects", {"name": "Made by the platform"}, expect=201)
        self.assertEqual(made["organization_id"], self.acme.organization)
        self.assertEqual(self.acme.get(f"/v2/projects/{made['id']}").json, made.json)

    def test_acts_in_the_test_space_when_told(self):
        within = self.platform.with_headers(Tidemark_Organization=self.acme.organization, Tidemark_Space="test")
        made = within.post("/v2/projects", {"name": "Trial"}, expect=201)
        self.problem(self.acme.get(f"/v2/projects/{made['id']}", expect=404), "not-found")

    def test_may_name_the_platform(self):
        events = self.platform.with_headers(Tidemark_Organization="org_platform").events()
        self.assertIn("organization.created", {event["type"] for event in events})

    def test_others_naming_an_organization_not_theirs_get_403_whether_or_not_it_exists(self):
        other = self.server.organization("Other")
        answers = [self.acme.with_headers(Tidemark_Organization=name).get("/v2/projects", expect=403)
                   for name in (other.organization, "org_01h2xcejqtf2nbrexx3vqjhp41", "org_platform")]
        for answer in answers:
            self.problem(answer, "forbidden")
        self.acme.with_headers(Tidemark_Organization=self.acme.organization).get("/v2/projects")

    def test_of_an_organization_that_is_not_there(self):
        lost = self.platform.with_headers(Tidemark_Organization="org_01h2xcejqtf2nbrexx3vqjhp41")
        self.problem(lost.get("/v2/projects", expect=404), "not-found")


class Starting(unittest.TestCase):
    def test_key_file_is_private_and_written_before_ready(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        self.assertEqual(stat.S_IMODE(os.stat(server.key_file).st_mode), 0o600)
        with open(server.key_file, encoding="ascii") as file:
            key = file.read().strip()
        self.assertRegex(key, r"^le_live_[0-9A-Za-z]{50}$")
        self.assertNotIn(key, server.output())

    def test_an_existing_key_file_is_the_key(self):
        key = tidemark("keys", "generate").stdout.strip()
        server = Server()
        self.addCleanup(server.close)
        with open(server.key_file, "w", encoding="ascii") as file:
            file.write(key + "\n")
        os.chmod(server.key_file, 0o600)
        server.start()
        self.assertNotIn(key, server.output())
        server.client(key).get("/v2/organizations")

    def test_the_environment_gives_the_key_of_an_empty_log_only(self):
        first, second = (tidemark("keys", "generate").stdout.strip() for _ in range(2))
        server = Server(environment={"TIDEMARK_BOOTSTRAP_KEY": first})
        self.addCleanup(server.close)
        server.key_file = None
        server.start()
        server.client(first).get("/v2/organizations")
        server.stop()
        server.environment = {"TIDEMARK_BOOTSTRAP_KEY": second}
        server.start()
        server.client(first).get("/v2/organizations")
        server.client(second).get("/v2/organizations", expect=401)

    def test_sigterm_ends_with_0_and_everything_is_there_again(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        made = server.platform.post("/v2/organizations", {"name": "Acme", "slug": "acme"})
        server.stop()
        server.start()
        self.assertEqual(server.platform.get(f"/v2/organizations/{made['id']}").json, made.json)

    def test_one_process_per_directory(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        second = Server(data=server.data)
        self.addCleanup(second.close)
        second.launch()
        self.assertNotEqual(second.process.wait(timeout=20), 0)
        self.assertRegex(second.output(), "(?i)lock|in use|another process|already")
        server.platform.get("/v2/organizations")


if __name__ == "__main__":
    run()
