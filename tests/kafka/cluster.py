"""Kafka nodes and Tidemark processes on loopback: what `./run --cluster` starts, and what fault tests break.

    with Cluster(nodes=3, processes=3) as cluster:
        cluster.clients[0].post("/v2/organizations", …)
        cluster.kill(1)            # kill -9 of a process; start(1) again on its data
        cluster.brokers.kill(0)

By hand: `./run --cluster`, or `python3 tests/kafka/cluster.py [--port 8081]`, until Ctrl-C.
"""
import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import brokers as kafka
from client import Client
from harness import PROGRAM, free_port, tidemark


class Cluster:
    def __init__(self, nodes=1, processes=3, ports=None, partitions=8, brokers=None, bootstrap=None, prefix=None, root_key=None,
                 arguments=()):
        """`brokers`: running ones of somebody else; `bootstrap`: how they are reached, such as through a proxy. `prefix` and
        `root_key`: another cluster's."""
        self.directory = tempfile.mkdtemp(prefix="tidemark-cluster-")
        self.own_brokers = brokers is None
        self.brokers = brokers or kafka.Brokers(nodes)
        self.bootstrap = bootstrap or self.brokers.bootstrap
        self.ports = ports or [free_port() for _ in range(processes)]
        self.processes = [None] * len(self.ports)
        self.root_key = root_key or self.make_root_key()
        self.key = tidemark("keys", "generate").stdout.strip()
        self.prefix = prefix or f"c{secrets.token_hex(4)}."
        self.arguments = ["--log", f"kafka://{self.bootstrap}", "--kafka-topic-prefix", self.prefix, "--root-key",
                          self.root_key, "--partitions", str(partitions), *arguments]
        self.clients = [Client(port, self.key) for port in self.ports]

    def make_root_key(self):
        path = os.path.join(self.directory, "root.key")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        return path

    def log_of(self, number):
        return os.path.join(self.directory, f"{number + 1}.log")

    def criticals(self):
        """What processes said that must never be said."""
        lines = []
        for number in range(len(self.ports)):
            with open(self.log_of(number), encoding="utf-8", errors="replace") as log:
                lines += [line for line in log if " critical " in line]
        return lines

    def hash_of(self, number, command="hash"):
        """Of the rows of a process that does not run; `rebuild` folds them anew first."""
        log = self.arguments[:self.arguments.index("--root-key")]
        data = os.path.join(self.directory, str(number + 1))
        return tidemark("projections", command, "--data", data, *log).stdout.split()[0]

    def start(self, number):
        with open(self.log_of(number), "ab") as log:
            self.processes[number] = subprocess.Popen(
                [PROGRAM, "serve", "--data", os.path.join(self.directory, str(number + 1)),
                 "--listen", f"127.0.0.1:{self.ports[number]}", *self.arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "TIDEMARK_BOOTSTRAP_KEY": self.key})

    def wait_ready(self, number, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.processes[number].poll() is not None:
                break
            try:
                if Client(self.ports[number]).get("/readyz", expect="any", timeout=5).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        with open(self.log_of(number), encoding="utf-8", errors="replace") as log:
            raise AssertionError(f"process {number + 1} is not ready: {log.read()[-3000:]}")

    def signal(self, number, which):
        self.processes[number].send_signal(which)

    def kill(self, number):
        self.signal(number, signal.SIGKILL)
        self.processes[number].wait()

    def __enter__(self):
        if self.own_brokers:
            self.brokers.__enter__()
        for number in range(len(self.ports)):
            self.start(number)
        for number in range(len(self.ports)):
            self.wait_ready(number)
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        if self.own_brokers:
            self.brokers.__exit__()
        if not os.environ.get("KEEP_CLUSTERS"):
            shutil.rmtree(self.directory, ignore_errors=True)


WELCOME = """
Three Kafka nodes ({bootstrap}) and three Tidemark processes run. They share one log; ask any of them:

  export TIDEMARK_KEY={key}
  curl -s http://127.0.0.1:{first}/v2/organizations -H "Authorization: Bearer $TIDEMARK_KEY" \\
       -H 'Content-Type: application/json' -d '{{"name":"Acme","slug":"acme"}}'
  curl -s http://127.0.0.1:{second}/v2/organizations -H "Authorization: Bearer $TIDEMARK_KEY"
  {program} log topics --url http://127.0.0.1:{first} --key $TIDEMARK_KEY

Kill one, and watch its partitions move (log topics again, three seconds later):

  kill -9 {process}        # the process at port {second}
  kill -9 {broker}        # a Kafka node

What they write: {directory}. Ctrl-C ends all of it.
"""


def main():
    arguments = argparse.ArgumentParser(description="Three Kafka nodes and three Tidemark processes on loopback.")
    arguments.add_argument("--port", type=int, default=8081, help="of the first process; the others follow (8081)")
    first = arguments.parse_args().port
    kafka.fetch(kafka.VERSION)
    if problem := kafka.missing():
        sys.exit(f"Kafka cannot run: {problem}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("starting three Kafka nodes and three Tidemark processes …", flush=True)
    with Cluster(nodes=3, ports=[first, first + 1, first + 2], partitions=16) as cluster:
        print(WELCOME.format(bootstrap=cluster.bootstrap, key=cluster.key, first=first, second=first + 1, program=PROGRAM,
                             process=cluster.processes[1].pid, broker=cluster.brokers.processes[0].pid,
                             directory=cluster.directory), flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopping", flush=True)


if __name__ == "__main__":
    main()
