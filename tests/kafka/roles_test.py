"""A process that is a gateway only answers and never writes a partition; a manager only writes and answers operators.

Method: one of each on one log; what a client sees at either, while both run and when the manager is gone.
"""
# TIMEOUT 90
# NEEDS broker
import os
import secrets
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lane
from harness import Server, run


class RolesTest(unittest.TestCase):
    def setUp(self):
        log = ("--log", f"kafka://{lane.brokers()}", "--kafka-topic-prefix", f"r{secrets.token_hex(4)}.")
        self.manager = self.server(*log, "--partitions", "4", "--roles", "manager")
        self.gateway = self.server(*log, "--roles", "gateway", "--root-key", os.path.join(self.manager.data, "root.key"))
        self.gateway.key_file = self.manager.key_file
        self.manager.start()
        self.gateway.start()

    def server(self, *arguments):
        server = Server(*arguments)
        self.addCleanup(server.close)
        return server

    def test_each_does_its_own(self):
        client = self.gateway.organization()
        made = client.post("/v2/projects", {"name": "through a gateway"})
        self.assertEqual(client.get(f"/v2/projects/{made['id']}")["name"], "through a gateway")

        at_manager = self.manager.client().with_headers(Authorization=f"Bearer {client.key}")
        for method, path in (("POST", "/v2/projects"), ("GET", f"/v2/projects/{made['id']}"), ("GET", "/v2/events")):
            answer = at_manager.request(method, path, {"name": "x"} if method == "POST" else None, expect="any")
            self.assertEqual((answer.status, answer["type"]), (404, "/problems/not-found"))
            self.assertIn("no gateway", answer["detail"])
        self.assertEqual(self.manager.client().get("/v2/projects", expect="any").status, 401)
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            self.manager.client().get(path)
        processes = self.manager.platform.get("/v2/status")["processes"]
        self.assertEqual(sorted(process["roles"] for process in processes), ["gateway", "manager"])
        owned = {process["roles"]: process["owned"] for process in processes}
        self.assertEqual(owned["gateway"], 0)
        self.assertGreater(owned["manager"], 0)

        self.manager.stop()
        refused = client.post("/v2/projects", {"name": "nobody writes"}, expect="any")
        self.assertEqual((refused.status, refused["type"]), (503, "/problems/no-owner"))
        self.assertIn("Retry-After", refused.headers)
        self.assertEqual(len(client.get("/v2/projects")["data"]), 1)


if __name__ == "__main__":
    run()
