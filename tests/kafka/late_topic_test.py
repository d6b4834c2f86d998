"""A process that stands still while another declares a product and writes it: what was written before it could open the
topic is in its rows as in everybody's.
"""
# TIMEOUT 120
# LABEL kafka
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import brokers as kafka
import lane
from cluster import Cluster
from harness import FILES, run, unique

ENTITIES = 200


class LateTopic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := lane.missing():
            raise unittest.SkipTest(reason)
        cls.cluster = Cluster(processes=2, brokers=cls.enterClassContext(kafka.Brokers(1)))
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()

    def until_taken(self, client, method, path, body):
        """Partitions of who stands still go to the other after a while."""
        deadline, key = time.monotonic() + 30, unique("key")
        while True:
            made = client.request(method, path, body, expect="any", headers={"Idempotency-Key": key}, timeout=30)
            if made.status in (200, 201):
                return made
            self.assertLess(time.monotonic(), deadline, made)
            time.sleep(0.1)

    def test_rows_of_a_process_that_opens_a_topic_late(self):
        early, late = self.cluster.clients
        organization = early.post("/v2/organizations", {"name": "A", "slug": unique("a")})["id"]
        writer, reader = (client.with_headers(Tidemark_Organization=organization) for client in (early, late))
        product = unique("git")
        self.cluster.signal(1, signal.SIGSTOP)
        self.until_taken(early, "PUT", f"/v2/products/{product}", FILES)
        marks = []
        for number in range(ENTITIES):
            made = self.until_taken(writer, "POST", f"/v2/products/{product}/file/e{number}/events",
                                    {"events": [{"type": "file.added", "data": {"n": number}}]})
            marks.append(made.headers["Tidemark"])
        self.cluster.signal(1, signal.SIGCONT)
        deadline = time.monotonic() + 30
        while reader.get(f"/v2/products/{product}/file?limit=1", headers={"Tidemark": marks[-1]}, expect="any").status != 200:
            self.assertLess(time.monotonic(), deadline, "the rows do not come")
            time.sleep(0.2)
        there = {row["entity"] for row in reader.pages(f"/v2/products/{product}/file")}
        self.assertEqual(there, {f"e{number}" for number in range(ENTITIES)})
        more = writer.post(f"/v2/products/{product}/file/e0/events", {"events": [{"type": "file.modified", "data": {"n": -1}}]}, expect=201)
        row = reader.get(f"/v2/products/{product}/file/e0", headers={"Tidemark": more.headers["Tidemark"]}, expect=200)
        self.assertEqual((row["state"], row["version"]), ({"n": -1}, 2))
        for number in range(2):
            self.cluster.kill(number)
        hashes = [self.cluster.hash_of(0), self.cluster.hash_of(1), self.cluster.hash_of(1, "rebuild")]
        self.assertEqual(len(set(hashes)), 1, hashes)


if __name__ == "__main__":
    run()
