"""What three processes on three brokers promise, under faults. Each test breaks one thing under load and prints a line:
fault, promise, seen. The load: writers that create projects in organizations of their own and ask again with the same
Idempotency-Key until they are answered 201. After each fault every process must show exactly what was acknowledged.
"""
# TIMEOUT 600
# LABEL kafka
import re
import signal
import time
import unittest

import lane
from cluster import Cluster
from load import FaultTest, Load
from client import Client
from harness import run, unique


class Faults(FaultTest):
    @classmethod
    def setUpClass(cls):
        if reason := lane.missing():
            raise unittest.SkipTest(reason)
        lane.confluent_kafka()
        cls.cluster = Cluster(nodes=3, processes=3)
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()
        cls.table = []
        cls.addClassCleanup(cls.print_table)

    def setUp(self):
        if self.start_the_dead():
            time.sleep(1)  # partitions move

    def test_a_process_that_leaves(self):
        with Load(self.cluster) as load:
            begun = time.monotonic()
            self.cluster.signal(1, signal.SIGTERM)
            self.assertEqual(self.cluster.processes[1].wait(timeout=20), 0)
            time.sleep(1)
        self.check(load)
        self.assertEqual(load.times("503"), 0, load.refusals())
        self.seen("a process ends by SIGTERM", "its partitions move without a refused write",
                  f"{load.written()} written, longest pause {load.longest_pause(begun):.2f} s, others {load.refusals()}")

    def test_a_process_that_is_killed(self):
        with Load(self.cluster) as load:
            begun = time.monotonic()
            self.cluster.kill(2)
            self.go_on(load)
            time.sleep(1)
        self.check(load)
        pause = load.longest_pause(begun)
        self.assertLessEqual(pause, 3)
        self.seen("kill -9 of a process", "its partitions take commands elsewhere in <= 3 s",
                  f"{load.written()} written, longest pause {pause:.2f} s, others {load.refusals()}")

    def test_a_process_that_is_paused(self):
        with Load(self.cluster) as load:
            self.cluster.signal(0, signal.SIGSTOP)
            time.sleep(20)
            self.cluster.signal(0, signal.SIGCONT)
            self.cluster.wait_ready(0)
            begun, owned = time.monotonic(), 0
            while not (owned := self.owned_by(0)):
                self.assertLess(time.monotonic() - begun, 30, "it owns nothing")
                time.sleep(0.2)
            self.go_on(load)
        self.check(load)
        self.seen("SIGSTOP of a process for 20 s", "wakes up harmless and rejoins",
                  f"{load.text()}, owns {owned} partitions again after {time.monotonic() - begun:.1f} s")

    def owned_by(self, number):
        """So many partitions, as another process has heard."""
        processes = self.cluster.clients[(number + 1) % 3].get("/v2/status")["processes"]
        return sum(process["owned"] for process in processes if process["name"].endswith(f":{self.cluster.processes[number].pid}"))

    def controller(self):
        status = self.cluster.brokers.tool("org.apache.kafka.tools.MetadataQuorumCommand", "--bootstrap-server",
                                           self.cluster.bootstrap, "describe", "--status")
        return int(re.search(r"LeaderId:\s+(\d+)", status)[1]) - 1

    def leader(self):
        """A node that leads a partition of projects which is written."""
        products = self.cluster.clients[0].get("/v2/status")["products"]
        written = {partition["partition"] for product in products if product["name"] == "projects" for partition in product["partitions"]}
        described = self.cluster.brokers.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.cluster.bootstrap,
                                              "--describe", "--topic", f"{self.cluster.prefix}projects")
        found = re.findall(r"Partition: (\d+)\s+Leader: (\d+)", described)
        return next(int(node) - 1 for partition, node in found if int(partition) in written)

    def bring_back(self, node):
        self.cluster.brokers.start(node)
        self.cluster.brokers.wait_for(node)
        time.sleep(3)  # in sync again

    def test_controller_and_leader_killed(self):
        pauses = {}
        with Load(self.cluster) as load:
            # In this order: who has just come back leads nothing.
            for which, find in (("controller", self.controller), ("leader of a written partition", self.leader)):
                node, begun = find(), time.monotonic()
                self.cluster.brokers.kill(node)
                time.sleep(3)  # until the brokers know
                self.go_on(load)
                self.bring_back(node)
                pauses[which] = load.longest_pause(begun)
        self.check(load)
        for which, pause in pauses.items():
            self.seen(f"kill -9 of the {which}", "goes on with two brokers, nothing lost",
                      f"longest pause {pause:.1f} s, {load.text()}")

    def test_rolling_restart_of_the_brokers(self):
        begun = time.monotonic()
        with Load(self.cluster) as load:
            for node in range(3):
                self.cluster.brokers.stop(node)
                self.bring_back(node)
            self.go_on(load)
        self.assertEqual([writer.unsure for writer in load.writers if writer.unsure], [], "failed after retry")
        self.check(load)
        self.seen("rolling restart of three brokers (SIGTERM)", "0 failed commands after retry",
                  f"0 failed, {load.text()}, longest pause {load.longest_pause(begun):.1f} s")

    def test_two_brokers_lost(self):
        with Load(self.cluster) as load:
            for node in (0, 1):
                self.cluster.brokers.kill(node)
            time.sleep(13)
            reader = Client(self.cluster.ports[0], self.cluster.key).with_headers(
                Tidemark_Organization=load.writers[0].organization)
            self.assertEqual(reader.get("/v2/projects?limit=1").status, 200, "reads go on")
            refused = load.writers[0].ask_once(reader, 20)
            self.assertEqual(refused.status, 503, refused)
            self.assertIn("Retry-After", refused.headers)
            for node in (0, 1):
                self.cluster.brokers.start(node)
            for node in (0, 1):
                self.cluster.brokers.wait_for(node)
            took = self.go_on(load)
        self.check(load)
        self.assertEqual(load.times("without Retry-After"), 0, load.refusals())
        self.seen("two of three brokers lost", "503 with Retry-After, reads go on, recovers by itself",
                  f"{load.written()} written, goes on after {took:.1f} s, others {load.refusals()}")

    def test_all_brokers_killed_at_once(self):
        with Load(self.cluster) as load:
            for node in range(3):
                self.cluster.brokers.kill(node)
            time.sleep(1)
            for node in range(3):
                self.cluster.brokers.start(node)
            for node in range(3):
                self.cluster.brokers.wait_for(node)
            took = self.go_on(load, 120)
        self.check(load)
        self.seen("all brokers killed at once", "recovers by itself, nothing lost",
                  f"{load.written()} written, goes on after {took:.1f} s, others {load.refusals()}")

    def test_z_a_topic_deleted(self):
        """Last: the log does not come back."""
        self.cluster.brokers.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.cluster.bootstrap,
                                  "--delete", "--topic", f"{self.cluster.prefix}projects")
        deadline = time.monotonic() + 60
        for client in self.cluster.clients:
            while (answer := client.get("/readyz", expect="any")).status == 200:
                self.assertLess(time.monotonic(), deadline, "nobody notices")
                time.sleep(0.2)
            self.assertRegex(answer.body.decode(), "topic is gone|ends before")
        refused = self.cluster.clients[0].post("/v2/organizations", {"name": "x", "slug": unique("x")}, expect="any")
        self.assertEqual(refused.status, 503, refused)
        self.seen("a topic deleted", "every process stops writing and says so", "all three not ready, writes refused")


if __name__ == "__main__":
    run()
