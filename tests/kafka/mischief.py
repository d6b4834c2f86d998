"""Random faults of processes and brokers, each by a timeline of its own, drawn from one seed.

    with Mischief(cluster, seed, brokers=True) as mischief:
        time.sleep(120)
    mischief.counts                # what was done how often; everybody runs again

A process is killed (-9), asked to end, or stopped for 0.05 to 8 s and continued, and started again. Brokers are killed
one at a time, the next one only when every replica is in sync again; now and then all at once.
"""
import collections
import os
import random
import re
import signal
import threading
import time

SYNC_SECONDS = 180
ALL_AT_ONCE = float(os.environ.get("CHAOS_ALL_AT_ONCE", "0.15"))  # of the faults of brokers
AWAY = re.compile(r"^tidemark: .*(Timed out|transport failure|do not answer|Connection refused|Not leader for partition|Leader not available)", re.M)
GOOD_ENDS = (0, -signal.SIGKILL, -signal.SIGTERM)


class Mischief:
    def __init__(self, cluster, seed, brokers=False, in_sync=None, calm=(2, 12)):
        """`in_sync()`: whether every replica is. `calm`: so many seconds between two faults of one process."""
        self.cluster, self.seed, self.in_sync, self.calm = cluster, seed, in_sync, calm
        self.over, self.counts, self.ends = threading.Event(), collections.Counter(), []
        self.failures = []
        timelines = [(self.process, number) for number in range(len(cluster.ports))] + ([(self.brokers, 0)] if brokers else [])
        self.threads = [threading.Thread(target=self.live, args=timeline, daemon=True) for timeline in timelines]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        for number in range(len(self.cluster.ports)):
            self.revive(number)
        try:
            for number in range(len(self.cluster.ports)):
                self.cluster.wait_ready(number)
        except AssertionError as failure:
            raise AssertionError("".join(self.cluster.criticals())) from failure

    def live(self, timeline, number):
        try:
            timeline(number, random.Random(f"{self.seed} {timeline.__name__} {number}"))
        except Exception as failure:
            self.failures.append(f"{timeline.__name__} {number}: {failure!r}")
            raise

    def done(self, what):
        self.counts[what] += 1

    def process(self, number, source):
        while not self.over.wait(source.uniform(*self.calm)):
            self.revive(number)
            fault = source.choices([self.kill, self.end, self.pause], [3, 1, 4])[0]
            fault(number, source)

    def revive(self, number):
        """Starts it if it is not there; one that ended by itself is remembered."""
        process = self.cluster.processes[number]
        if process.poll() is None:
            return
        if process.returncode not in GOOD_ENDS:
            with open(self.cluster.log_of(number), encoding="utf-8", errors="replace") as log:
                why = log.read()[-600:].rstrip()
            if AWAY.search(why):
                self.done("start given up because brokers were away")
            else:
                self.ends.append(f"process {number + 1} ended by itself with {process.returncode}: {why}")
        self.cluster.start(number)

    def kill(self, number, source):
        self.cluster.kill(number)
        self.done("kill -9 of a process")
        self.over.wait(source.choice([0, source.uniform(0, 5)]))
        self.cluster.start(number)
        if source.random() < 0.3:  # and once more while it starts
            self.over.wait(source.uniform(0, 0.5))
            self.cluster.kill(number)
            self.done("kill -9 of a process")
            self.cluster.start(number)

    def end(self, number, source):
        process = self.cluster.processes[number]
        process.send_signal(signal.SIGTERM)
        self.done("SIGTERM of a process")
        self.over.wait(source.uniform(0, 5))
        try:
            process.wait(20)
        except Exception:
            self.done("killed because SIGTERM took 20 s")
            self.cluster.kill(number)
        self.cluster.start(number)

    def pause(self, number, source):
        process = self.cluster.processes[number]
        process.send_signal(signal.SIGSTOP)
        self.done("SIGSTOP of a process")
        self.over.wait(source.choice([source.uniform(0.05, 1), source.uniform(1, 8)]))
        process.send_signal(signal.SIGCONT)

    def brokers(self, _, source):
        everybody = range(len(self.cluster.brokers.ports))
        while not self.over.wait(source.uniform(3, 10)):
            nodes = list(everybody) if source.random() < ALL_AT_ONCE else [source.choice(everybody)]
            for node in nodes:
                self.cluster.brokers.kill(node)
            self.done("all brokers killed at once" if len(nodes) > 1 else "kill -9 of a broker")
            self.over.wait(source.uniform(0, 2) if len(nodes) > 1 else source.uniform(0, 8))
            for node in nodes:
                self.cluster.brokers.start(node)
            for node in nodes:
                self.cluster.brokers.wait_for(node)
            deadline = time.monotonic() + SYNC_SECONDS
            while not self.in_sync():
                if time.monotonic() > deadline:
                    raise AssertionError("the replicas do not get in sync")
                time.sleep(0.3)
