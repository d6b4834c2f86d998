"""What the questions share: servers over data on the checkout's disk, wrk, and what a process used.

The servers and clients are those of the end-to-end tests; `prepare` points them at the program to
measure and at a directory for data before anything else is imported from here.
"""
import contextlib
import json
import os
import subprocess
import sys

BENCH = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(BENCH)
HISTORY = os.path.join(ROOT, "tests", "e2e", "git_history")
CONNECTIONS = 64
GENERATOR = os.path.join(os.path.dirname(os.environ["TIDEMARK"]), "bench", "generator")

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))


@contextlib.contextmanager
def serving(*arguments):
    """A server over fresh data; killed and removed at the end."""
    from harness import Server
    server = Server(*arguments)
    try:
        server.start()
        yield server
    finally:
        server.close()


def cpu_seconds(pid):
    """Processor time of all threads of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor_time(processes):
    """cpu_seconds of each process that still is there."""
    found = {}
    for process in processes:
        with contextlib.suppress(OSError):
            found[process] = cpu_seconds(process)
    return found


def status_bytes(pid, name):
    """VmRSS, RssAnon, … of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    raise KeyError(name)


def metric(server, name):
    """Sum over all labels of one of the server's own metrics."""
    lines = server.client().get("/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines
               if line.startswith((name + " ", name + "{")))


def http_request(method, path, key=None, body=None):
    """A whole request as wrk.lua sends it; `@` x 10 in it becomes a number used only once."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + (body or "")


class Wrk:
    """What one run of wrk saw: requests a second, latencies in ms, and the server's processor time a request in us."""

    def __init__(self, server, requests, seconds):
        path = os.path.join(server.directory, "requests")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write("\0".join(requests))
        before = cpu_seconds(server.process.pid)
        done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s",
                               os.path.join(BENCH, "wrk.lua"), f"http://127.0.0.1:{server.port}/", "--", path],
                              capture_output=True, text=True, check=True)
        used = cpu_seconds(server.process.pid) - before
        seen = json.loads(done.stdout.splitlines()[-1])
        if seen["failed"]:
            raise RuntimeError(f"{seen['failed']} of {seen['requests']} requests failed, the first: {requests[0]!r}")
        self.requests = seen["requests"]
        self.rate = seen["requests"] / seen["seconds"]
        self.p50, self.p99, self.longest = seen["p50_ms"], seen["p99_ms"], seen["max_ms"]
        self.cpu = used / seen["requests"] * 1e6
        self.bytes_each = seen["bytes"] / seen["requests"]


def empty_reply(server, seconds):
    """The limit: the same server's answer to a question that asks nothing."""
    return Wrk(server, [http_request("GET", "/healthz")], seconds)


class Load:
    """What one run of `generator` (its head says how it measures) saw, and the servers' processor time a request."""

    def __init__(self, port, path, method="GET", headers=(), body="", connections=CONNECTIONS, seconds=5, rate=0,
                 entities=16, shared=False, step=1, prefix="e", first="0", processes=(), conflicts_allowed=False):
        command = [GENERATOR, "--port", port, "--path", path, "--method", method, "--connections", connections,
                   "--seconds", seconds, "--rate", rate, "--entities", entities, "--step", step, "--prefix", prefix, "--first", first]
        for header in headers:
            command += ["--header", header]
        if body:
            command += ["--body", body]
        if shared:
            command.append("--shared")
        before = processor_time(processes)
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True)
        used = processor_time(before)
        used = sum(used[process] - before[process] for process in used)
        self.seen = json.loads(done.stdout)
        if self.seen["failed"] or self.seen["unsent"] or (self.seen["conflicts"] and not conflicts_allowed):
            raise RuntimeError(f"requests to {path} failed: {self.seen}")
        self.requests, self.rate = self.seen["requests"], self.seen["rate"]
        self.latency = {float(share): ms for share, ms in self.seen["latency_ms"].items()}
        self.service = {float(share): ms for share, ms in self.seen["service_ms"].items()}
        self.cpu = used / self.requests * 1e6 if self.requests else 0
