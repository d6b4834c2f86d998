"""What does the machine allow, before any store?

Method: `limits_bench` does in bare loops what a store cannot do without: write and sync, copy memory,
send there and back over loopback, write batches of rows into RocksDB; and 64 connections ask the server
and the peer's HTTP front for nothing. The other questions hold their figures against these.
"""
import json
import os
import subprocess

from contenders import contest
from figures import Figure, interleaved

NAMES = {"sync_4k": ("pwritev and fdatasync of 4 KiB", "/s", 1), "sync_64k": ("pwritev and fdatasync of 64 KiB", "/s", 1),
         "copy": ("memory copy", "GB/s", 1e9), "echo_1": ("loopback, 256 bytes there and back, 1 connection", "/s", 1),
         "echo_64": ("the same, 64 connections", "/s", 1), "rows_32": ("rows into RocksDB, batches of 32", "rows/s", 1),
         "rows_200": ("rows into RocksDB, batches of 200", "rows/s", 1)}


def bare_loops(options):
    done = subprocess.run([options.limits_bench, "--directory", os.path.join(options.data, "limits"), "--seconds",
                           str(min(options.seconds, 2))], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure(options):
    with contest(options, stores=["table"]) as contenders:
        runs = interleaved(options.rounds, {"bare": lambda: bare_loops(options), **{
            contender.name: lambda contender=contender: contender.empty(seconds=options.seconds) for contender in contenders}})
    for name, (what, unit, size) in NAMES.items():
        yield Figure(what, unit, [run[name] / size for run in runs["bare"]])
    for contender in contenders:
        loads = runs[contender.name]
        front = "Tidemark" if contender is contenders[0] else "the front of PostgreSQL"
        yield Figure(f"empty reply over HTTP, {front}", "/s", [load.rate for load in loads],
                     [run["echo_64"] for run in runs["bare"]], "loopback, 64 connections",
                     note=f"CPU {loads[0].cpu:.0f} us each")
