"""How fast do events go through a pipeline, and what does each take of the processor?

Method: a pipeline from the beginning of a product's events, with a condition and a map, from the request
that makes it to the last outcome: each event is read, made into another one, written as a command of its
own and told of in the deliveries. Into a declared product; the same with a row that is looked up as it was;
and as an operation, a project made of each.
"""
import statistics
import time

from deliveries import FILES, publish, until
from figures import Figure
from load import cpu_seconds, serving

EVENTS = 20_000
NOTES = {"kinds": {"note": {"events": {"note.written": {"fold": "replace"}}}}}
SINKS = {  # what it is called: the pipeline's members
    "into a product": {"sink": {"product": "notes", "kind": "note", "type": "note.written"},
                       "map": {"size": "${event.data.size * 2}", "path": "${event.data.path}"}},
    "with a row as it was": {"sink": {"product": "notes", "kind": "note", "type": "note.written"},
                             "enrich": [{"as": "of", "product": "bench", "kind": "file", "id": "f${event.data.size % 100}"}],
                             "map": {"size": "${rows.of == null ? 0 : rows.of.size}", "path": "${event.data.path}"}},
    "as an operation": {"sink": {"operation": "create_project"}, "map": {"name": "P${event.data.size}"}},
}


def went_through(server, client, **members):
    """Events a second, and the processor time of each in us."""
    before, begun = cpu_seconds(server.process.pid), time.monotonic()
    name = client.post("/v2/pipelines", {"name": "bench", "source": {"products": ["bench"]}, "condition": "event.data.size >= 0",
                                         "start": "beginning", **members})["id"]
    until(lambda: client.get(f"/v2/pipelines/{name}")["deliveries"]["succeeded"] == EVENTS, 300)
    took = time.monotonic() - begun
    used = cpu_seconds(server.process.pid) - before
    client.delete(f"/v2/pipelines/{name}")
    return EVENTS / took, used / EVENTS * 1e6


def measure(options):
    speeds = {name: [] for name in SINKS}
    with serving() as server:
        client = server.organization()
        server.declare("bench", FILES)
        server.declare("notes", NOTES)
        publish(client, "bench", 0, EVENTS)
        for _ in range(options.rounds):
            for name, members in SINKS.items():
                speeds[name].append(went_through(server, client, **members))
    for name, rounds in speeds.items():
        yield Figure(f"events through a pipeline, {name}", "/s", [speed for speed, _ in rounds],
                     note=f"{statistics.median(used for _, used in rounds):.0f} us of the server's processor each")
