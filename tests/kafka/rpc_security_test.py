"""Processes that show each other certificates forward commands; one of another authority forwards none, and gets none.

Method: real processes on one broker. Some of each authority; a stranger that is only a gateway has to forward everything.
"""
# TIMEOUT 120
# NEEDS broker
import os
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import lane
from cluster import Cluster
from harness import Server, run, unique
from security import Authority

WRITES = 12


class RpcSecurity(unittest.TestCase):
    def setUp(self):
        self.brokers = lane.brokers()
        self.directory = self.enterContext(tempfile.TemporaryDirectory())
        self.ours = self.flags(Authority(self.directory), "process")
        self.cluster = Cluster(processes=2, partitions=32, brokers=object(), bootstrap=self.brokers, arguments=self.ours)
        self.addCleanup(self.cluster.__exit__)
        self.cluster.__enter__()
        self.organizations = [self.cluster.clients[0].post("/v2/organizations", {"name": "R", "slug": unique("r")})["id"] for _ in range(WRITES)]

    def flags(self, authority, name):
        certificate, key = authority.issue(name)
        return ["--rpc-certificate", certificate, "--rpc-key", key, "--rpc-ca", authority.path]

    def write(self, client):
        """One project in each organization; statuses."""
        return [client.with_headers(Tidemark_Organization=organization).post("/v2/projects", {"name": "p", "slug": unique("p")}, expect="any").status
                for organization in self.organizations]

    def gateway(self, rpc):
        """One more process, which owns nothing."""
        log = self.cluster.arguments[:-len(self.ours)]
        server = Server(*log, *rpc, "--roles", "gateway", environment={"TIDEMARK_BOOTSTRAP_KEY": self.cluster.key})
        server.key_file = None
        self.addCleanup(server.close)
        server.start()
        return server.client(self.cluster.key)

    def owners(self):
        """How many each owns, once they are spread: by chance, so one gets all of the twenty or so once in a million."""
        deadline = time.monotonic() + 20
        while True:
            owned = [process["owned"] for process in self.cluster.clients[0].get("/v2/status")["processes"]]
            if sum(count > 0 for count in owned) == 2 or time.monotonic() > deadline:
                return owned
            time.sleep(0.1)

    def test_processes_of_one_authority_forward_to_each_other(self):
        for client in self.cluster.clients:
            self.assertEqual(self.write(client), [201] * WRITES)
        self.assertEqual(sum(count > 0 for count in self.owners()), 2, "both write, so each had to forward")
        friend = self.gateway(self.ours)
        self.assertEqual(self.write(friend), [201] * WRITES)

    def test_one_of_another_authority_gets_none(self):
        self.write(self.cluster.clients[0])
        before = self.projects()
        stranger = self.gateway(self.flags(Authority(self.directory, "foreign"), "stranger"))
        refused = stranger.with_headers(Tidemark_Organization=self.organizations[0]).post(
            "/v2/projects", {"name": "p", "slug": unique("p")}, expect="any", timeout=40)
        self.assertEqual((refused.status, refused["type"]), (503, "/problems/no-owner"))
        self.assertEqual(self.projects(), before)
        naked = self.gateway([])
        refused = naked.with_headers(Tidemark_Organization=self.organizations[0]).post(
            "/v2/projects", {"name": "p", "slug": unique("p")}, expect="any", timeout=40)
        self.assertEqual((refused.status, refused["type"]), (503, "/problems/no-owner"))
        self.assertEqual(self.projects(), before)
        self.assertEqual(self.write(self.cluster.clients[1]), [201] * WRITES, "the others go on")

    def projects(self):
        client = self.cluster.clients[0].with_headers(Tidemark_Organization=self.organizations[0])
        return sorted(project["id"] for project in client.get("/v2/projects?limit=100")["data"])


if __name__ == "__main__":
    run()
