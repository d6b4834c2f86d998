"""How long does one durable event take while others come at a fixed rate, next to PostgreSQL at the same rate?

Method: open loop. Requests are due at fixed moments over 64 connections, whatever the server does, and a
latency counts from when its request was due (the head of generator.cpp says why). Stores take turns
at each rate, from a few requests to more than the slower store takes.
"""
import statistics

from contenders import contest
from figures import Figure, Plot, interleaved

RATES = (500, 1000, 2000, 4000, 8000)
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)


def measure(options):
    with contest(options, stores=["table"]) as contenders:
        tidemark, *peers = contenders
        by_rate = {}
        for rate in RATES:
            by_rate[rate] = interleaved(options.rounds, {
                contender.name: lambda contender=contender, rate=rate: contender.append(rate=rate, seconds=options.seconds)
                for contender in contenders})
    for rate in (1000, 4000):
        ours = by_rate[rate][tidemark.name]
        for peer in peers:
            yield Figure(f"one event a request, {rate:,}/s offered, p99", "ms", [load.latency[0.99] for load in ours],
                         note=f"p50 {statistics.median(load.latency[0.5] for load in ours):.2f} ms; {peer.name} p99 "
                              f"{statistics.median(load.latency[0.99] for load in by_rate[rate][peer.name]):.2f} ms, p50 "
                              f"{statistics.median(load.latency[0.5] for load in by_rate[rate][peer.name]):.2f} ms")

    def line(name, share):
        return [(rate, statistics.median(load.latency[share] for load in runs[name])) for rate, runs in by_rate.items()]

    yield Plot("p99 at a fixed rate, open loop", "requests a second", "ms", {c.name: line(c.name, 0.99) for c in contenders},
               log_x=True, log_y=True)
    yield Plot("p50 at a fixed rate, open loop", "requests a second", "ms", {c.name: line(c.name, 0.5) for c in contenders},
               log_x=True, log_y=True)
    yield Plot("latencies at 4,000 a second, open loop", "one request in so many is slower", "ms", {
        c.name: [(1 / (1 - share), statistics.median(load.latency[share] for load in by_rate[4000][c.name]))
                 for share in SHARES] for c in contenders}, log_x=True, log_y=True)
