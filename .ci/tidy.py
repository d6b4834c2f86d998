"""clang-tidy over the sources of the program, newest commit first, until the time is up.

usage: tidy.py BUILD_DIRECTORY SECONDS
Says how many files it did not reach, so that a bounded run never looks like a whole one.
"""
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor


PROGRAM = ("schemas/", "eventstore/", "projections/", "manager/", "webhooks/", "api/")


def newest_first(files):
    """Files not committed yet, then by the time of their last commit."""
    log = subprocess.run(["git", "log", "--format=", "--name-only"], capture_output=True, text=True, check=True).stdout
    rank = {name: place for place, name in reversed(list(enumerate(log.split("\n"))))}
    return sorted(files, key=lambda name: rank.get(name, -1))


def main(build, seconds):
    with open(os.path.join(build, "compile_commands.json")) as file:
        commands = json.load(file)
    compiled = {os.path.relpath(entry["file"]) for entry in commands}
    files = newest_first(name for name in compiled if name.startswith(PROGRAM))
    deadline = time.monotonic() + seconds
    skipped, wrong = [], []

    def check(name):
        if time.monotonic() > deadline:
            skipped.append(name)
            return
        done = subprocess.run(["clang-tidy-19", "--quiet", "-p", build, name], capture_output=True, text=True)
        if done.returncode:
            wrong.append(name)
            print(done.stdout, done.stderr, flush=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(check, files))
    print(f"clang-tidy: {len(files) - len(skipped)} of {len(files)} files within {seconds} s, {len(wrong)} with findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
