"""How does a durable append compare with UmaDB, an event store in Rust that speaks gRPC?

Method: umadb 0.7.8 from crates.io with its default settings, which sync before the answer, and a load of
the same shape through its own client (peers/umadb_load): 64 connections, 16 entities each, a condition
on each append, one event of 100 bytes or a hundred. gRPC and the Rust client are not HTTP and our
generator, so this compares what users of the two would see, not the stores alone; the client's share of
the machine is in both. Catch-up reading is one reader through everything, again by its own client.
"""
import contextlib
import json
import os
import shutil
import subprocess
import sys

import catch_up
from contenders import BENCH, Tidemark
from figures import Figure, interleaved
from load import CONNECTIONS, serving

VERSION = "0.7.8"


def built(options):
    """The server and the load program, built once; an hour of a core at most."""
    directory = os.path.join(options.cache, "umadb")
    server, load = os.path.join(directory, "bin", "umadb"), os.path.join(directory, "target", "release", "umadb-load")
    if not shutil.which("cargo") or not shutil.which("protoc"):
        raise RuntimeError("UmaDB is built by cargo (1.85 or later) and protoc (apt-get install protobuf-compiler)")
    if not os.path.exists(server):
        print("  building UmaDB, once", file=sys.stderr)
        subprocess.run(["cargo", "install", "umadb", "--version", VERSION, "--locked", "--root", directory], check=True)
    if not os.path.exists(load):
        subprocess.run(["cargo", "build", "--release", "--locked", "--manifest-path", os.path.join(BENCH, "peers", "umadb_load", "Cargo.toml")],
                       check=True, env={**os.environ, "CARGO_TARGET_DIR": os.path.join(directory, "target")})
    return server, load


class Uma:
    name = f"UmaDB {VERSION}"

    def __init__(self, port, program):
        self.url, self.program, self.runs = f"http://127.0.0.1:{port}", program, 0

    def ask(self, *words):
        done = subprocess.run([self.program, *map(str, words)], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def append(self, count, seconds):
        self.runs += 1
        return self.ask("append", self.url, f"r{self.runs}", CONNECTIONS, seconds, 100, count)["rate"] * count

    def read(self):
        return self.ask("read", self.url)["rate"]


@contextlib.contextmanager
def uma(options):
    from harness import free_port
    from postgres import wait_for_port
    server, load = built(options)
    port = free_port()
    directory = os.path.join(options.data, "umadb")
    os.makedirs(directory)
    process = subprocess.Popen([server, "--listen", f"127.0.0.1:{port}", "--db-path", directory], stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield Uma(port, load)
    finally:
        process.kill()
        process.wait()


def measure(options):
    with serving() as server, uma(options) as peer:
        tidemark = Tidemark(server)
        for count, what in ((1, "one event a request"), (100, "a hundred events a request")):
            tidemark.append(count=count, seconds=1)
            peer.append(count, 1)
            runs = interleaved(options.rounds, {
                "ours": lambda count=count: tidemark.append(count=count, seconds=options.seconds).rate * count,
                "theirs": lambda count=count: peer.append(count, options.seconds)})
            yield Figure(f"{what}, next to {peer.name}", "events/s", runs["ours"], runs["theirs"], peer.name, is_peer=True)
        runs = interleaved(options.rounds, {"ours": lambda: catch_up.read(tidemark), "theirs": peer.read})
        yield Figure(f"catch-up by pages of 1,000, next to a stream of {peer.name}", "events/s", runs["ours"], runs["theirs"],
                     peer.name, is_peer=True)
