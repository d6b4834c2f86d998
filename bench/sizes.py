"""How does a durable append grow with the size of the event, next to PostgreSQL?

Method: closed loop, 64 connections, one event a request with data of 100 bytes, 1 KB and 10 KB, versions
checked; stores take turns at each size. Tidemark keeps the entity's state besides the event.
"""
import statistics

from contenders import contest
from figures import Figure, Plot, interleaved

SIZES = {"100 B": 100, "1 KB": 1000, "10 KB": 10_000}


def measure(options):
    with contest(options, stores=["table"]) as contenders:
        for contender in contenders:
            contender.append(seconds=1)
        runs = {name: interleaved(options.rounds, {
            contender.name: lambda contender=contender, size=size: contender.append(size=size, seconds=options.seconds)
            for contender in contenders}) for name, size in SIZES.items()}
    tidemark, *peers = contenders
    for name in SIZES:
        for peer in peers:
            ours, theirs = runs[name][tidemark.name], runs[name][peer.name]
            yield Figure(f"events of {name}", "/s", [load.rate for load in ours], [load.rate for load in theirs], peer.name, is_peer=True,
                         note=f"p99 {ours[0].latency[0.99]:.1f} ms, the peer's {theirs[0].latency[0.99]:.1f} ms; CPU "
                              f"{ours[0].cpu:.0f} us a request, the peer's {theirs[0].cpu:.0f} us")
    yield Plot("durable appends by size", "bytes of data", "a second", {
        contender.name: [(size, statistics.median(load.rate for load in runs[name][contender.name])) for name, size in SIZES.items()]
        for contender in contenders}, log_x=True, log_y=True)
