"""./test names what was skipped: .ci/skipped.py finds it in what ctest writes of a real run."""
import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".ci", "skipped.py"))

PYTHON = '''
import unittest
class Some(unittest.TestCase):
    def test_runs(self): pass
    def test_mounts(self):
        """Needs a disk of its own."""
        print("trying")
        self.skipTest("may not mount: it's refused")
    @unittest.skip("never here")
    def test_other(self): pass
unittest.main(verbosity=2)
'''
GOOGLE = "[ RUN      ] A.B\\n/src/a_test.cpp:7: Skipped\\nno /dev/full here\\n\\n[  SKIPPED ] A.B (0 ms)"


class Skipped(unittest.TestCase):
    def run_tests(self, **commands):
        with tempfile.TemporaryDirectory() as build:
            with open(os.path.join(build, "CTestTestfile.cmake"), "w", encoding="utf-8") as file:
                for name, text in commands.items():
                    with open(os.path.join(build, name), "w", encoding="utf-8") as script:
                        script.write(text)
                    file.write(f'add_test(suite/{name} "{sys.executable}" "{build}/{name}")\n')
            done = subprocess.run(["ctest", "--test-dir", build, "-j2"], capture_output=True, text=True)
            self.assertIn("100% tests passed", done.stdout, "ctest counts them as passed")
            found = subprocess.run([sys.executable, "-B", SCRIPT, build], capture_output=True, text=True, check=True)
            return sorted(found.stdout.splitlines())

    def test_each_is_named_with_its_reason(self):
        self.assertEqual(self.run_tests(python=PYTHON, google=f'print("{GOOGLE}")', fine='print("all is well")'), [
            "suite/google (no /dev/full here)",
            "suite/python test_mounts (may not mount: it's refused)",
            "suite/python test_other (never here)"])

    def test_nothing_is_named_when_nothing_was_skipped(self):
        self.assertEqual(self.run_tests(fine='print("frames skipped: 3; skipped by one")'), [])


if __name__ == "__main__":
    unittest.main()
