# TIMEOUT 240
"""`tidemark listen`: events reach a developer's machine in order, signed as the standard's own library verifies."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time

from harness import PROGRAM, Server, ServerTest, free_port, run, tidemark
from receiver import LIBRARY, SECONDS, Receiver, standard_webhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Listening(ServerTest):
    def setUp(self):
        self.owner = self.server.organization("Owner")
        self.receiver = Receiver()
        self.addCleanup(lambda: self.receiver.close())

    def listen(self, *arguments, url=None, client=None, server=None):
        client, server = client or self.owner, server or self.server
        process = subprocess.Popen(
            [PROGRAM, "listen", "--forward", url or self.receiver.url, *arguments], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "TIDEMARK_URL": f"http://127.0.0.1:{server.port}", "TIDEMARK_KEY": client.key})

        def end():
            process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    def until_listening(self, process):
        lines = []
        while not lines or lines[-1] != "listening\n":
            lines.append(process.stderr.readline())
            self.assertTrue(lines[-1], lines)
        return lines

    def project(self, name="P"):
        return self.owner.post("/v2/projects", {"name": name})["id"]

    def test_each_event_once_in_order_and_signed(self):
        ids = [self.project(f"P{n}") for n in range(5)]
        process = self.listen("--after", "beginning", "--type", "project.*", "--secret", SECRET)
        self.until_listening(process)
        ids += [self.project(f"Q{n}") for n in range(5)]
        deliveries = self.receiver.take(10)
        expected = self.owner.events("type=project.*")
        self.assertEqual([json.loads(body) for _, _, body in deliveries], expected)
        self.assertEqual([event["subject"] for event in expected], ids)
        verifier = standard_webhooks()
        for path, headers, body in deliveries:
            self.assertEqual(path, "/hook/")
            self.assertEqual(headers["Content-Type"], "application/cloudevents+json")
            self.assertEqual(headers["webhook-id"], json.loads(body)["id"])
            self.assertLess(abs(int(headers["webhook-timestamp"]) - time.time()), 60)
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            digest = hmac.new(base64.b64decode(SECRET.removeprefix("whsec_")), signed, hashlib.sha256).digest()
            self.assertEqual(headers["webhook-signature"], "v1," + base64.b64encode(digest).decode())
            if verifier:
                self.assertEqual(verifier(SECRET).verify(body, headers), json.loads(body))
        for event in expected:
            line = process.stdout.readline()
            self.assertRegex(line, rf"^\S+Z  204  \d+ ms  {event['type']}  {event['subject']}  {event['id']}\n$")
        if not verifier:
            self.skipTest(f"{LIBRARY} cannot be had")

    def test_a_secret_is_made_and_told(self):
        process = self.listen("--filter", "event.data.name == 'wanted'")
        told = self.until_listening(process)
        secret = told[0].removeprefix("signing with ").strip()
        self.assertRegex(secret, r"^whsec_[A-Za-z0-9+/]{43}=$")
        self.project("other")
        wanted = self.project("wanted")
        (_, headers, body), = self.receiver.take(1)
        self.assertEqual(json.loads(body)["subject"], wanted)
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(base64.b64decode(secret[6:]), signed, hashlib.sha256).digest()
        self.assertEqual(headers["webhook-signature"], "v1," + base64.b64encode(digest).decode())

    def test_what_fails_is_told_and_the_next_is_sent(self):
        process = self.listen("--type", "project.*", "--timeout", "0.5")
        self.until_listening(process)
        for status in (500, 204, 302):
            self.receiver.status = status
            self.project()
            self.receiver.take(1)
            self.assertIn(f"  {status}  ", process.stdout.readline())
        self.receiver.delay = 1.5
        self.project()
        self.assertIn("  failed  ", process.stdout.readline())
        self.assertIn("no answer in time", process.stderr.readline())
        self.receiver.take(1)
        self.receiver.delay, self.receiver.status = 0, 204
        self.project()
        self.assertIn("  204  ", process.stdout.readline())

    def test_nobody_receives(self):
        process = self.listen("--type", "project.*", url=f"http://127.0.0.1:{free_port()}")
        self.until_listening(process)
        for _ in range(2):
            self.project()
            self.assertIn("  failed  ", process.stdout.readline())
            self.assertIn("cannot reach", process.stderr.readline())

    def test_receivers_that_close_each_connection(self):
        self.receiver.close()
        self.receiver = Receiver(keeps_alive=False)
        process = self.listen("--type", "project.*")
        self.until_listening(process)
        ids = [self.project() for _ in range(5)]
        self.assertEqual([json.loads(body)["subject"] for _, _, body in self.receiver.take(5)], ids)
        self.assertTrue(self.receiver.got.empty(), "each once")

    def test_goes_on_where_it_was_when_the_server_comes_back(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        owner = server.organization()
        process = self.listen("--type", "project.*", client=owner, server=server)
        self.until_listening(process)
        ids = []
        for round_number in range(3):
            for number in range(3):
                ids.append(owner.post("/v2/projects", {"name": f"P{round_number}{number}"})["id"])
            if round_number == 1:
                server.stop()
            else:
                server.kill()
            server.start()
            ids.append(owner.post("/v2/projects", {"name": f"again {round_number}"})["id"])
        self.assertEqual([json.loads(body)["subject"] for _, _, body in self.receiver.take(12)], ids)
        self.assertIsNone(process.poll())

    def test_what_it_cannot_begin_with(self):
        def refused(*arguments, expect, client=self.owner):
            environment = {**os.environ, "TIDEMARK_URL": f"http://127.0.0.1:{self.server.port}", "TIDEMARK_KEY": client.key}
            return tidemark("listen", *arguments, env=environment, expect=expect).stderr

        url = ("--forward", self.receiver.url)
        self.assertIn("--forward", refused(expect=2))
        self.assertIn("http://", refused("--forward", "ftp://localhost/", expect=2))
        self.assertIn("whsec_", refused(*url, "--secret", "swordfish", expect=2))
        self.assertNotIn("swordfish", refused(*url, "--secret", "swordfish", expect=2))
        self.assertIn("nothing is called 'x'", refused(*url, "--filter", "x", expect=3))
        self.assertIn("now, beginning or a mark", refused(*url, "--after", "yesterday", expect=3))
        reader = self.server.key(self.owner.organization, permissions=("projects:read",))
        self.assertIn("permission", refused(*url, expect=3, client=reader))

    def test_a_revoked_key_ends_it(self):
        key = self.server.key(self.owner.organization)
        process = self.listen(client=key)
        self.until_listening(process)
        self.owner.delete(f"/v2/auth/keys/{key.key_id}")
        self.assertEqual(process.wait(timeout=SECONDS), 3)
        self.assertIn("not valid any more", process.stderr.read())


if __name__ == "__main__":
    run()
