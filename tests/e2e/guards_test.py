# TIMEOUT 120
"""Doors that must stay shut: a busy port, keys that lost their rights on the way, one tenant's keys beside another's."""
import json
import os
import socket
import subprocess
import unittest

from harness import FILES, PROGRAM, Server, ServerTest, run, unique


class Start(unittest.TestCase):
    def test_a_busy_port_is_told_and_costs_nothing(self):
        server = Server()
        self.addCleanup(server.close)
        server.key_file = None  # so that the key is printed
        with socket.create_server(("127.0.0.1", server.port)):
            server.launch()
            self.assertEqual(server.process.wait(timeout=20), 1)
            self.assertRegex(server.output().splitlines()[-1], r"cannot listen on .*: Address already in use.*--listen")
            self.assertNotIn("le_live_", server.output(), "no key is made for a start that does not come about")
        server.start()
        key = next(word for word in server.output().split() if word.startswith("le_live_"))
        self.assertEqual(server.client(key).get("/v2/auth/whoami")["organization_id"], "org_platform")
        server.stop()
        server.start()
        self.assertEqual(server.output().count("Platform key"), 1, "shown once")

    def test_whoever_reads_the_output_may_go_away(self):
        server = Server()
        self.addCleanup(server.close)
        reader, writer = os.pipe()
        server.process = subprocess.Popen(
            [PROGRAM, "serve", "--data", server.data, "--listen", f"127.0.0.1:{server.port}", "--bootstrap-key-file", server.key_file,
             "--log-level", "debug"], stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
        os.close(writer)
        server.wait_ready()
        os.close(reader)
        server.organization().post("/v2/projects", {"name": "Nobody reads of it"}, expect=201)
        server.stop()


class BulkLines:
    """One bulk request whose lines are sent one after the other."""

    def __init__(self, client, product):
        self.socket = socket.create_connection(("127.0.0.1", client.port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.socket.sendall((f"POST /v2/products/{product}/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {client.key}\r\n"
                             "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n").encode())
        self.head = False

    def send(self, line):
        text = json.dumps(line).encode() + b"\n"
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(text), text))
        if not self.head:
            while self.file.readline() != b"\r\n":
                pass
            self.head = True
        size = int(self.file.readline(), 16)
        answer = json.loads(self.file.read(size))
        self.file.readline()
        return answer

    def close(self):
        self.file.close()
        self.socket.close()


class Guards(ServerTest):
    def event(self, entity):
        return {"events": [{"kind": "file", "entity": entity, "type": "file.added", "data": {}}]}

    def test_a_bulk_request_ends_with_the_rights_of_its_key(self):
        product = self.declare_files()

        def revoke(client):
            self.platform.with_headers(Tidemark_Organization=client.organization).delete(f"/v2/auth/keys/{client.key_id}", expect=204)

        def rotate(client):
            self.platform.with_headers(Tidemark_Organization=client.organization).post(f"/v2/auth/keys/{client.key_id}/rotate", {})

        def suspend(client):
            self.platform.post(f"/v2/organizations/{client.organization}/suspend")

        for end, problem in ((revoke, "unauthenticated"), (rotate, "unauthenticated"), (suspend, "organization-suspended")):
            client = self.server.organization()
            other = self.server.key(client.organization)
            lines = BulkLines(client, product)
            self.assertIn("mark", lines.send(self.event("a")))
            end(client)
            self.assertEqual(lines.send(self.event("b"))["problem"]["type"], f"/problems/{problem}")
            lines.close()
            if end is not suspend:
                self.assertEqual([row["entity"] for row in other.pages(f"/v2/products/{product}/file")], ["a"])

    def test_a_test_key_does_not_change_its_live_organization(self):
        path = f"/v2/organizations/{self.acme.organization}"
        before = self.acme.get(path).json
        key = self.server.key(self.acme.organization, space="test")
        self.problem(key.patch(path, {"name": "From test"}, expect=403), "forbidden")
        self.assertEqual(self.acme.get(path).json, before)

    def test_idempotency_keys_of_tenants_do_not_meet(self):
        other = self.server.organization()
        shared = {"Idempotency-Key": unique("shared")}
        self.acme.patch(f"/v2/organizations/{self.acme.organization}", {"name": "A"}, headers=shared, expect=200)
        answer = other.patch(f"/v2/organizations/{other.organization}", {"name": "B"}, headers=shared, expect=200)
        self.assertNotIn("Idempotent-Replayed", answer.headers)
        self.platform.post("/v2/organizations", {"name": "C", "slug": unique("c")}, headers=shared, expect=201)
        again = self.acme.patch(f"/v2/organizations/{self.acme.organization}", {"name": "A"}, headers=shared, expect=200)
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")

    def test_if_match_is_heeded_or_refused(self):
        product = self.declare_files()
        path = f"/v2/products/{product}/file/a"
        body = {"events": [{"type": "file.added", "data": {}}]}
        for _ in range(2):
            self.acme.post(f"{path}/events", body, expect=201)
        etag = self.acme.get(path).etag
        self.acme.post(f"{path}/events", body, headers={"If-Match": etag}, expect=201)
        stale = self.acme.post(f"{path}/events", body, headers={"If-Match": etag}, expect=412)
        self.problem(stale, "precondition-failed")
        self.assertEqual(self.acme.get(path)["version"], 3)
        for where, what in ((f"/v2/products/{product}/events", self.event("a")), ("/v2/projects", {"name": "P"})):
            self.problem(self.acme.post(where, what, headers={"If-Match": '"1"'}, expect=400), "invalid-parameter", header="If-Match")

    def test_a_condition_names_a_kind_that_is_declared(self):
        product = self.declare_files()
        body = {"expected": [{"kind": "flie", "entity": "a", "version": "no_stream"}], **self.event("a")}
        refused = self.acme.post(f"/v2/products/{product}/events", body, expect=422)
        self.problem(refused, "invalid-request", pointer="/expected/0/kind")

    def test_the_same_manifest_in_another_order_is_the_same(self):
        name = unique("ordered")
        kinds = {"a": {"events": {"a.set": {"fold": "replace"}}}, "b": {"events": {"b.set": {"fold": "merge"}}}}
        self.server.declare(name, {"description": "d", "kinds": kinds})
        again = self.server.declare(name, {"kinds": dict(reversed(kinds.items())), "description": "d"})
        self.assertEqual((again.status, again["version"]), (200, 1))

    def test_a_platform_key_that_is_restricted_to_projects_is(self):
        made = self.platform.with_headers(Tidemark_Organization="org_platform").post("/v2/auth/keys", {"name": "narrow", "permissions": ["*"], "projects": []}, expect=201)
        narrow = self.server.client(made["key"])
        self.assertEqual(narrow.get("/v2/organizations")["data"], [])
        narrow.get(f"/v2/organizations/{self.acme.organization}", expect=404)
        narrow.post("/v2/organizations", {"name": "N", "slug": unique("n")}, expect=403)
        narrow.put(f"/v2/products/{unique('p')}", FILES, expect=403)

    def test_the_last_platform_key_stays(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        platform = server.platform.with_headers(Tidemark_Organization="org_platform")
        own = platform.get("/v2/auth/whoami")["id"]
        platform.post("/v2/auth/keys", {"name": "narrow", "permissions": ["organization:read"]}, expect=201)
        self.problem(platform.delete(f"/v2/auth/keys/{own}", expect=409), "in-use")
        second = platform.post("/v2/auth/keys", {"name": "second", "permissions": ["*"]}, expect=201)
        platform.delete(f"/v2/auth/keys/{own}", expect=204)
        second_client = server.client(second["key"]).with_headers(Tidemark_Organization="org_platform")
        self.problem(second_client.delete(f"/v2/auth/keys/{second['id']}", expect=409), "in-use")


if __name__ == "__main__":
    run()
