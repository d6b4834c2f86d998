"""How fast does one reader get through all events from the beginning?

Method: every store holds some hundred thousand events of 100 bytes, written in batches. One reader with
one connection asks for page after page of 1,000 over HTTP, each from where the last one ended; in
Tidemark also as one event stream. The reader only looks for the place to go on from. Tidemark's event
is a whole CloudEvent of some 700 bytes; the peer's has six members in 250.
"""
import http.client
import re
import socket
import time

from contenders import contest
from figures import Figure, interleaved

EVENTS_MIN = 200_000
LIMIT = 1000


def pages(port, headers, path, first, next_of):
    """Events and seconds of reading all pages."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    begun, events, place = time.monotonic(), 0, first
    while place is not None:
        connection.request("GET", path.format(place), headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:300]!r}")
        count, place = next_of(body)
        events += count
    connection.close()
    return events, time.monotonic() - begun


def next_of_tidemark(body):
    caught_up = b'"caught_up":true' in body[-1000:]
    place = re.search(rb'"next":"([^"]+)"', body[-1000:])[1].decode()
    return body.count(b'"specversion"'), None if caught_up else place


def next_of_postgres(body):
    places = re.findall(rb'\{"position":(\d+)', body[body.rfind(b"\n"):])
    count = body.count(b'"position":')
    return count, int(places[-1]) if count == LIMIT else None


def stream(tidemark, events):
    """Seconds until a stream from the beginning brought so many events."""
    begun, seen, rest = time.monotonic(), 0, b""
    with socket.create_connection(("127.0.0.1", tidemark.port)) as connection:
        connection.sendall((f"GET /v2/events/stream?after=beginning HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"
                            f"Authorization: Bearer {tidemark.client.key}\r\n\r\n").encode())
        while seen < events:
            piece = connection.recv(1 << 20)
            if not piece:
                raise RuntimeError("the stream ended")
            rest = rest[-14:] + piece
            seen += rest.count(b'"specversion":')
            rest = rest[rest.rfind(b'"specversion":') + 14:] if b'"specversion":' in rest else rest
    return seen / (time.monotonic() - begun)


def read(contender):
    if contender.name == "Tidemark":
        headers = {"Authorization": f"Bearer {contender.client.key}"}
        events, seconds = pages(contender.port, headers, f"/v2/events?limit={LIMIT}&after={{}}", "beginning", next_of_tidemark)
    else:
        events, seconds = pages(contender.port, {}, f"/events?limit={LIMIT}&after={{}}", 0, next_of_postgres)
    if events < EVENTS_MIN:
        raise RuntimeError(f"{contender.name} showed {events} events")
    contender.shown = events
    return events / seconds


def measure(options):
    with contest(options, stores=["table"]) as (tidemark, *peers):
        for contender in (tidemark, *peers):
            stored = 0
            while stored < EVENTS_MIN:
                stored += 100 * contender.append(count=100, seconds=1).requests
        measures = {contender.name: lambda contender=contender: read(contender) for contender in (tidemark, *peers)}
        read(tidemark)
        measures["stream"] = lambda: stream(tidemark, tidemark.shown)
        runs = interleaved(options.rounds, measures)
        for peer in peers:
            yield Figure(f"catch-up by pages of {LIMIT:,}, next to {peer.name}", "events/s", runs[tidemark.name], runs[peer.name],
                         peer.name, is_peer=True, times_at_least=5)
            yield Figure(f"catch-up by one event stream, next to pages of {peer.name}", "events/s", runs["stream"], runs[peer.name],
                         peer.name, is_peer=True, times_at_least=5)
