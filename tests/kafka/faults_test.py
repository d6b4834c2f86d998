"""What three processes on three brokers promise, under faults. Each test breaks one thing under load and prints a line:
fault, promise, seen. The load: writers that create projects in organizations of their own and ask again with the same
Idempotency-Key until they are answered 201. After each fault every process must show exactly what was acknowledged.
"""
# TIMEOUT 420
# LABEL kafka
import os
import signal
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import brokers as kafka
from cluster import Cluster
from client import Client
from harness import run, unique

WRITERS = 8


class Writer(threading.Thread):
    """Creates projects, one after the other, at any process that answers."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        organization = load.cluster.clients[0].post("/v2/organizations", {"name": "Load", "slug": unique("load")}).json
        self.organization = organization["id"]
        self.written, self.unsure = [], []   # slugs acknowledged; slugs of which no answer said anything
        self.answers, self.retries = [], {}  # times of 201; statuses of others

    def client(self, turn):
        cluster = self.load.cluster
        ports = [port for port, process in zip(cluster.ports, cluster.processes) if process.poll() is None]
        client = Client(ports[(self.number + turn) % len(ports)], cluster.key)
        return client.with_headers(Tidemark_Organization=self.organization)

    def run(self):
        turn, client = 0, self.client(0)
        while not self.load.stopping:
            slug, key = unique(f"p{self.number}"), uuid.uuid4().hex
            status = None
            while status != 201:
                try:
                    answer = client.with_headers(Idempotency_Key=key).post(
                        "/v2/projects", {"name": slug, "slug": slug}, expect="any", timeout=15)
                    status = answer.status
                    if status == 503 and "Retry-After" not in answer.headers:
                        self.retries["503 without Retry-After"] = 1
                except OSError as failure:
                    status = type(failure).__name__
                if status == 201:
                    break
                self.retries[status] = self.retries.get(status, 0) + 1
                if self.load.stopping:
                    self.unsure.append(slug)
                    return
                turn += 1
                time.sleep(0.05)
                client = self.client(turn)
            self.written.append(slug)
            self.answers.append(time.monotonic())


class Load:
    def __init__(self, cluster):
        self.cluster, self.stopping = cluster, False
        self.writers = [Writer(self, number) for number in range(WRITERS)]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        time.sleep(2)
        return self

    def __exit__(self, *_):
        self.stopping = True
        for writer in self.writers:
            writer.join(timeout=60)

    def longest_pause(self, since):
        """Of one writer, in seconds: how long it went without an answer that says 201."""
        pauses = [0]
        for writer in self.writers:
            times = [at for at in writer.answers if at >= since]
            pauses += [later - earlier for earlier, later in zip([since, *times], times)]
        return max(pauses)

    def written(self):
        return sum(len(writer.written) for writer in self.writers)

    def refusals(self):
        total = {}
        for writer in self.writers:
            for status, count in writer.retries.items():
                total[status] = total.get(status, 0) + count
        return total


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        problem = kafka.missing()
        if problem:
            raise unittest.SkipTest(problem)
        cls.cluster = Cluster(nodes=3, processes=3)
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()
        cls.table = []
        cls.addClassCleanup(cls.print_table)

    @classmethod
    def print_table(cls):
        for fault, promise, seen in cls.table:
            print(f"{fault:44} | {promise:58} | {seen}", file=sys.stderr)

    def seen(self, fault, promise, text):
        self.table.append((fault, promise, text))

    def setUp(self):
        self.start_the_dead()
        time.sleep(2)  # everybody knows everybody

    def start_the_dead(self):
        for number, process in enumerate(self.cluster.processes):
            if process.poll() is not None:
                self.cluster.start(number)
                self.cluster.wait_ready(number)

    def slugs(self, client):
        slugs, after = [], ""
        while True:
            page = client.get(f"/v2/projects?limit=1000{after}").json
            slugs += [project["slug"] for project in page["data"]]
            if not page["next_cursor"]:
                return slugs
            after = f"&cursor={page['next_cursor']}"

    def check(self, load):
        """Every process shows what was acknowledged, once, and nothing that nobody asked for."""
        self.start_the_dead()
        for writer in load.writers:
            for port in self.cluster.ports:
                client = Client(port, self.cluster.key).with_headers(Tidemark_Organization=writer.organization)
                shown = self.until_equal(client, writer)
                self.assertEqual(len(shown), len(set(shown)))
                self.assertEqual(set(writer.written) - set(shown), set(), "acknowledged and lost")
                self.assertLessEqual(set(shown) - set(writer.written), set(writer.unsure), "nobody asked for it")

    def until_equal(self, client, writer):
        deadline = time.monotonic() + 20
        while True:
            shown = self.slugs(client)
            if set(writer.written) <= set(shown) or time.monotonic() > deadline:
                return shown
            time.sleep(0.1)

    def go_on(self, load, seconds=60):
        """Waits until writers are answered again; how long that took."""
        begun, before = time.monotonic(), load.written()
        while load.written() < before + 2 * WRITERS:
            self.assertLess(time.monotonic() - begun, seconds, f"nothing is written: {load.refusals()}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def test_a_process_that_leaves(self):
        with Load(self.cluster) as load:
            begun = time.monotonic()
            self.cluster.signal(1, signal.SIGTERM)
            self.assertEqual(self.cluster.processes[1].wait(timeout=20), 0)
            time.sleep(1)
        self.check(load)
        self.seen("a process ends by SIGTERM", "its partitions move without a refused write",
                  f"{load.written()} written, longest pause {load.longest_pause(begun):.2f} s, others {load.refusals()}")

    def test_a_process_that_is_killed(self):
        with Load(self.cluster) as load:
            begun = time.monotonic()
            self.cluster.kill(2)
            self.go_on(load)
            time.sleep(4)
        self.check(load)
        pause = load.longest_pause(begun)
        self.seen("kill -9 of a process", "its partitions take commands elsewhere in <= 3 s",
                  f"{load.written()} written, longest pause {pause:.2f} s, others {load.refusals()}")

    def test_a_process_that_is_paused(self):
        with Load(self.cluster) as load:
            self.cluster.signal(0, signal.SIGSTOP)
            time.sleep(20)
            self.cluster.signal(0, signal.SIGCONT)
            time.sleep(3)
        self.check(load)
        self.cluster.wait_ready(0)
        self.seen("SIGSTOP of a process for 20 s", "wakes up harmless and rejoins",
                  f"{load.written()} written, others {load.refusals()}")

    def test_brokers_that_are_killed_one_after_the_other(self):
        with Load(self.cluster) as load:
            longest = 0
            for node in range(3):
                begun = time.monotonic()
                self.cluster.brokers.kill(node)
                time.sleep(5)
                self.go_on(load)
                self.cluster.brokers.start(node)
                self.cluster.brokers.wait_for(node)
                time.sleep(4)  # in sync again
                longest = max(longest, load.longest_pause(begun))
        self.check(load)
        self.seen("kill -9 of each broker in turn", "goes on with two, nothing lost",
                  f"{load.written()} written, longest pause {longest:.1f} s, others {load.refusals()}")

    def test_two_brokers_lost(self):
        with Load(self.cluster) as load:
            for node in (0, 1):
                self.cluster.brokers.kill(node)
            time.sleep(13)
            reader = Client(self.cluster.ports[0], self.cluster.key).with_headers(
                Tidemark_Organization=load.writers[0].organization)
            self.assertEqual(reader.get("/v2/projects?limit=1").status, 200, "reads go on")
            refused = reader.post("/v2/projects", {"name": "x", "slug": unique("x")}, expect="any", timeout=20)
            self.assertEqual(refused.status, 503, refused)
            self.assertIn("Retry-After", refused.headers)
            for node in (0, 1):
                self.cluster.brokers.start(node)
            for node in (0, 1):
                self.cluster.brokers.wait_for(node)
            took = self.go_on(load)
        load.writers[0].unsure += [slug for slug in self.slugs(reader) if slug.startswith("x-")]
        self.check(load)
        self.assertNotIn("503 without Retry-After", load.refusals())
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
        prefix = self.cluster.arguments[self.cluster.arguments.index("--kafka-topic-prefix") + 1]
        self.cluster.brokers.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.cluster.bootstrap,
                                  "--delete", "--topic", f"{prefix}projects")
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
