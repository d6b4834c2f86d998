"""What processes promise when the network between them and a broker does not: answers lost, connections cut, requests that
arrive long after whoever sent them is gone, a broker that forgot the producer.

Method: one broker that is reached through a proxy (proxy.py), two processes, writers who ask again until they are answered;
after each fault the whole verifier of load.py. The table at the end: fault, promise, what was seen.
"""
# TIMEOUT 300
import random
import signal
import threading
import time
import unittest

import brokers as kafka
import lane
from cluster import Cluster
from load import FaultTest, Load
from proxy import Proxy, Who
from harness import run

WRITERS = 6
END_WITHIN = 60  # 10 s of draining, and what else ends
PATIENCE = 5  # of a writer with one process
SETTINGS = "producer.id.expiration.check.interval.ms=200\n"
FORGET = "producer.id.expiration.ms"


class Connections(FaultTest):
    @classmethod
    def setUpClass(cls):
        if reason := lane.missing():
            raise unittest.SkipTest(reason)
        lane.confluent_kafka()
        cls.table = []
        cls.proxy = cls.enterClassContext(Proxy())
        cls.brokers = kafka.Brokers(1, advertised=[cls.proxy.address], settings=SETTINGS)
        cls.proxy.broker = ("127.0.0.1", cls.brokers.ports[0])
        cls.enterClassContext(cls.brokers)
        cls.cluster = Cluster(processes=2, brokers=cls.brokers, bootstrap=cls.proxy.address, arguments=["--threads", "2"])
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.print_table)

    def setUp(self):
        self.addCleanup(self.mend)
        if self.start_the_dead():
            time.sleep(1)  # partitions move

    def mend(self):
        self.proxy.accept()
        self.proxy.cut_after(None)
        self.proxy.pass_answers()
        self.proxy.deliver()

    def load(self):
        return Load(self.cluster, WRITERS, PATIENCE)

    def leave(self, number):
        self.cluster.signal(number, signal.SIGTERM)
        self.assertEqual(self.cluster.processes[number].wait(timeout=20), 0)

    def voids(self, number):
        """Records that did not count, by reason, as this process has seen them since it runs."""
        return self.cluster.clients[number].get("/v2/status")["void_records"]

    def wait_for(self, condition, what, seconds=20):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)
        return found

    def keeps_records(self):
        """Not just the signs of life of a process."""
        return self.proxy.keeps_records(self.cluster.prefix + "projects")

    def wait_for_voids(self, number, before, *reasons):
        def grown():
            now = self.voids(number)
            more = {reason: now[reason] - before[reason] for reason in now if now[reason] > before[reason]}
            return more if any(reason in more for reason in reasons) else None
        return self.wait_for(grown, f"no record became void: {before}")

    def test_answers_lost(self):
        dropped = self.proxy.dropped
        with self.load() as load:
            for seconds in (0.2, 0.5, 1, 2, 4):
                self.proxy.drop_answers()
                time.sleep(seconds)
                self.proxy.pass_answers()
                self.proxy.cut()
                self.go_on(load)
        self.check(load)
        self.assertGreater(self.proxy.dropped, dropped)
        self.seen("answers lost, five times, up to 4 s", "nothing lost, nothing twice",
                  f"{load.text()}, {self.proxy.dropped - dropped} answers dropped")

    def test_connections_cut(self):
        begun, cuts, chance = time.monotonic(), self.proxy.cuts, random.Random(25)
        with self.load() as load:
            while self.proxy.cuts < cuts + 25:
                self.assertLess(time.monotonic() - begun, 60)
                self.proxy.cut_after(chance.randrange(60))
                time.sleep(chance.uniform(0, 0.8))
            self.proxy.cut_after(None)
            self.go_on(load)
        self.check(load)
        self.seen(f"connections cut {self.proxy.cuts - cuts} times", "nothing lost, nothing twice",
                  f"{load.text()}, longest pause {load.longest_pause(begun):.1f} s")

    def test_requests_that_outlive_their_process(self):
        with self.load() as load:
            self.proxy.hold(Who.connected)
            self.wait_for(self.keeps_records, "nothing is written")
            for number in range(2):
                self.cluster.kill(number)
            self.assertTrue(self.keeps_records())
            self.start_the_dead()
            self.go_on(load)
            before = self.voids(0)
            self.proxy.deliver()
            more = self.wait_for_voids(0, before, "void-epoch")
            self.go_on(load)
        self.check(load)
        self.seen("records held, their process killed, delivered", "they are void", f"{load.text()}, void {more}")

    def test_requests_held_while_another_takes_over(self):
        self.leave(1)  # or its requests were held too
        with self.load() as load:
            self.proxy.hold(Who.connected)
            self.wait_for(self.keeps_records, "nothing is written")
            self.addCleanup(self.cluster.signal, 0, signal.SIGCONT)
            self.cluster.signal(0, signal.SIGSTOP)  # or it would say over another connection that it lives
            self.cluster.start(1)
            self.cluster.wait_ready(1)
            took = self.go_on(load)
            before = self.voids(1)
            self.proxy.deliver()
            more = self.wait_for_voids(1, before, "void-epoch", "void-claim")
            self.cluster.signal(0, signal.SIGCONT)
            self.go_on(load)
        self.check(load)
        self.seen("records held, another process takes over", "they are void, both go on",
                  f"{load.text()}, written again {took:.1f} s after it came, void {more}")

    def forget_producers_after(self, milliseconds):
        self.brokers.tool("kafka.admin.ConfigCommand", "--bootstrap-server", self.proxy.address, "--alter", "--entity-type",
                          "brokers", "--entity-default", "--add-config", f"{FORGET}={milliseconds}")

    def test_a_producer_that_the_broker_forgot(self):
        self.forget_producers_after(2000)
        self.addCleanup(self.forget_producers_after, 86_400_000)
        self.leave(1)  # or it would take over meanwhile, and the epoch would tell of the double
        with self.load() as load:
            before = self.voids(0)
            self.proxy.drop_answers()
            time.sleep(0.5)
            self.cluster.signal(0, signal.SIGSTOP)
            self.proxy.cut()
            self.proxy.pass_answers()
            time.sleep(6)
            self.cluster.signal(0, signal.SIGCONT)
            more = self.wait_for_voids(0, before, "void-sequence")
            self.go_on(load)
        self.check(load)
        self.seen("a producer forgotten, its answers lost", "what is written twice counts once", f"{load.text()}, void {more}")

    def test_no_connections(self):
        with self.load() as load:
            refused = self.proxy.refused
            self.proxy.refuse()
            self.proxy.cut()
            begun = time.monotonic()
            reader = self.cluster.clients[0].with_headers(Tidemark_Organization=load.writers[0].organization)
            answers = []
            while time.monotonic() < begun + 15:
                self.assertEqual(reader.get("/v2/projects?limit=1").status, 200, "reads go on")
                answers.append(load.writers[len(answers) % WRITERS].ask_once(self.cluster.clients[len(answers) % 2], 20))
                time.sleep(0.2)
            self.proxy.accept()
            took = self.go_on(load)
        for answer in answers:
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("Retry-After", answer.headers)
        self.assertGreater(self.proxy.refused, refused)
        self.check(load)
        self.assertEqual(load.times("without Retry-After"), 0, load.refusals())
        self.seen("no connection to the brokers for 15 s", "503 with Retry-After, reads go on, recovers by itself",
                  f"{load.text()}, goes on after {took:.1f} s")

    def test_a_process_that_ends_without_connections(self):
        with self.load() as load:
            self.proxy.refuse()
            self.proxy.cut()
            time.sleep(1)  # something waits
            begun = time.monotonic()
            self.cluster.signal(1, signal.SIGTERM)
            self.assertEqual(self.cluster.processes[1].wait(timeout=END_WITHIN), 0)
            took = time.monotonic() - begun
            self.proxy.accept()
            self.go_on(load)
        self.check(load)
        self.seen("a process ends, and no connection to the brokers", f"it is gone within {END_WITHIN} s, nothing lost",
                  f"{load.text()}, gone after {took:.1f} s")

    def test_old_marks_without_connections(self):
        """A process that has started anew remembers no record: it has to ask the brokers what a mark names."""
        with self.load() as load:
            time.sleep(1)
        organization = load.writers[0].organization
        mark = self.cluster.clients[1].with_headers(Tidemark_Organization=organization).get("/v2/projects?limit=1").headers["Tidemark"]
        self.leave(1)
        self.start_the_dead()
        self.proxy.refuse()
        self.proxy.cut()
        order = []

        def read(what, headers, count=1):
            reader = self.cluster.clients[1].with_headers(Tidemark_Organization=organization)
            for _ in range(count):
                order.append((what, reader.get("/v2/projects?limit=1", headers=headers, expect="any", timeout=60)))

        asking = [threading.Thread(target=read, args=("old", {"Tidemark": mark})) for _ in range(8)]
        for thread in asking:
            thread.start()
        read("new", {}, 40)
        for thread in asking:
            thread.join()
        self.proxy.accept()
        self.assertEqual(sorted({(what, answer.status) for what, answer in order}), [("new", 200), ("old", 503)])
        self.assertEqual(len(order), 48)
        self.assertEqual([what for what, _ in order][:40], ["new"] * 40, "who has to ask the brokers holds up nobody else")
        self.check(load)
        self.seen("marks of long ago, and no connection to the brokers", "503; other reads are answered meanwhile",
                  "40 reads before the first 503")


if __name__ == "__main__":
    run()
