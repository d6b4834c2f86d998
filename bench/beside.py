"""How fast are rows made beside a server that serves, and what does that cost those who ask it?

Method: five organizations hold Apache Kafka's history, half a million events. One event a request is
offered at a fixed rate, open loop (the head of generator.cpp says how a latency counts), alone and while
`tidemark projections rebuild` runs beside, in turns. The rows that it makes are taken over each time.
"""
import json
import os
import statistics
import subprocess
import threading

from contenders import Tidemark
from figures import Figure
from history import declare, import_history
from load import serving

ORGANIZATIONS = 5
RATE = 500


def rebuild_on(server, ends):
    """Makes rows anew until it is told to end; (events/s of each, how many were taken over)."""
    done = []
    while not ends.is_set() or not done:
        out = subprocess.run([os.environ["TIDEMARK"], "projections", "rebuild", "--data", server.data, "--json"],
                             capture_output=True, text=True, check=True)
        answer = json.loads(out.stdout)
        done.append(answer["events"] / answer["seconds"])
    return done


def measure(options):
    seconds = max(options.seconds, 20)  # a rebuild or two
    alone, beside, folded, slowest = [], [], [], []
    with serving() as server:
        declare(server)
        for _ in range(ORGANIZATIONS):
            import_history(server, server.organization())
        store = Tidemark(server)
        store.append(rate=RATE, seconds=2)
        for _ in range(options.rounds):
            alone.append(store.append(rate=RATE, seconds=seconds))
            before = server.platform.get("/v2/status")["projections"]["generation"]
            ends, made = threading.Event(), []
            maker = threading.Thread(target=lambda made=made, ends=ends: made.extend(rebuild_on(server, ends)))
            maker.start()
            beside.append(store.append(rate=RATE, seconds=seconds))
            ends.set()
            maker.join()
            taken = server.platform.get("/v2/status")["projections"]["generation"] - before
            if taken != len(made):
                raise RuntimeError(f"{len(made)} times rows were made, and {taken} times taken over")
            folded.append(statistics.median(made))
            slowest.append(beside[-1].latency[0.999])
    yield Figure("rows made beside a server that serves", "events/s", folded, at_least=80_000,
                 note=f"{RATE} durable events a second are served meanwhile, one a request")
    yield Figure("those events while rows are made beside, p99", "ms", [load.latency[0.99] for load in beside],
                 [load.latency[0.99] for load in alone], "without",
                 note=f"target ≤ 2 × without; p99.9 {statistics.median(slowest):.1f} ms, without "
                      f"{statistics.median(load.latency[0.999] for load in alone):.1f} ms")
