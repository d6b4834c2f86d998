"""One broker for all tests that need no more, for as long as ctest runs.

    lane.py start FILE          starts it in the background, its address in FILE; it ends with ctest, or by `stop`
    lane.py stop FILE
    lane.py run FILE PROGRAM…   runs a test program with the address in KAFKA_BROKERS

Where no broker can be had, each says so as a skipped test does, and succeeds. A Python test asks `brokers()`.
"""
import glob
import importlib
import os
import signal
import subprocess
import sys
import time
import unittest

import brokers as kafka
from brokers import missing

CLIENT = "confluent-kafka==2.11.1"
WAIT_SECONDS, INSTALL_SECONDS = 120, 100
ENVIRONMENT = os.path.join(kafka.ROOT, "build", "kafka", f"python{sys.version_info.major}.{sys.version_info.minor}")


def skip(reason):
    print(f"skipped {reason!r}", flush=True)
    sys.exit(0)


def read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def brokers():
    """The address of brokers that this test may use; skips it where there are none."""
    if given := os.environ.get("KAFKA_BROKERS"):
        return given
    if started := read(os.environ.get("KAFKA_LANE", "")):
        return started[0]
    raise unittest.SkipTest(missing() or "no broker: run it by ctest, or name one in KAFKA_BROKERS (tests/kafka/brokers.py prints one)")


def confluent_kafka():
    """The client library from PyPI, in an environment of its own; skips the test where it cannot be had."""
    complete = os.path.join(ENVIRONMENT, "complete")
    if not os.path.exists(complete):
        for command in ([sys.executable, "-m", "venv", ENVIRONMENT],
                        [os.path.join(ENVIRONMENT, "bin", "pip"), "install", "-q", "--disable-pip-version-check", CLIENT]):
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
            except subprocess.TimeoutExpired as expired:
                raise unittest.SkipTest(f"{CLIENT} cannot be had within {INSTALL_SECONDS} s") from expired
            if done.returncode:
                raise unittest.SkipTest(f"{CLIENT} cannot be had: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
        with open(complete, "w", encoding="ascii"):
            pass
    packages = glob.glob(os.path.join(ENVIRONMENT, "lib", "python3*", "site-packages"))[0]
    if packages not in sys.path:
        sys.path.append(packages)
    return importlib.import_module("confluent_kafka")


def alive(process):
    return os.path.exists(f"/proc/{process}")


def is_lane(process, path):
    """Whether it is still the one that wrote the file: numbers of processes come again."""
    try:
        with open(f"/proc/{process}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read().split("\0")[-4:-2] == ["serve", path]
    except FileNotFoundError:
        return False


def serve(path, ctest):
    """The background process: a broker until ctest is gone, or a signal comes."""
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    with kafka.Brokers(1) as started:
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(f"{started.bootstrap} {os.getpid()}\n")
        os.rename(path + ".new", path)
        while alive(ctest) and not asked:
            time.sleep(0.2)


def start(path):
    stop(path)
    if reason := missing():
        skip(reason)
    try:
        confluent_kafka()  # before two tests do it at once; who needs it says that it is missing
    except unittest.SkipTest as skipped:
        print(skipped)
    with open(path + ".log", "wb") as log:
        child = subprocess.Popen([sys.executable, "-B", __file__, "serve", path, str(os.getppid())], stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + WAIT_SECONDS
    while not read(path):
        if child.poll() is not None or time.monotonic() > deadline:
            with open(path + ".log", encoding="utf-8", errors="replace") as log:
                sys.exit(f"the broker did not start:\n{log.read()[-4000:]}")
        time.sleep(0.05)
    print("broker at", read(path)[0])


def stop(path):
    started = read(path)
    if not started:
        return
    os.remove(path)
    process = int(started[1])
    if is_lane(process, path):
        os.kill(process, signal.SIGTERM)
    while is_lane(process, path):
        time.sleep(0.05)


def run(path, *program):
    started = read(path)
    if not started:
        skip(missing() or "the broker did not start")
    os.environ["KAFKA_BROKERS"] = started[0]
    os.execv(program[0], program)


if __name__ == "__main__":
    command, path, *more = sys.argv[1:]
    if command == "serve":
        serve(path, int(more[0]))
    else:
        {"start": start, "stop": stop, "run": run}[command](path, *more)
