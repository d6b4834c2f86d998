"""Who is measured against whom: stores that take one event, or a hundred, behind HTTP, durable before the answer.

Each contender says what a request to it looks like; the load generator, its connections and the events
are the same for all. Every append names the version that it expects, so every store checks it.
"""
import contextlib
import os
import statistics
import sys

from figures import Figure
from load import BENCH, Load, metric, serving

sys.path.insert(0, os.path.join(BENCH, "peers"))
import postgres  # noqa: E402, of peers/

DECLARED = {"description": "what benches append", "kinds": {"item": {"events": {
    "item.added": {"fold": "replace"}, "item.changed": {"fold": "replace"}}}}}


def event(size):
    """A member of "events" whose data has so many bytes of text that compresses little."""
    noise = "".join(f"{i * 2654435761 % 2**32:08x}" for i in range(size // 8 + 1))
    return '{"type":"item.changed","data":{"text":"%s"}}' % noise[:max(0, size - len('{"text":""}'))]


def append_body(size, count, version="{version}"):
    return '{"expected_version":%s,"events":[%s]}' % (version, ",".join([event(size)] * count))


class Contender:
    """A running store; `append` puts load on it and holds what it stored against what it answered."""

    name = ""
    headers = ()
    empty_path = ""
    first = "0"  # what it calls the version of an entity that never was

    def path(self):
        raise NotImplementedError

    def append(self, size=100, count=1, version="{version}", seconds=5, **options):
        before = self.count(count)
        # A name per run: versions begin at 0.
        self.runs = getattr(self, "runs", 0) + 1
        load = Load(self.port, self.path(), "POST", (*self.headers, "Content-Type: application/json"),
                    append_body(size, count, version), seconds=seconds, step=count, first=self.first,
                    **{"prefix": f"r{self.runs}", **options}, processes=self.processes())
        stored = self.count(count) - before
        if stored != load.requests * count:
            raise RuntimeError(f"{self.name} answered for {load.requests * count} events and stored {stored}")
        return load

    def empty(self, seconds=5, **options):
        return Load(self.port, self.empty_path, headers=self.headers, seconds=seconds, processes=self.processes(), **options)


class Tidemark(Contender):
    name = "Tidemark"
    empty_path = "/healthz"
    first = '"no_stream"'

    def __init__(self, server):
        self.server, self.port = server, server.port
        self.client = server.organization()
        server.declare("bench", DECLARED)
        self.headers = (f"Authorization: Bearer {self.client.key}",)
        # The first record of a partition comes with a claim, which no run shall count.
        self.client.post("/v2/products/bench/item/first/events", {"expected_version": "no_stream", "events": [
            {"type": "item.added", "data": {}}]})

    def path(self):
        return "/v2/products/bench/item/{entity}/events"

    def processes(self):
        return [self.server.process.pid]

    def count(self, events_each):
        return metric(self.server, 'tidemark_log_records{topic="bench"}') * events_each


class Postgres(Contender):
    empty_path = "/empty"
    names = {"table": "PostgreSQL, event table", "grouped": "PostgreSQL, event table, grouped INSERTs",
             "message_db": "PostgreSQL, message-db"}

    def __init__(self, front):
        self.front, self.port, self.store = front, front.port, front.store
        self.name = self.names[front.store]

    def path(self):
        return "/items/{entity}/events"

    def processes(self):
        return self.front.processes()

    def count(self, events_each):
        return self.front.count()


# How many connections each store was fastest with, of 1, 2, 4, 8, 16, 64 (grouped: of 1, 2, 4, 8).
BACKENDS = {"table": 16, "grouped": 4, "message_db": 64}
CATEGORIES = 16  # of message-db, whose writers take turns within one


@contextlib.contextmanager
def contest(options, stores=("table", "grouped", "message_db")):
    """A Tidemark and the peers that can be had here, all running; whoever is not asked is idle."""
    with contextlib.ExitStack() as stack:
        contenders = [Tidemark(stack.enter_context(serving()))]
        reason = postgres.missing() or (None if os.path.exists(options.postgres_http) else f"there is no {options.postgres_http}")
        if reason:
            print(f"  no PostgreSQL: {reason}", file=sys.stderr)
        else:
            cluster = stack.enter_context(postgres.Cluster(options.data, options.cache))
            for store in filter(postgres.can_store, stores):
                contenders.append(Postgres(stack.enter_context(postgres.Front(
                    options.postgres_http, cluster, store, BACKENDS[store], CATEGORIES))))
        yield contenders


def against(peers, ours, theirs, what, unit, value, expected):
    """A figure for each peer: ours next to theirs, run by run. `expected` is by the peer's store."""
    for peer in peers:
        runs = theirs[peer.name]
        yield Figure(f"{what}, next to {peer.name}", unit, [value(run) for run in ours], [value(run) for run in runs],
                     peer.name, is_peer=True, times_at_least=expected.get(peer.store),
                     note=f"CPU of the servers {statistics.median(run.cpu for run in ours):.0f} us a request, "
                          f"the peer's {statistics.median(run.cpu for run in runs):.0f} us")
