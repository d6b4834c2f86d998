"""The end-to-end tests once more, each server being three processes over a log on Kafka: whoever asks one of them is
answered as by one process on a journal, though the others do two thirds of the writing.

Every file of tests/e2e is run, or named here with the reason why it is left out.
"""
# TIMEOUT 900
# NEEDS broker
import glob
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lane
from harness import run

E2E = os.path.join(lane.kafka.ROOT, "tests", "e2e")
WHOLE = ()
RUN = {  # file: its classes, where not all
    "bad_input": WHOLE,
    "bounded_history": WHOLE,
    "events": WHOLE,
    "git_history": WHOLE,
    "guards": ("Guards",),                                    # not Start: ports and data directories of one process
    "habits": WHOLE,
    "indexes": WHOLE,
    "kept_deliveries": WHOLE,
    "manifests": WHOLE,
    "operations": ("Operations", "Logs"),                     # not Commands: they work on a journal
    "organizations": ("Organizations", "Keys", "ThePlatformKey"),  # not Starting: the first key of a data directory
    "pipeline_operations": WHOLE,
    "pipelines": WHOLE,
    "products": WHOLE,
    "project_parts": WHOLE,
    "projects": WHOLE,
    "pull": ("Leases", "WhatIsRefused", "Workers"),           # not Backlog: as many events as one process waits with
    "rebuild": ("Beside",),                                   # not Killed: it looks into a data directory
    "replay": WHOLE,
    "resources": WHOLE,
    "sealed_fields": ("SealedFields",),                       # not Sealed: it looks into a data directory
    "secrets": ("Secrets",),                                  # not Sealed: it looks into a data directory
    "spaces": WHOLE,
    "stream": ("Streams", "WithinAnEvent"),                   # not what measures or ends the one process that it asks
    "tenant_matrix": WHOLE,
    "webhooks": WHOLE,
}
LEFT_OUT = {
    "backup": "backups are of a data directory; a log on Kafka has replicas",
    "backup_soak": "as backup",
    "cli": "what the program prints, which no log changes",
    "conformance": "how requests and answers are described, which no log changes",
    "crash": "a journal whose process dies; here faults_test.py and chaos_test.py",
    "deprovisioning": "kills the one process that it asks, on a journal",
    "delivery_crash": "as crash, during deliveries",
    "crash_soak": "as crash; here chaos_soak_test.py",
    "faults": "faults of a disk; here those of brokers, faults_test.py",
    "load": "the limits of one process; here bench/",
    "load_soak": "as load",
    "listen": "a client of one server's stream, which no log changes",
    "log_copy": "between data directories; here log_copy_test.py",
    "run": "./run; here run_cluster_test.py",
    "webhook_proofs": "receivers, verifiers and payloads, which no log changes; webhooks runs here",
}


class Suite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.brokers = lane.brokers()

    def passes(self, name, *tests):
        done = subprocess.run([sys.executable, "-B", os.path.join(E2E, f"{name}_test.py"), *tests], capture_output=True, text=True,
                              env={**os.environ, "E2E_BROKERS": self.brokers}, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-6000:])
        self.assertRegex(done.stderr, r"Ran [1-9]")


class Whole(unittest.TestCase):
    def test_every_file_is_run_or_left_out_for_a_reason(self):
        files = {os.path.basename(path).removesuffix("_test.py") for path in glob.glob(os.path.join(E2E, "*_test.py"))}
        self.assertEqual(files, RUN.keys() | LEFT_OUT.keys())
        self.assertEqual(RUN.keys() & LEFT_OUT.keys(), set())


for file, classes in RUN.items():
    setattr(Suite, f"test_{file}", lambda self, name=file, tests=classes: self.passes(name, *tests))


if __name__ == "__main__":
    run()
