# TIMEOUT 120
"""What a newcomer does first: ./run, paste the lines it prints, stop, and run it again."""
import os
import re
import shutil
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


class Arguments(unittest.TestCase):
    """What reaches the program, of a checkout in which the program only prints that."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.checkout, self.caller = (os.path.join(os.path.realpath(directory.name), name) for name in ("checkout", "caller"))
        os.makedirs(self.caller)
        self.write("build/release/tidemark", '#!/bin/sh\necho "$PWD: $*"\n')
        self.write("build/release/build.ninja", "")
        self.write(".ci/install.sh", "install_missing() { :; }\nninja() { :; }\nstop() { echo \"$1\" >&2; exit 2; }\n")
        shutil.copy(os.path.join(ROOT, "run"), self.checkout)

    def write(self, name, text):
        path = os.path.join(self.checkout, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def run_it(self, *arguments, **environment):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMARK")}
        return subprocess.run([os.path.join(self.checkout, "run"), "--", *arguments], cwd=self.caller, env={**clean, **environment},
                              capture_output=True, text=True, check=True).stdout.strip()

    def test_paths_are_the_callers_and_the_environment_counts(self):
        data, usual = f"--data {self.checkout}/data", "--listen 127.0.0.1:8080"
        for arguments, environment, passed in (
                ((), {}, f"{usual} {data}"), (("--data", "./x"), {}, f"{usual} --data ./x"), (("--listen=[::1]:1",), {}, f"{data} --listen=[::1]:1"),
                ((), {"TIDEMARK_LISTEN": "127.0.0.1:1"}, data), ((), {"TIDEMARK_DATA": "/y"}, usual),
                (("--threads", "1"), {"TIDEMARK_LISTEN": "127.0.0.1:1", "TIDEMARK_DATA": "/y"}, "--threads 1")):
            self.assertEqual(self.run_it(*arguments, **environment), f"{self.caller}: serve {passed}")


if __name__ == "__main__":
    run()
