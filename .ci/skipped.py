"""Tests that the last run of ctest skipped, and why: a line each. ctest counts them as passed.

usage: skipped.py BUILD_DIRECTORY
"""
import os
import re
import sys

TEST = re.compile(r"^\d+/\d+ Test: (.*)$")
PYTHON_TEST = re.compile(r"^(\w+) \([\w.]+\)")
PYTHON = re.compile(r"(?:^|\s)skipped (['\"])(.*)\1$")
GOOGLE = re.compile(r"^\S+:\d+: Skipped$")


def skipped(lines):
    """Of a log of ctest: names and reasons."""
    found, test, within = [], "", ""
    for number, line in enumerate(lines):
        if begins := TEST.match(line):
            test, within = begins[1], ""
        elif python_test := PYTHON_TEST.match(line):
            within = " " + python_test[1]
        if python := PYTHON.search(line):
            found.append((test + within, python[2]))
        elif GOOGLE.match(line):
            found.append((test, " ".join(lines[number + 1:number + 2]).strip()))
    return found


def main(build):
    with open(os.path.join(build, "Testing", "Temporary", "LastTest.log"), encoding="utf-8", errors="replace") as log:
        for test, reason in skipped(log.read().splitlines()):
            print(f"{test} ({reason or 'no reason given'})")


if __name__ == "__main__":
    main(*sys.argv[1:])
