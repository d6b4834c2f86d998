"""`./run --cluster` as a newcomer meets it: paste what it prints, kill a process and watch the others go on, end it.

Method: the very lines that it prints go through a shell; afterwards nothing that it started runs any more.
"""
# TIMEOUT 300
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import lane
from client import Client
from harness import PROGRAM, ROOT, run

BUILT = os.path.join(ROOT, "build", "release", "tidemark")
UP_WITHIN = 120
MOVED_WITHIN = 20


def three_free_ports():
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        try:
            for port in (first + 1, first + 2):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue


def children_of(process):
    """All that it started, and what those started."""
    found = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    parents = {int(line.split()[0]): int(line.split()[1]) for line in found.splitlines()}
    family = {process}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family - {process}


def runs(process):
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@unittest.skipUnless(os.path.realpath(PROGRAM) == os.path.realpath(BUILT) and os.path.exists(BUILT), "only where ./run has built")
class RunCluster(unittest.TestCase):
    def setUp(self):
        if reason := lane.missing():
            self.skipTest(reason)
        self.first = three_free_ports()
        self.process = subprocess.Popen([os.path.join(ROOT, "run"), "--cluster", "--port", str(self.first)], cwd="/", stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.family = set()
        self.addCleanup(self.end)
        deadline, lines = time.monotonic() + UP_WITHIN, []
        for line in self.process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
            self.assertLess(time.monotonic(), deadline, lines)
        self.text = "".join(lines)
        self.family = children_of(self.process.pid)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        for child in self.family:
            if runs(child):
                os.kill(child, signal.SIGKILL)

    def paste(self, pattern):
        """The commands that it prints and that begin so, in one shell; what they print."""
        joined = self.text.replace("\\\n", " ")
        lines = [line.strip() for line in joined.splitlines() if re.match(rf"\s+({pattern})", line)]
        self.assertTrue(lines, self.text)
        done = subprocess.run(["bash", "-ec", "\n".join(lines)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"{lines}\n{done.stdout}{done.stderr}")
        return done.stdout

    def owners(self, port, key):
        status = Client(port, key).get("/v2/status")
        partitions = [partition["owner"] for product in status["products"] for partition in product["partitions"]]
        return {process["name"] for process in status["processes"]}, {owner for owner in partitions if owner}

    def test_what_it_prints_works_one_is_killed_the_others_go_on_and_it_ends(self):
        told = self.paste(r"export |curl |\S+ log topics ")
        self.assertIn('"slug":"acme"', told)
        self.assertIn("OWNER", told)
        self.assertEqual(told.count("\nprocess "), 3, told)
        key = re.search(r"TIDEMARK_KEY=(\S+)", self.text)[1]
        killed = int(re.search(r"kill -9 (\d+) .*the process", self.text)[1])
        self.assertIn(killed, self.family)
        self.paste(r"kill -9 \d+ .*the process")
        deadline = time.monotonic() + MOVED_WITHIN
        while True:
            living, owners = self.owners(self.first, key)
            if len(living) == 2 and owners <= living:
                break
            self.assertLess(time.monotonic(), deadline, f"{owners} own what {living} should")
            time.sleep(0.2)
        self.assertFalse([name for name in living if name.endswith(f":{killed}")])
        for number, port in enumerate((self.first, self.first + 2)):
            Client(port, key).post("/v2/organizations", {"name": "B", "slug": f"after-{number}"}, expect=201)
        directory = re.search(r"What they write: (\S+)\.", self.text)[1]
        self.process.send_signal(signal.SIGTERM)
        self.assertIn("stopping", self.process.stdout.read())
        self.assertEqual(self.process.wait(timeout=30), 0)
        deadline = time.monotonic() + 10
        while left := [child for child in self.family if runs(child)]:
            self.assertLess(time.monotonic(), deadline, f"{left} still run")
            time.sleep(0.1)
        self.assertFalse(os.path.exists(directory), "what they wrote is removed")


if __name__ == "__main__":
    run()
