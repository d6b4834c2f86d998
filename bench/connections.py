"""How does a durable append grow with the number of connections, next to PostgreSQL?

Method: closed loop with 1, 4, 16, 64 and 256 connections, one event of 100 bytes a request, each
connection with 16 entities of its own and the version it expects; stores take turns at each number.
"""
import statistics

from contenders import contest
from figures import Figure, Plot, interleaved

CONNECTIONS = (1, 4, 16, 64, 256)


def measure(options):
    with contest(options, stores=["table", "grouped"]) as contenders:
        for contender in contenders:
            contender.append(seconds=1)
        runs = {count: interleaved(options.rounds, {
            contender.name: lambda contender=contender, count=count: contender.append(connections=count, seconds=options.seconds)
            for contender in contenders}) for count in CONNECTIONS}
    tidemark, *peers = contenders
    for count in CONNECTIONS:
        ours = runs[count][tidemark.name]
        for peer in peers[:1]:
            theirs = runs[count][peer.name]
            yield Figure(f"connections: {count}", "/s", [load.rate for load in ours], [load.rate for load in theirs], peer.name, is_peer=True,
                         note=f"p99 {ours[0].latency[0.99]:.1f} ms, the peer's {theirs[0].latency[0.99]:.1f} ms")
    for title, unit, value in (("durable appends", "a second", lambda load: load.rate), ("p99", "ms", lambda load: load.latency[0.99])):
        yield Plot(f"{title} by connections", "connections", unit, {
            contender.name: [(count, statistics.median(map(value, runs[count][contender.name]))) for count in CONNECTIONS]
            for contender in contenders}, log_x=True, log_y=True)
