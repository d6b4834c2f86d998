#!/usr/bin/env python3
"""Has something become slower? For continuous integration: two minutes, no times, only what holds on any machine.

    python3 bench/check.py [--program build/release/tidemark] [--write] [generator] [instructions] [ratios]

generator     the load generator charges a server that stalls with everybody who had to wait
instructions  callgrind's counts of encode, append, chain, decide, fold, route and head against
              instructions.json: over by more than 5 % fails; they come out the same in every run
ratios        figures next to limits and peers of the same run against ratios.json: below the share of
              the committed ratio that stands there fails; generous, for other machines and other load
--write       makes what is measured now the committed counts and ratios
"""
import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

BENCH = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(BENCH)
sys.path.insert(0, BENCH)
INSTRUCTIONS = os.path.join(BENCH, "instructions.json")
RATIOS = os.path.join(BENCH, "ratios.json")
MORE_MAX = 1.05
SHARE_AT_LEAST = 0.5
TIMES = 2000  # in instructions.cpp
COUNTED = {  # name: (path of instructions.cpp, the function, whatever its arguments)
    "encode": ("encode", "schemas::build_batch(*"),
    "chain": ("append", "eventstore::next_chain(*"),
    "append": ("append", "eventstore::journal::JournalWriter::write(*"),
    "decide": ("core", "manager::decide(manager::Context*manager::AppendEvents*"),
    "fold": ("core", "projections::fold(*"),
    "route": ("route", "api::http::Router::match(*"),
    "head": ("route", "api::http::Parser::read_head(*"),
}


def stalling_server(stall_after, stall_seconds, listener):
    """Answers at once, but for one stall."""
    stalled = False
    begun = time.monotonic()
    connections = []
    listener.settimeout(0.001)
    while time.monotonic() - begun < 4:
        try:
            connections.append(listener.accept()[0])
            connections[-1].setblocking(False)
        except OSError:
            pass
        if not stalled and time.monotonic() - begun > stall_after:
            time.sleep(stall_seconds)
            stalled = True
        for connection in connections:
            try:
                if connection.recv(65536):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                pass


def check_generator(_):
    from load import Load
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=stalling_server, args=(1, 0.5, listener))
        server.start()
        load = Load(listener.getsockname()[1], "/", connections=2, seconds=2, rate=200)
        server.join()
    # A quarter of the requests were due during the stall and waited 250 ms on average; only two were sent.
    ok = load.requests == 400 and load.latency[0.9] > 200 and load.service[0.9] < 100
    yield ok, (f"a stall of 0.5 s in 2 s: {load.requests} of 400 answered, p90 {load.latency[0.9]:.0f} ms from when they were due "
               f"(> 200), {load.service[0.9]:.0f} ms from when they were sent")


def instructions_of(program, path, function):
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out", f"--toggle-collect={function}",
                               program, path], capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found or int(found[1]) == 0:
        raise RuntimeError(f"callgrind counted nothing of {function}; was it renamed?\n{done.stderr[-2000:]}")
    return int(found[1]) // TIMES


def check_instructions(options):
    program = os.path.join(options.programs, "instructions")
    counts = {name: instructions_of(program, *what) for name, what in COUNTED.items()}
    if options.write:
        save(INSTRUCTIONS, counts)
    committed = load_json(INSTRUCTIONS)
    for name, count in counts.items():
        share = count / committed[name]
        hint = "; fewer than committed: say so with --write" if share < 1 / MORE_MAX else ""
        yield share <= MORE_MAX, f"{name}: {count:,} instructions, committed {committed[name]:,} ({share - 1:+.1%}, at most +5 %{hint})"


def measured_ratios(options):
    """What is measured, and the ratio of each round's two figures."""
    from contenders import contest
    from figures import interleaved
    from load import Load
    with contest(options, stores=["table"]) as (tidemark, *peers):
        contenders = [tidemark, *peers]
        for contender in contenders:
            contender.append(seconds=0.5)
            contender.append(seconds=0.5, count=100)
        client = tidemark.client
        project = client.post("/v2/projects", {"name": "Read"}, expect=201)["id"]
        measures = {"empty": lambda: tidemark.empty(seconds=options.seconds),
                    "read one entity": lambda: Load(
                        tidemark.port, f"/v2/projects/{project}", headers=tidemark.headers, seconds=options.seconds, processes=tidemark.processes())}
        for contender in contenders:
            measures[contender.name, 1] = lambda it=contender: it.append(seconds=options.seconds)
            measures[contender.name, 100] = lambda it=contender: it.append(seconds=options.seconds, count=100)
        runs = interleaved(options.rounds, measures)

    def ratio(what, one, other):
        return statistics.median(what(a) / what(b) for a, b in zip(runs[one], runs[other]))

    def cost(load):  # how many could be done with a second of processor; a slow disk does not change it
        return 1 / load.cpu

    def rate(load):
        return load.rate
    yield "read one entity / empty reply, by processor time", ratio(cost, "read one entity", "empty")
    yield "append / empty reply, by processor time", ratio(cost, (tidemark.name, 1), "empty")
    yield "append of 100 / append, by processor time", ratio(cost, (tidemark.name, 100), (tidemark.name, 1))
    for peer in peers:
        yield f"append / {peer.name}", ratio(rate, (tidemark.name, 1), (peer.name, 1))
        yield f"append of 100 / {peer.name}", ratio(rate, (tidemark.name, 100), (peer.name, 100))
    journal = subprocess.run([options.journal_bench, "saturated", "--directory", os.path.join(options.data, "journal")],
                             capture_output=True, text=True, check=True).stdout
    yield "saturated journal / bare write and sync", statistics.median(map(float, re.findall(r"ratio ([\d.]+)", journal)))


def check_ratios(options):
    ratios = dict(measured_ratios(options))
    if options.write:
        save(RATIOS, {name: {"ratio": round(ratio, 3), "share_at_least": SHARE_AT_LEAST} for name, ratio in ratios.items()})
    for name, committed in load_json(RATIOS).items():
        least = committed["ratio"] * committed["share_at_least"]
        if name in ratios:
            yield ratios[name] >= least, f"{name}: {ratios[name]:.3f}, committed {committed['ratio']:.3f}, at least {least:.3f}"
        else:
            yield None, f"{name}: SKIPPED, the peer cannot be had here"


def load_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def arguments():
    checks = {"generator": check_generator, "instructions": check_instructions, "ratios": check_ratios}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=", ".join(checks))
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "tidemark"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    options.programs = os.path.join(os.path.dirname(options.program), "bench")
    options.journal_bench = os.path.join(options.programs, "journal_bench")
    options.postgres_http = os.path.join(options.programs, "postgres_http")
    options.cache = os.path.join(ROOT, "build", "bench-peers")
    options.checks = [checks[name] for name in options.checks or checks]
    return options


def main():
    options = arguments()
    os.environ["TIDEMARK"] = options.program
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    parent = os.path.join(ROOT, "build", "bench-data")
    os.makedirs(parent, exist_ok=True)
    options.data = tempfile.tempdir = tempfile.mkdtemp(dir=parent)
    os.chmod(options.data, 0o755)
    results = []
    try:
        for check in options.checks:
            for ok, text in check(options):
                results.append(ok)
                print({True: "ok     ", False: "SLOWER ", None: "       "}[ok] + text, flush=True)
    finally:
        shutil.rmtree(options.data, ignore_errors=True)
    print(f"bench: {results.count(True)} passed, {results.count(False)} failed, {results.count(None)} skipped")
    return 1 if False in results else 0


if __name__ == "__main__":
    sys.exit(main())
