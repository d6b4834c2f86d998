"""The end-to-end tests once more, each server being three processes over a log on Kafka: whoever asks one of them is
answered as by one process on a journal, though the others do two thirds of the writing.

Left out are files about one process and its disk (backup, crash, faults, load, run, cli, start) and the tests named below.
"""
# TIMEOUT 420
# NEEDS broker
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lane
from harness import run

E2E = os.path.join(lane.kafka.ROOT, "tests", "e2e")


class Suite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.brokers = lane.brokers()

    def passes(self, name, *tests):
        done = subprocess.run([sys.executable, "-B", os.path.join(E2E, f"{name}_test.py"), *tests], capture_output=True, text=True,
                              env={**os.environ, "E2E_BROKERS": self.brokers}, timeout=200)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-6000:])
        self.assertRegex(done.stderr, r"Ran [1-9]")

    def test_organizations(self):
        self.passes("organizations", "Organizations", "Keys", "ThePlatformKey")

    def test_projects(self):
        self.passes("projects")

    def test_products(self):
        self.passes("products")

    def test_events(self):
        self.passes("events")

    def test_streams(self):
        self.passes("stream", "Streams", "WithinAnEvent")

    def test_tenants(self):
        self.passes("tenant_matrix")

    def test_spaces(self):
        self.passes("spaces")

    def test_habits(self):
        self.passes("habits")

    def test_bad_input(self):
        self.passes("bad_input")

    def test_guards(self):
        self.passes("guards", "Guards")

    def test_git_history(self):
        self.passes("git_history")


if __name__ == "__main__":
    run()
