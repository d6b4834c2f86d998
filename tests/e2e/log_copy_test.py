# TIMEOUT 300
"""`tidemark log copy` between data directories, from outside: the copy is the same log, its source is at an end.

Method: a server writes a history; its directory is copied, with a kill -9 every now and then; records, state hash, every
mark and the answers of a server on the copy are compared with those of the source. Copies to and from Kafka have a test
of their own, tests/kafka/log_copy_test.py.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

from harness import PROGRAM, Server, ServerTest, run, tidemark, unique

PROJECTS = 40
BATCHES = 60


class CopyTest(ServerTest):
    """A server with some history, stopped."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.product = unique("git")
        cls.server.declare(cls.product, {"kinds": {"file": {"events": {"file.added": {"fold": "replace"}}}}})
        cls.writes = []
        for number in range(PROJECTS):
            made = cls.acme.post("/v2/projects", {"name": f"Project {number}"}, expect=201)
            cls.writes.append((f"/v2/projects/{made['id']}", made.headers["Tidemark"]))
        for number in range(BATCHES):
            events = [{"kind": "file", "entity": f"f{number % 7}", "type": "file.added",
                       "data": {"text": "x" * random.randrange(20_000)}} for _ in range(3)]
            made = cls.acme.post(f"/v2/products/{cls.product}/events", {"events": events}, expect=201)
            cls.writes.append((f"/v2/products/{cls.product}/file/f{number % 7}", made.headers["Tidemark"]))
        cls.server.stop()
        cls.hash = cls.state_hash(cls.server.data)

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="tidemark-copy-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.source = self.path("source")
        shutil.copytree(self.server.data, self.source)
        self.target = self.path("target")

    def path(self, name):
        return os.path.join(self.directory, name)

    @staticmethod
    def state_hash(data):
        return tidemark("projections", "hash", "--data", data).stdout.strip()

    @staticmethod
    def records(data):
        """Every record of every partition, without what ends a log and without its place in the file."""
        lines = [json.loads(line) for line in tidemark("log", "dump", "--data", data, "--json").stdout.splitlines()]
        for line in lines:
            line.pop("position")
        while lines and lines[-1]["topic"] == "log" and ("log copy" in str(lines[-1]) or "moved" in str(lines[-1])):
            lines.pop()
        return sorted(lines, key=lambda line: (line["topic"], line["partition"], line["offset"]))

    def copy(self, *more, expect=0, source=None, target=None):
        return tidemark("log", "copy", "--from", source or self.source, "--to", target or self.target, *more, expect=expect)

    def serve(self, data):
        server = Server(data=data)
        server.key_file = self.server.key_file
        self.addCleanup(server.close)
        server.start()
        return server


class Copies(CopyTest):
    def test_a_copy_is_the_same_log(self):
        before = self.records(self.source)
        done = json.loads(self.copy("--json").stdout)
        self.assertEqual(done, {"to": self.target, "records": len(before), "fillers": 0, "found": 0})
        self.assertEqual(self.records(self.target), before)
        self.assertEqual(self.records(self.source), before)
        self.assertEqual(self.state_hash(self.target), self.hash)
        report = json.loads(tidemark("log", "verify", "--data", self.target, "--json").stdout)
        self.assertEqual((report["damages"], report["faults"]), ([], []))

        shutil.copy(os.path.join(self.source, "root.key"), self.target)
        client = self.serve(self.target).client(self.acme.key)
        for path, mark in self.writes:
            client.get(path, headers={"Tidemark": mark}, expect=200)
            client.get(f"{path}?as_of={mark}", expect=200)
        client.post("/v2/projects", {"name": "After the move"}, expect=201)

    def test_the_source_says_where_it_went_and_takes_nothing_more(self):
        self.copy()
        server = Server(data=self.source)
        server.key_file = self.server.key_file
        self.addCleanup(server.close)
        server.launch()
        client = server.client(self.acme.key)
        path, mark = self.writes[0]
        deadline = time.monotonic() + 30
        while True:
            try:
                client.get(path, headers={"Tidemark": mark}, expect=200)
                break
            except OSError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
        refused = client.post("/v2/projects", {"name": "Too late"}, expect=503)
        self.problem(refused, "read-only", detail=f"this log has moved to {self.target}")

    def test_nobody_serves_half_a_copy(self):
        self.copy()
        os.remove(os.path.join(self.target, "keyring"))
        refused = tidemark("serve", "--data", self.target, "--listen", "127.0.0.1:0", expect=1)
        self.assertIn("keyring is missing", refused.stderr + refused.stdout)


