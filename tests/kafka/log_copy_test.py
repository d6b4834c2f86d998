# TIMEOUT 200
# NEEDS broker
"""A history goes from a data directory to Kafka and back, from outside: the same records, marks and rows; killed on the way.

Method: a server writes a history with its journal; it is copied to a broker, with a kill -9 every now and then; a server
on Kafka answers every mark and writes more; that is copied into a new directory, and a server on it has all of it.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import lane

sys.path.insert(0, os.path.join(lane.kafka.ROOT, "tests", "e2e"))
from harness import FILES, PROGRAM, Server, ServerTest, run, tidemark, unique

PROJECTS = 60
BATCHES = 120
KILLED_AFTER_SECONDS = 0.05


class RoundTrip(ServerTest):
    """A history in a data directory, of which every test has a copy, and topics of its own."""

    @classmethod
    def setUpClass(cls):
        cls.address = f"kafka://{lane.brokers()}"
        super().setUpClass()
        cls.product = unique("git")
        cls.server.declare(cls.product, FILES)
        cls.writes = [write for number in range(PROJECTS) for write in cls.write(cls.server, number)]
        cls.server.stop()
        cls.hash = cls.state_hash(cls.server.data)

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="tidemark-copy-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.prefix = ("--kafka-topic-prefix", f"{unique('copy')}-{os.getpid()}.")
        self.original = self.path("original")
        shutil.copytree(self.server.data, self.original)

    def path(self, name):
        return os.path.join(self.directory, name)

    @staticmethod
    def state_hash(data):
        return tidemark("projections", "hash", "--data", data).stdout.strip()

    @staticmethod
    def records(data):
        """Every record by its place, without where it stands in the file."""
        records = {}
        for line in tidemark("log", "dump", "--data", data, "--json").stdout.splitlines():
            record = json.loads(line)
            record.pop("position")
            records[record["topic"], record["partition"], record["offset"]] = record
        return records

    @classmethod
    def write(cls, server, number):
        """A project and some batches of files; where each may be read, with the mark from then on."""
        client = server.client(cls.acme.key)
        project = client.post("/v2/projects", {"name": f"Project {number}"}, expect=201)
        yield f"/v2/projects/{project['id']}", project.headers["Tidemark"]
        for step in range(BATCHES // PROJECTS):
            entity = f"f{(number + step) % 9}"
            made = client.post(f"/v2/products/{cls.product}/events", {"events": [
                {"kind": "file", "entity": entity, "type": "file.added", "data": {"number": number, "text": "x" * 3000}}]}, expect=201)
            yield f"/v2/products/{cls.product}/file/{entity}", made.headers["Tidemark"]

    def copy(self, source, target, *more, **options):
        return tidemark("log", "copy", "--from", source, "--to", target, *self.prefix, *more, **options)

    def copy_with_kills(self, source, target):
        """Killed later and later until one gets through: how many were killed, and what the last one says."""
        killed, seconds = 0, KILLED_AFTER_SECONDS
        while True:
            process = subprocess.Popen([PROGRAM, "log", "copy", "--from", source, "--to", target, *self.prefix, "--json"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                out, error = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed, seconds = killed + 1, seconds * 1.25
                continue
            self.assertEqual(process.returncode, 0, error)
            return killed, json.loads(out)

    def serve(self, data, *arguments):
        os.makedirs(data, exist_ok=True)
        shutil.copy(os.path.join(self.server.data, "root.key"), data)
        server = Server(*arguments, data=data)
        server.key_file = self.server.key_file
        self.addCleanup(server.close)
        server.start()
        return server

    def check(self, server, writes):
        client = server.client(self.acme.key)
        for path, mark in writes:
            client.get(path, headers={"Tidemark": mark}, expect=200)
            client.get(f"{path}?as_of={mark}", expect=200)

    def test_there_and_back(self):
        before = self.records(self.original)
        home = self.path("home")
        for source, target in ((self.original, self.address), (self.address, home)):
            killed, done = self.copy_with_kills(source, target)
            self.assertGreaterEqual(killed, 3)
            self.assertEqual((done["records"] + done["found"], done["fillers"]), (len(before), 0))
        self.assertEqual(self.records(home), before)
        self.assertEqual(self.state_hash(home), self.hash)
        self.check(self.serve(home), self.writes)

    def test_served_on_kafka_and_back(self):
        self.copy(self.original, self.address)
        cluster = self.serve(self.path("rows"), "--log", self.address, *self.prefix)
        self.check(cluster, self.writes)
        refused = self.copy(self.address, self.path("early"), expect=1)
        self.assertRegex(refused.stderr, "uses the log")
        writes = self.writes + [write for number in range(5) for write in self.write(cluster, number)]
        cluster.stop()

        home = self.path("home")
        self.copy(self.address, home)
        report = json.loads(tidemark("log", "verify", "--data", home, "--json").stdout)
        self.assertEqual((report["damages"], report["faults"]), ([], []))
        self.check(self.serve(home), writes)

        moved = Server("--log", self.address, *self.prefix, data=cluster.data)
        moved.key_file = self.server.key_file
        self.addCleanup(moved.close)
        moved.launch()
        self.problem(self.first_answer(moved), "read-only", detail=f"moved to {home}")

    def first_answer(self, server):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                return server.client(self.acme.key).post("/v2/projects", {"name": "Too late"}, expect=503)
            except OSError:
                time.sleep(0.1)
        raise AssertionError(server.output())


if __name__ == "__main__":
    run()
