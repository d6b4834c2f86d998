"""How fast does a real history come in over HTTP, and how fast is it folded into rows?

Method: all of Apache Kafka's repository, 13,492 commits as records with 98,257 file changes as
events, goes into a fresh server by `tidemark import`, its start and its mapping included; the limit
is the same bulk request from memory, so that the server has the machine to itself. Then the server
stops and `tidemark projections rebuild` folds the log anew; the limit is reading and checking that
log without folding (`tidemark log verify`).
"""
import json
import os
import socket
import subprocess
import threading
import time

from figures import Figure
from load import HISTORY, cpu_seconds, serving

INPUT = os.path.join(HISTORY, "git-history-apache-kafka.jsonl.zst")
TYPES = {"A": "file.added", "M": "file.modified", "T": "file.modified", "D": "file.deleted"}


def bulk_body():
    """What `tidemark import` makes of the history; (text, events, records)."""
    text = subprocess.run(["zstd", "-dc", INPUT], capture_output=True, check=True).stdout
    lines, events = [], 0
    for line in map(json.loads, text.splitlines()):
        moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(line["time"]))
        changes = [{"kind": "file", "entity": name, "type": TYPES[change], "time": moment,
                    "data": {"commit": line["commit"], "author": line["author"], "change": change}}
                   for change, name in line["changes"]]
        if changes:
            lines.append(json.dumps({"idempotency_key": line["commit"], "events": changes}, separators=(",", ":")))
            events += len(changes)
    return "\n".join(lines).encode(), events, len(lines)


def send_bulk(server, client, body, records):
    """Sends the body over one connection and waits for the last record's confirmation; seconds."""
    head = (f"POST /v2/products/git/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {client.key}\r\n"
            f"Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        begun = time.monotonic()
        sender = threading.Thread(target=connection.sendall, args=(head + body,))
        sender.start()
        answer = bytearray()
        while piece := connection.recv(1 << 16):
            answer += piece
        seconds = time.monotonic() - begun
        sender.join()
    if answer.count(b'"line":') != records or b'"problem"' in answer:
        raise RuntimeError(f"the bulk request ended with {bytes(answer[-1000:])!r}")
    return seconds


def import_history(server, client):
    """`tidemark import` from its start to its end; (events, seconds)."""
    from harness import tidemark
    begun = time.monotonic()
    done = tidemark("import", "--url", f"http://127.0.0.1:{server.port}", "--mapping", os.path.join(HISTORY, "mapping.json"),
                    "--json", INPUT, env={**os.environ, "TIDEMARK_KEY": client.key})
    return json.loads(done.stdout.splitlines()[-1])["events"], time.monotonic() - begun


def declare(server):
    with open(os.path.join(HISTORY, "manifest.json"), encoding="utf-8") as file:
        server.declare("git", json.load(file))


def measure_import(options):
    body, events, records = bulk_body()
    imported, bare, cpu = [], [], []
    for _ in range(options.rounds):
        with serving() as server:
            declare(server)
            bare.append(events / send_bulk(server, server.organization(), body, records))
        with serving() as server:
            declare(server)
            before = cpu_seconds(server.process.pid)
            count, seconds = import_history(server, server.organization())
            if count != events:
                raise RuntimeError(f"imported {count} events, not {events}")
            imported.append(count / seconds)
            cpu.append((cpu_seconds(server.process.pid) - before) / count * 1e6)
    yield Figure("import of the Kafka history", "events/s", imported, bare, "the same bytes sent from memory", at_least=50_000,
                 note=f"{events:,} events, {len(body) / 1e6:.0f} MB, server CPU {cpu[0]:.1f} us an event")


def timed(*command):
    from harness import tidemark
    begun = time.monotonic()
    done = tidemark(*command)
    return done, time.monotonic() - begun


def measure_rebuild(options):
    from harness import tidemark
    folded, scanned, whole = [], [], []
    with serving() as server:
        declare(server)
        count, _ = import_history(server, server.organization())
        server.stop()
        before = tidemark("projections", "hash", "--data", server.data).stdout.split()[-1]
        for _ in range(options.rounds):
            _, seconds = timed("log", "verify", "--data", server.data)
            scanned.append(count / seconds)
            done, seconds = timed("projections", "rebuild", "--data", server.data, "--json")
            answer = json.loads(done.stdout.splitlines()[-1])
            if answer["state_hash"] != before:
                raise RuntimeError("the rebuilt rows have another hash than those before")
            folded.append(answer["events"] / answer["seconds"])
            whole.append(seconds)
    yield Figure("fold of the Kafka history into rows", "events/s", folded, scanned, "tidemark log verify, whole run", at_least=80_000,
                 note=f"`tidemark projections rebuild` with start and state hash {whole[0]:.2f} s")
