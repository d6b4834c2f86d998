"""What a run of ctest says too early or not at all: each test that was skipped, which ctest counts as passed, and each
that failed, with the end of what it printed. A long run's record is often kept by its last lines only.

usage: outcome.py BUILD_DIRECTORY
"""
import os
import re
import sys

TEST = re.compile(r"^\d+/\d+ Test: (.*)$")
PYTHON_TEST = re.compile(r"^(\w+) \([\w.]+\)")
PYTHON = re.compile(r"(?:^|\s)skipped (['\"])(.*)\1$")
GOOGLE = re.compile(r"^\S+:\d+: Skipped$")
END = "<end of output>"
LINES, WIDTH = 14, 180


def read(lines):
    """Of a log of ctest: (name, reason) of what was skipped, and by name what each test printed."""
    skipped, printed, test, within = [], {}, "", ""
    for number, line in enumerate(lines):
        if begins := TEST.match(line):
            test, within = begins[1], ""
            printed[test] = []
        elif python_test := PYTHON_TEST.match(line):
            within = " " + python_test[1]
        if python := PYTHON.search(line):
            skipped.append((test + within, python[2]))
        elif GOOGLE.match(line):
            skipped.append((test, " ".join(lines[number + 1:number + 2]).strip()))
        if test:
            printed[test].append(line)
    return skipped, printed


def lines_of(*path):
    with open(os.path.join(*path), encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def main(build):
    kept = os.path.join(build, "Testing", "Temporary")
    skipped, printed = read(lines_of(kept, "LastTest.log"))
    for test, reason in skipped:
        print(f"skipped: {test} ({reason or 'no reason given'})")
    if not os.path.exists(os.path.join(kept, "LastTestsFailed.log")):
        return
    for line in lines_of(kept, "LastTestsFailed.log"):
        test = line.split(":", 1)[1]
        print(f"failed: {test}")
        output = printed.get(test, [END])
        end = next((number for number, line in enumerate(output) if line.startswith(END)), len(output))
        for line in output[max(0, end - LINES):end]:
            print(f"  {line[:WIDTH]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
