"""What does one durable event cost behind HTTP, next to PostgreSQL on the same cores? And a hundred?

Method: `generator` keeps 64 connections busy; each writes its own 16 entities in turn and names the
version it expects, one event of 100 bytes a request (`append`) or a hundred (`batches`). Stores take
turns, A B A B. PostgreSQL stands behind an HTTP server without keys, permissions, schemas or rows to
keep (peers/postgres_http.cpp): a plain event table with an INSERT each; the same with whatever waits
gathered into one INSERT, which is Tidemark's group commit outside the database; and message-db over
16 categories. Every answer came after the commit's fdatasync, and what each store holds afterwards is
counted against its answers.
"""
from contenders import against, contest
from figures import Figure, interleaved


def run(options, contenders, **load):
    for contender in contenders:
        contender.append(seconds=1, **load)  # warm up
    return interleaved(options.rounds, {
        contender.name: lambda contender=contender: contender.append(seconds=options.seconds, **load) for contender in contenders})


def measure(options):
    with contest(options) as (tidemark, *peers):
        runs = run(options, [tidemark, *peers])
        empty = interleaved(options.rounds, {"ours": lambda: tidemark.empty(seconds=options.seconds)})["ours"]
        ours = runs[tidemark.name]
        yield from against(peers, ours, runs, "one event a request", "/s", lambda load: load.rate, {"table": 1.5})
        yield Figure("one event a request, 64 connections", "/s", [load.rate for load in ours],
                     [load.rate for load in empty], "GET /healthz",
                     note=f"p50 {ours[0].latency[0.5]:.1f} ms, p99 {ours[0].latency[0.99]:.1f} ms")


def measure_batches(options):
    with contest(options) as (tidemark, *peers):
        runs = run(options, [tidemark, *peers], count=100)
        yield from against(peers, runs[tidemark.name], runs, "a hundred events a request", "events/s",
                           lambda load: load.rate * 100, {"table": 5})
