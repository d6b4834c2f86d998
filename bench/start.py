"""How long does the whole server take to be ready after a kill -9, with a gigabyte of log?

Method: wrk creates projects of 64 organizations until the journal has the size; in the middle of that
load the server is killed with SIGKILL and started again; from the start of the process to the first
200 of /readyz. Every round begins with new load and ends with such a kill, so there is always an
unflushed tail to fold. The limit is the same with hardly any log: start-up must not grow with it.
"""
import threading
import time

from create import requests_for
from figures import Figure
from load import Wrk, metric, serving

ORGANIZATIONS = 64


def grow(server, clients, word, until_bytes):
    """Creates projects until the journal has so many bytes, and at least for a second; then kills the
    server under that load."""
    stop = threading.Event()

    def load():
        turn = 0
        while not stop.is_set():
            turn += 1
            try:
                Wrk(server, requests_for(clients, f"{word} {turn}"), 20)
            except Exception:  # the kill: wrk sees broken connections, and nobody needs its figures
                return

    worker = threading.Thread(target=load)
    worker.start()
    time.sleep(1)
    while worker.is_alive() and metric(server, "tidemark_journal_bytes") < until_bytes:
        time.sleep(0.1)
    if not worker.is_alive():
        raise RuntimeError("the load ended before the journal had its size:\n" + server.output()[-2000:])
    stop.set()
    server.kill()
    worker.join()


def ready_after_kill(rounds, until_bytes):
    """Seconds of each round, and the journal's size at the end."""
    with serving() as server:
        clients = [server.organization() for _ in range(ORGANIZATIONS)]
        seconds = []
        for turn in range(rounds):
            grow(server, clients, f"round {turn}", until_bytes)
            seconds.append(server.start())
        return seconds, metric(server, "tidemark_journal_bytes"), server.output()


def measure(options):
    small, _, _ = ready_after_kill(options.rounds, 0)
    large, size, output = ready_after_kill(options.rounds, options.gigabytes * 1e9)
    folded = [line.partition("rows caught up ")[2] for line in output.splitlines() if "rows caught up" in line]
    yield Figure(f"start after kill -9 with {size / 1e9:.1f} GB of log", "s", large, small, "the same with a second of load",
                 at_most=1, note=f"unflushed tail: {folded[-1] if folded else 'none'}")
