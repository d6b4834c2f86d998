# TIMEOUT 120
"""What a newcomer does first: ./run, paste the lines it prints, stop, and run it again."""
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

from harness import PROGRAM, ROOT, free_port, run

BUILT = os.path.join(ROOT, "build", "release", "tidemark")


@unittest.skipUnless(os.path.realpath(PROGRAM) == os.path.realpath(BUILT) and os.path.exists(BUILT), "only where ./run has built")
class Run(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.port = free_port()

    def start(self, *arguments):
        """Starts ./run; its process and what it printed until it was up, and the seconds that took."""
        begun = time.monotonic()
        process = subprocess.Popen([os.path.join(ROOT, "run"), "--", "--listen", f"127.0.0.1:{self.port}", *arguments], cwd="/",
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "/docs" in line:
                break
        return process, "".join(lines), time.monotonic() - begun

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        self.assertEqual(process.wait(timeout=20), 0)

    def test_prints_lines_that_work_when_pasted_and_is_up_again_at_once(self):
        data = os.path.join(self.directory.name, "data")
        process, text, _ = self.start("--data", data)
        self.assertIn(f"http://127.0.0.1:{self.port}", text)
        keys = set(re.findall(r"le_live_[0-9A-Za-z]{50}", text))
        self.assertEqual(len(keys), 1, text)
        pasted = [line.strip() for line in text.splitlines() if re.match(r"\s+(export|curl) ", line)]
        self.assertGreaterEqual(len([line for line in pasted if line.startswith("curl")]), 2, text)
        done = subprocess.run(["bash", "-ec", "\n".join(line.replace("curl ", "curl --fail-with-body ", 1) for line in pasted)],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn('"id":"org_', done.stdout)
        self.stop(process)
        process, text, seconds = self.start("--data", data)
        self.assertFalse(set(re.findall(r"le_live_[0-9A-Za-z]{50}", text)), "the key is shown once")
        self.assertLess(seconds, 2, "a second ./run is up in under two seconds")
        self.stop(process)


if __name__ == "__main__":
    run()