class Interrupted(CopyTest):
    def test_a_killed_copy_goes_on(self):
        before = self.records(self.source)
        killed = found = 0
        for delay in (0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08):
            process = subprocess.Popen([PROGRAM, "log", "copy", "--from", self.source, "--to", self.target],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            if os.path.exists(os.path.join(self.target, "keyring")):
                break
        else:
            found = json.loads(self.copy("--json").stdout)["found"]
        self.assertGreater(killed, 0)
        self.assertEqual(self.records(self.target), before, f"after {killed} kills, {found} found")
        self.assertEqual(self.state_hash(self.target), self.hash)

    def test_between_the_end_of_the_source_and_the_keyring(self):
        before = self.records(self.source)
        self.copy()
        os.remove(os.path.join(self.target, "keyring"))
        done = json.loads(self.copy("--json").stdout)
        self.assertEqual((done["records"], done["found"]), (0, len(before)))
        self.assertTrue(os.path.exists(os.path.join(self.target, "keyring")))


    def test_behind_its_last_step(self):
        before = self.records(self.source)
        self.copy()
        done = json.loads(self.copy("--json").stdout)
        self.assertEqual((done["records"], done["found"]), (0, len(before)))


class Refused(CopyTest):
    def assert_refused(self, words, expect, **places):
        before = self.records(self.source)
        done = self.copy(expect=expect, **places)
        self.assertRegex(done.stderr, words)
        self.assertEqual(self.records(self.source), before)
        return done

    def test_a_target_that_is_a_log_already(self):
        shutil.copytree(self.server.data, self.target)
        self.assert_refused("is not empty", 2)

    def test_a_target_with_another_log_in_it(self):
        other = Server()
        self.addCleanup(other.close)
        other.start()
        other.organization()
        other.stop()
        os.remove(os.path.join(other.data, "keyring"))
        self.assert_refused("the target holds other records already", 2, target=other.data)

    def test_a_directory_with_something_else_in_it(self):
        os.mkdir(self.target)
        with open(os.path.join(self.target, "letter"), "w", encoding="ascii") as file:
            file.write("Dear")
        self.assert_refused("is not empty", 2)
        self.assertEqual(os.listdir(self.target), ["letter"])

    def test_a_source_that_is_in_use(self):
        server = self.serve(self.source)
        self.assertRegex(self.copy(expect=1).stderr, "another process uses")
        server.stop()

    def test_a_source_that_is_none(self):
        self.assertRegex(self.copy(source=self.path("nothing"), expect=1).stderr, "is no data directory")
        self.assertFalse(os.path.exists(self.target))

    def test_a_source_that_went_elsewhere(self):
        self.copy(target=self.path("first"))
        self.assertRegex(self.copy(expect=2).stderr, f"has moved to {self.path('first')}")

    def test_a_damaged_source(self):
        folder = os.path.join(self.source, "journal", "permanent")
        with open(os.path.join(folder, sorted(os.listdir(folder))[0]), "r+b") as file:
            file.seek(200_000)
            file.write(b"\xff" * 64)
        self.assertRegex(self.copy(expect=4).stderr, "damaged")

    def test_the_same_place_and_no_place(self):
        self.assertRegex(self.copy(target=self.source, expect=2).stderr, "are the same")
        self.assertRegex(self.copy(target="http://127.0.0.1:1", expect=2).stderr, "kafka://")


if __name__ == "__main__":
    run()
