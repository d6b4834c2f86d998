"""Three brokers and three processes die, end and stand still at random, while 64 organizations write and
read through all of them. In the end the log, every process and every row say what clients were told.

Method: traffic.py asks, mischief.py breaks (by a seed, which is printed; CHAOS_SEED gives it), oracle.py reads the topics
and judges. CHAOS_SECONDS sets another length; chaos_soak_test.py is the long one.
"""
# TIMEOUT 400
# LABEL kafka
import json
import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lane
import table
from cluster import Cluster
from harness import run
from mischief import Mischief
from oracle import Oracle, Seen, check_answers, check_commands, check_rows
from traffic import PRODUCT, Direct, Traffic, tenants_of

SECONDS = float(os.environ.get("CHAOS_SECONDS", "120"))
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(1 << 30)))
ORGANIZATIONS = 64
WRITERS, READERS = 9, 3
FAULTS_SHOWN = 10


class Chaos(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := lane.missing():
            raise unittest.SkipTest(reason)
        cls.library = lane.confluent_kafka()

    def setUp(self):
        self.cluster = Cluster(nodes=3, processes=3)
        self.addCleanup(self.cluster.__exit__)
        self.cluster.__enter__()
        self.clients = [Direct(port, self.cluster.key) for port in self.cluster.ports]
        self.tenants = tenants_of(self.cluster.clients, ORGANIZATIONS, "chaos")
        self.topics = {"projects": f"{self.cluster.prefix}projects", "files": f"{self.cluster.prefix}{PRODUCT}"}
        self.admin = self.library.Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": "none", "log_level": 0})
        self.addCleanup(self.admin.close)

    def in_sync(self):
        try:
            topics = self.admin.list_topics(timeout=5).topics
        except self.library.KafkaException:
            return False
        return all(len(partition.isrs) == len(partition.replicas) for topic in topics.values() for partition in topic.partitions.values())

    def good(self, faults):
        self.assertEqual(len(faults), 0, f"seed {SEED}:\n" + "\n".join(faults[:FAULTS_SHOWN]))

    def test_what_clients_were_told_is_true(self):
        print(f"seed {SEED}, {SECONDS:.0f} s", file=sys.stderr, flush=True)
        with Traffic(self.clients, self.tenants, SEED, WRITERS, READERS) as traffic:
            with Mischief(self.cluster, SEED, brokers=True, in_sync=self.in_sync) as mischief:
                time.sleep(SECONDS)
            time.sleep(2)
        oracle = Oracle(self.library, self.cluster.bootstrap, self.topics)
        self.addCleanup(oracle.close)
        oracle.read_on()
        print(json.dumps({"seed": SEED, "seconds": SECONDS, **traffic.numbers(), "faults": dict(mischief.counts), "void": oracle.voids()}),
              file=sys.stderr, flush=True)
        self.good(traffic.faults + mischief.failures + mischief.ends + check_commands(traffic.commands, oracle))
        self.good(self.faults_of_processes(oracle))
        self.good(self.cluster.criticals())
        self.check_hashes()
        numbers = traffic.numbers()
        seen = f"{numbers['acknowledged']} acknowledged, {numbers['reads']} reads, longest gap {numbers['longest_gap_s']} s, void {oracle.voids()}"
        faults = ", ".join(f"{count} {what}" for what, count in mischief.counts.items())
        table.keep([(f"chaos: {faults}", "none lost, none twice, no read too old", seen)], table.name_of_program())

    def faults_of_processes(self, oracle):
        faults = []
        for client in self.cluster.clients:
            for tenant in self.tenants:
                for topic in self.topics:
                    seen = Seen()
                    faults += check_answers(client, tenant, topic, oracle, seen)
                    faults += check_rows(client, tenant, topic, seen)
        return faults

    def check_hashes(self):
        """Rows of all three, and rebuilt ones."""
        for number in range(len(self.clients)):
            self.cluster.kill(number)
        hashes = [self.cluster.hash_of(number, what) for number, what in [(0, "hash"), (1, "hash"), (2, "hash"), (2, "rebuild")]]
        self.assertEqual(len(set(hashes)), 1, f"seed {SEED}: {hashes}")


if __name__ == "__main__":
    run()
