"""./test names what was skipped and what failed: .ci/outcome.py finds both in what ctest writes of a real run."""
import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".ci", "outcome.py"))

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


class Outcome(unittest.TestCase):
    def run_tests(self, closing="100% tests passed", **commands):
        with tempfile.TemporaryDirectory() as build:
            with open(os.path.join(build, "CTestTestfile.cmake"), "w", encoding="utf-8") as file:
                for name, text in commands.items():
                    with open(os.path.join(build, name), "w", encoding="utf-8") as script:
                        script.write(text)
                    file.write(f'add_test(suite/{name} "{sys.executable}" "{build}/{name}")\n')
            done = subprocess.run(["ctest", "--test-dir", build, "-j2"], capture_output=True, text=True)
            self.assertIn(closing, done.stdout, "ctest counts what was skipped as passed")
            found = subprocess.run([sys.executable, "-B", SCRIPT, build], capture_output=True, text=True, check=True)
            return found.stdout.splitlines()

    def test_each_is_named_with_its_reason(self):
        found = self.run_tests(python=PYTHON, google=f'print("{GOOGLE}")', fine='print("all is well")')
        self.assertEqual(sorted(found), [
            "skipped: suite/google (no /dev/full here)",
            "skipped: suite/python test_mounts (may not mount: it's refused)",
            "skipped: suite/python test_other (never here)"])

    def test_nothing_is_named_when_nothing_was_skipped(self):
        self.assertEqual(self.run_tests(fine='print("frames skipped: 3; skipped by one")'), [])

    def test_what_failed_is_named_with_the_end_of_what_it_printed(self):
        found = self.run_tests(
            closing="33% tests passed", fine="print('all is well')",
            fails="for number in range(100): print('line', number)\nraise SystemExit('it is wrong')",
            crashes="import os; print('so far', flush=True); os.abort()")
        self.assertEqual(sorted(line for line in found if line.startswith("failed: ")),
                         ["failed: suite/crashes", "failed: suite/fails"])
        self.assertIn("  so far", found)
        self.assertIn("  it is wrong", found)
        self.assertIn("  line 99", found)
        self.assertNotIn("  line 50", found)


if __name__ == "__main__":
    unittest.main()
