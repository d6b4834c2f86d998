"""What if everything happens to one entity: sixteen writers on it, and a million events of it?

Method: 16 connections append to one entity without expecting a version, next to 16 connections with
entities of their own, and next to PostgreSQL, where writers of an entity must take turns until a commit.
Then one entity gets a million events, a thousand a request, and a new event and a read of it are
measured next to those of an entity with few.
"""
import json

from contenders import append_body, contest
from figures import Figure, interleaved
from load import Load

EVENTS = 1_000_000


def long_entity(tidemark):
    """An entity with so many events."""
    body = json.loads(append_body(100, 1000, '"any"'))
    while True:
        answer = tidemark.client.post("/v2/products/bench/item/long-0/events", body)
        if answer["version"] >= EVENTS:
            return


def measure(options):
    with contest(options, stores=["table"]) as contenders:
        tidemark, *peers = contenders
        measures = {"apart": lambda: tidemark.append(connections=16, seconds=options.seconds)}
        for contender in contenders:
            measures[contender.name] = lambda contender=contender: contender.append(
                connections=16, shared=True, version='"any"', seconds=options.seconds)
        runs = interleaved(options.rounds, measures)
        ours = [load.rate for load in runs[tidemark.name]]
        yield Figure("16 writers on one entity", "/s", ours, [load.rate for load in runs["apart"]], "16 writers, 16 entities each",
                     note=f"p99 {runs[tidemark.name][0].latency[0.99]:.1f} ms")
        for peer in peers:
            yield Figure(f"16 writers on one entity, next to {peer.name}", "/s", ours, [load.rate for load in runs[peer.name]],
                         peer.name, is_peer=True, note=f"the peer's p99 {runs[peer.name][0].latency[0.99]:.1f} ms")
        long_entity(tidemark)
        read = {"headers": tidemark.headers, "seconds": options.seconds, "processes": tidemark.processes()}
        runs = interleaved(options.rounds, {
            "long": lambda: tidemark.append(connections=1, shared=True, prefix="long", version='"any"', seconds=options.seconds),
            "short": lambda: tidemark.append(connections=1, entities=1, version='"any"', seconds=options.seconds),
            "read long": lambda: Load(tidemark.port, "/v2/products/bench/item/long-0", **read),
            "read short": lambda: Load(tidemark.port, "/v2/products/bench/item/first", **read)})
        yield Figure(f"append to an entity of {EVENTS:,} events", "/s", [load.rate for load in runs["long"]],
                     [load.rate for load in runs["short"]], "a new entity", share_at_least=0.8,
                     note=f"CPU {runs['long'][0].cpu:.0f} us each, of the new one {runs['short'][0].cpu:.0f} us")
        yield Figure(f"read of an entity of {EVENTS:,} events", "/s", [load.rate for load in runs["read long"]],
                     [load.rate for load in runs["read short"]], "an entity of one event", share_at_least=0.8)
