"""Three processes that contend for the same partitions of one broker, stopped, killed and continued at random, beside
zombies: schedules of some ten seconds, each followed by a trial of everything that clients were told.

Method: traffic.py asks, mischief.py stops and kills, zombies.py sends what is late, oracle.py reads the topics: every
acknowledged command counts once, where its mark says; what was refused does not; every record that counts was decided on
the one before it; every process shows the same, and its rows have the same hash. As a control, the same records are
folded by epochs alone, and must fork. CONTENTION_SECONDS and CONTENTION_SEED set length and seed.
"""
# TIMEOUT 400
# NEEDS broker
import json
import os
import random
import sys
import threading
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
from zombies import Zombies

SECONDS = float(os.environ.get("CONTENTION_SECONDS", "120"))
SEED = int(os.environ.get("CONTENTION_SEED", random.randrange(1 << 30)))
ORGANIZATIONS, PARTITIONS = 8, 2
WRITERS, READERS = 10, 2
CALM = (0.5, 5)   # seconds between two faults of a process
REBUILD_EVERY = 10  # schedules
FAULTS_SHOWN = 10


class Contention(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.brokers = lane.brokers()
        cls.library = lane.confluent_kafka()

    def setUp(self):
        self.cluster = Cluster(processes=3, partitions=PARTITIONS, brokers=self.brokers, bootstrap=self.brokers)
        self.addCleanup(self.cluster.__exit__)
        self.cluster.__enter__()
        self.clients = [Direct(port, self.cluster.key) for port in self.cluster.ports]
        self.tenants = tenants_of(self.cluster.clients, ORGANIZATIONS, "contention")
        prefix = self.cluster.prefix
        self.oracle = Oracle(self.library, self.brokers, {"projects": f"{prefix}projects", "files": f"{prefix}{PRODUCT}"})
        self.addCleanup(self.oracle.close)
        self.seen = {(client.port, tenant.organization, topic): Seen() for client in self.clients for tenant in self.tenants for topic in self.oracle.topics}
        self.unsure, self.totals = set(), {"schedules": 0, "acknowledged": 0, "refused": 0, "unsure": 0, "reads": 0, "longest_gap_s": 0, "faults": {}, "zombies": {}}

    def good(self, faults, seed):
        self.assertEqual(len(faults), 0, f"schedule {seed}:\n" + "\n".join(faults[:FAULTS_SHOWN]))

    def test_every_promise_is_kept(self):
        print(f"seed {SEED}, {SECONDS:.0f} s", file=sys.stderr, flush=True)
        begun = time.monotonic()
        deadline = begun + SECONDS
        while time.monotonic() < deadline:
            seed = f"{SEED}/{self.totals['schedules']}"
            self.schedule(seed, min(random.Random(seed).uniform(6, 14), max(3, deadline - time.monotonic())))
            if self.totals["schedules"] % REBUILD_EVERY == 0:
                self.show(begun)
        self.good(self.faults_of_processes(rows_of=self.oracle.topics) + self.cluster.criticals(), SEED)
        self.check_hashes(SEED, rebuild=True)
        self.show(begun)
        self.assertEqual(self.oracle.forks, 0)
        self.assertGreater(self.oracle.weak_forks, 0, "the control found nothing: these schedules prove nothing")
        faults = ", ".join(f"{count} {what}" for what, count in self.totals["faults"].items())
        seen = f"{self.totals['schedules']} schedules, {self.totals['acknowledged']} acknowledged, 0 forks; by epochs alone {self.oracle.weak_forks}"
        table.keep([(f"contention, zombies: {faults}", "each acknowledged once, at its place", seen)], table.name_of_program())

    def show(self, begun):
        print(json.dumps({"seed": SEED, "seconds": round(time.monotonic() - begun), **self.totals, "void": self.oracle.voids(),
                          "forks": self.oracle.forks, "forks_without_sequence": self.oracle.weak_forks}), file=sys.stderr, flush=True)

    def schedule(self, seed, seconds):
        zombies, over = Zombies(self.library, self.brokers, self.oracle, seed), threading.Event()
        undead = threading.Thread(target=zombies.run, args=(over,), daemon=True)
        with Traffic(self.clients, self.tenants, seed, WRITERS, READERS) as traffic:
            undead.start()
            with Mischief(self.cluster, seed, calm=CALM) as mischief:
                time.sleep(seconds)
            over.set()
            undead.join()
        self.good(zombies.failures, seed)
        self.oracle.read_on()
        self.add(traffic, mischief, zombies)
        self.good(traffic.faults + mischief.failures + mischief.ends + check_commands(traffic.commands, self.oracle, self.unsure), seed)
        self.unsure |= {command.token for command in traffic.commands if command.state == "unsure"}
        self.good(self.faults_of_processes(rows_of=["files"]), seed)  # of projects there are ever more
        self.check_hashes(seed, rebuild=self.totals["schedules"] % REBUILD_EVERY == 0)
        self.oracle.forget()

    def add(self, traffic, mischief, zombies):
        numbers = traffic.numbers()
        self.totals["schedules"] += 1
        for name in ("acknowledged", "refused", "unsure", "reads"):
            self.totals[name] += numbers.get(name, 0)
        self.totals["longest_gap_s"] = max(self.totals["longest_gap_s"], numbers["longest_gap_s"])
        for name, counts in (("faults", mischief.counts), ("zombies", zombies.sent)):
            for what, count in counts.items():
                self.totals[name][what] = self.totals[name].get(what, 0) + count

    def faults_of_processes(self, rows_of):
        faults = []
        for client in self.cluster.clients:
            for tenant in self.tenants:
                for topic in self.oracle.topics:
                    seen = self.seen[client.port, tenant.organization, topic]
                    faults += check_answers(client, tenant, topic, self.oracle, seen)
                    faults += check_rows(client, tenant, topic, seen) if topic in rows_of else []
        return faults

    def check_hashes(self, seed, rebuild):
        """Everybody is killed; what they left, and the rows of one of them folded anew, must be the same."""
        for number in range(len(self.clients)):
            self.cluster.kill(number)
        asked = [(number, "hash") for number in range(len(self.clients))] + ([(0, "rebuild")] if rebuild else [])
        hashes = [self.cluster.hash_of(number, what) for number, what in asked]
        self.assertEqual(len(set(hashes)), 1, f"schedule {seed}: {hashes}")
        for number in range(len(self.clients)):
            self.cluster.start(number)
        for number in range(len(self.clients)):
            self.cluster.wait_ready(number)


if __name__ == "__main__":
    run()
