"""What an operator of several processes sees: `GET /v2/status` and `tidemark log topics` name for each partition a process
that lives, its epoch, where log and rows end, and how many records did not count, by reason.

Method: three processes on one broker; records that do not count are sent by hand; the owner of a partition is killed.
"""
# TIMEOUT 120
# NEEDS broker
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import lane
from cluster import Cluster
from harness import run, tidemark, unique

ORGANIZATIONS = 6


class Status(unittest.TestCase):
    def setUp(self):
        self.brokers, self.library = lane.brokers(), lane.confluent_kafka()
        self.cluster = Cluster(processes=3, partitions=4, brokers=object(), bootstrap=self.brokers)
        self.addCleanup(self.cluster.__exit__)
        self.cluster.__enter__()
        platform = self.cluster.clients[0]
        self.organizations = [platform.post("/v2/organizations", {"name": "S", "slug": unique("s")})["id"] for _ in range(ORGANIZATIONS)]
        self.topic = f"{self.cluster.prefix}projects"

    def write(self, number):
        """A project in each organization through one process; the mark of all."""
        marks = []
        for organization in self.organizations:
            client = self.cluster.clients[number].with_headers(Tidemark_Organization=organization)
            deadline = time.monotonic() + 20
            while (answer := client.post("/v2/projects", {"name": "p", "slug": unique("p")}, expect="any")).status != 201:
                self.assertLess(time.monotonic(), deadline, answer)
                time.sleep(0.1)
            marks.append((organization, answer.mark))
        return marks

    def status_at(self, number, marks):
        """After the process has shown all of it."""
        client = self.cluster.clients[number]
        for organization, mark in marks:
            client.get("/v2/projects?limit=1", headers={"Tidemark-Organization": organization, "Tidemark": mark, "Prefer": "wait=20"})
        # Who owns what is told by heartbeats, a little later.
        return self.until(lambda: self.with_owners(client.get("/v2/status").json), "a partition without a living owner")

    def with_owners(self, status):
        names = {process["name"] for process in status["processes"]}
        return status if all(one["owner"] in names for one in self.partitions(status).values()) else None

    def partitions(self, status, product="projects"):
        return {one["partition"]: one for one in next(p for p in status["products"] if p["name"] == product)["partitions"]}

    def name_of(self, number):
        pid = self.cluster.processes[number].pid
        return next(name for name in self.names() if name.endswith(f":{pid}"))

    def names(self):
        living = next(n for n in range(3) if self.cluster.processes[n].poll() is None)
        return [process["name"] for process in self.cluster.clients[living].get("/v2/status")["processes"]]

    def until(self, condition, what):
        deadline = time.monotonic() + 20
        while not (found := condition()):
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)
        return found

    def test_partitions_have_living_owners_and_no_lag_at_a_mark(self):
        for writer in range(3):
            marks = self.write(writer)
            for number in range(3):
                status = self.status_at(number, marks)
                names = {process["name"] for process in status["processes"]}
                self.assertEqual(len(names), 3)
                self.assertEqual({name.rsplit(":", 1)[1] for name in names}, {str(process.pid) for process in self.cluster.processes})
                written = self.partitions(status)
                self.assertTrue(written)
                for partition in written.values():
                    self.assertIn(partition["owner"], names, "nobody who lives")
                    self.assertRegex(partition["epoch"], r"^\d+:[0-9a-f]{16}$")
                    self.assertGreaterEqual(partition["log_end"], partition["applied_end"])
                    self.assertGreater(partition["applied_end"], 0)
                    self.assertEqual(partition["lag"], 0, "its rows have the mark")
        owned = {process["name"]: process["owned"] for process in status["processes"]}
        self.assertGreater(sum(owned.values()), 0)

    def shown(self, number):
        client = self.cluster.clients[number]
        return tidemark("log", "topics", "--url", f"http://127.0.0.1:{client.port}", "--key", client.key), json.loads(
            tidemark("log", "topics", "--json", "--url", f"http://127.0.0.1:{client.port}", "--key", client.key).stdout)

    def test_log_topics_shows_the_same(self):
        status = self.status_at(1, self.write(0))
        table, document = self.shown(1)
        self.assertEqual({key: document[key] for key in ("log_id", "partition_count")}, {key: status[key] for key in ("log_id", "partition_count")})
        self.assertEqual(document.keys(), status.keys())
        for number, partition in self.partitions(document).items():
            row = next(line.split() for line in table.stdout.splitlines() if line.split()[:2] == ["projects", str(number)])
            self.assertEqual(row[1:], [str(partition[name]) for name in ("partition", "log_end", "applied_end", "lag", "epoch", "owner")])
        self.assertEqual(table.stdout.count("\nprocess "), 3)

    def messages(self):
        consumer = self.library.Consumer({"bootstrap.servers": self.brokers, "group.id": "none", "enable.auto.commit": False, "auto.offset.reset": "error"})
        try:
            consumer.assign([self.library.TopicPartition(self.topic, number, 0) for number in range(4)])
            found, quiet = [], time.monotonic() + 2
            while time.monotonic() < quiet:
                message = consumer.poll(0.2)
                if message is not None and message.error() is None:
                    found.append(message)
            return found
        finally:
            consumer.close()

    def send_again(self, message):
        producer = self.library.Producer({"bootstrap.servers": self.brokers})
        producer.produce(self.topic, message.value(), message.key(), message.partition(), headers=message.headers())
        self.assertEqual(producer.flush(10), 0)

    def voids(self, number):
        return self.cluster.clients[number].get("/v2/status")["void_records"]

    def test_void_records_are_counted_by_reason_and_a_dead_owner_is_replaced(self):
        marks = self.write(0)
        before = [self.voids(number) for number in range(3)]
        messages = self.messages()
        claim = next(message for message in messages if b"claim" in dict(message.headers()).get("tm_kind", b"") or "tm_claim_nonce" in dict(message.headers()))
        event = [message for message in messages if "ce_id" in dict(message.headers()) and message.partition() == claim.partition()][-1]
        self.send_again(claim)
        self.send_again(event)
        for number in range(3):
            self.until(lambda: all(self.voids(number)[reason] == before[number][reason] + 1 for reason in ("void-claim", "void-sequence")),
                       f"{self.voids(number)} after {before[number]}")
        status = self.status_at(0, marks)
        was = self.partitions(status)[event.partition()]
        dead = next(number for number in range(3) if self.name_of(number) == was["owner"])
        others = [number for number in range(3) if number != dead]
        self.cluster.kill(dead)
        self.until(lambda: was["owner"] not in self.names(), "the dead one is still there")
        status = self.status_at(others[0], self.write(others[0]))
        names = {process["name"] for process in status["processes"]}
        self.assertEqual(len(names), 2)
        for partition in self.partitions(status).values():
            self.assertIn(partition["owner"], names)
        now = self.partitions(status)[event.partition()]
        self.assertNotEqual((now["owner"], now["epoch"]), (was["owner"], was["epoch"]))
        epochs = self.voids(others[1])["void-epoch"]
        self.send_again(event)
        self.until(lambda: self.voids(others[1])["void-epoch"] == epochs + 1, "a record of an old epoch is not counted")


if __name__ == "__main__":
    run()
