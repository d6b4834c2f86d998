"""How fast do webhooks leave, how soon, and what do those that wait take?

Method: nginx on the same two cores answers 204 over kept connections. Throughput: an endpoint from the beginning of a
product's events, signed and recorded, from the request that makes it to the last outcome; in turns with `http_sender`,
the deliverer's HTTP client alone with as many connections and as large bodies. Latency: events come at a fixed rate, and
nginx's log says when each arrived; it counts from the moment in the event, before it is durable. Waiting: a receiver that
fails all, and retries that are an hour away. Fairness: while an organization's million events leave, another one writes
ten at a time. Memory: five minutes of deliveries at full speed, as many events being published as leave.
"""
import contextlib
import datetime
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from figures import Figure
from load import GENERATOR, cpu_seconds, serving, status_bytes
from harness import FILES, free_port  # noqa: E402, after load, which knows where it is

SENDER = os.path.join(os.path.dirname(GENERATOR), "http_sender")
IN_FLIGHT, EVENTS, AT_ONCE = 100, 60_000, 500
RATE, RATE_BATCH, LANES = 2_000, 20, 4
WAITING = 1_000_000
BACKLOG = 1_000_000
OTHERS, OTHERS_AT_ONCE = 10, 10
FLAT_SECONDS, FLAT_AHEAD, FLAT_EVERY = 300, 50_000, 10

NGINX = """
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format arrived '$msec $http_webhook_id';
  access_log off;
  keepalive_requests 100000000;
  server {{
    listen 127.0.0.1:{port};
    location /ok {{ return 204; }}
    location /timed {{ access_log {directory}/arrived.log arrived; return 204; }}
    location /fails {{ return 500; }}
  }}
}}
"""


@contextlib.contextmanager
def receiver():
    """nginx: its address, and where it notes who arrived."""
    if not shutil.which("nginx"):
        raise RuntimeError("nginx is not installed")
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        path = os.path.join(directory, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(NGINX.format(directory=directory, port=port))
        process = subprocess.Popen(["nginx", "-e", os.path.join(directory, "error.log"), "-c", path, "-g", "daemon off;"])
        try:
            until(lambda: socket.create_connection(("127.0.0.1", port)).close() or True, 10, OSError)
            yield f"http://127.0.0.1:{port}", os.path.join(directory, "arrived.log")
        finally:
            process.terminate()
            process.wait()


def until(what, seconds, ignored=()):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(ignored) if ignored else contextlib.nullcontext():
            if what():
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds} s")
        time.sleep(0.02)


def publish(client, product, first, count):
    """So many events, each of an entity of its own."""
    for begin in range(first, first + count, AT_ONCE):
        events = [{"type": "file.added", "kind": "file", "entity": f"f{n}", "data": {"size": n, "path": "x" * 100}}
                  for n in range(begin, min(begin + AT_ONCE, first + count))]
        client.post(f"/v2/products/{product}/events", {"events": events})


def endpoint(client, url, **members):
    return client.post("/v2/webhooks/endpoints", {"url": url, "types": ["file.*"], "max_in_flight": IN_FLIGHT, **members})["id"]


def counts(client, name):
    return client.get(f"/v2/webhooks/endpoints/{name}")["deliveries"]


def alone(url, seconds, body_bytes):
    done = subprocess.run([SENDER, url, str(IN_FLIGHT), str(seconds), str(body_bytes)],
                          stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["rate"]


def delivered(server, client, url, order):
    """Deliveries a second, and the processor time of each in us."""
    before, begun = cpu_seconds(server.process.pid), time.monotonic()
    name = endpoint(client, url, start="beginning", order=order)
    until(lambda: counts(client, name)["succeeded"] == EVENTS, 120)
    took = time.monotonic() - begun
    used = cpu_seconds(server.process.pid) - before
    client.delete(f"/v2/webhooks/endpoints/{name}")
    return EVENTS / took, used / EVENTS * 1e6


def latencies(client, product, url, log, first, seconds):
    """Of events at a fixed rate, in ms: from the moment in the event to its arrival, sorted."""
    name, total = endpoint(client, url, start="now"), RATE * seconds
    begun = time.monotonic() + 0.5

    def send(lane):
        caller = client.with_headers()
        for number in range(lane, total // RATE_BATCH, LANES):
            time.sleep(max(0, begun + number * RATE_BATCH / RATE - time.monotonic()))
            publish(caller, product, first + number * RATE_BATCH, RATE_BATCH)
    senders = [threading.Thread(target=send, args=(lane,)) for lane in range(LANES)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    took = time.monotonic() - begun
    if took > seconds * 1.1:
        raise RuntimeError(f"{total} events took {took:.1f} s to publish: they did not come at the rate")
    until(lambda: counts(client, name)["succeeded"] == total, 60)
    client.delete(f"/v2/webhooks/endpoints/{name}")
    recorded = {event["id"]: datetime.datetime.fromisoformat(event["recordedtime"]).timestamp()
                for event in client.events("type=file.added") if event["data"]["size"] >= first}
    with open(log, encoding="ascii") as file:
        arrived = {identity: float(moment) for moment, identity in map(str.split, file) if identity in recorded}
    if len(arrived) != total or len(recorded) != total:
        raise RuntimeError(f"of {total} events {len(recorded)} are known and {len(arrived)} arrived")
    return sorted((arrived[identity] - recorded[identity]) * 1e3 for identity in recorded)


def measure(options):
    speeds, peers, processor, ordered = [], [], [], []
    with receiver() as (url, log), serving("--egress-allow", "127.0.0.0/8") as server:
        client = server.organization()
        server.declare("bench", FILES)
        publish(client, "bench", 0, EVENTS)
        body_bytes = len(json.dumps(client.get("/v2/events?after=beginning&type=file.added&limit=1")["data"][0], separators=(",", ":")))
        for _ in range(options.rounds):
            speed, used = delivered(server, client, url + "/ok", "none")
            speeds.append(speed)
            processor.append(used)
            peers.append(alone(url + "/ok", options.seconds, body_bytes))
            ordered.append(delivered(server, client, url + "/ok", "entity")[0])
        late = [latencies(client, "bench", url + "/timed", log, (turn + 1) * 10_000_000, options.seconds) for turn in range(options.rounds)]
        resident = status_bytes(server.process.pid, "VmHWM") / 2**20
    yield Figure(f"webhooks, {IN_FLIGHT} in flight", "/s", speeds, peers, "the same HTTP client alone", at_least=15_000, share_at_least=0.6,
                 note=f"{statistics.median(processor):.0f} us of the server's processor each; {resident:.0f} MiB at most")
    yield Figure("webhooks in order of entities", "/s", ordered)
    yield Figure(f"webhooks at {RATE:,}/s, p99 from the event's moment to its arrival", "ms", [times[len(times) * 99 // 100] for times in late],
                 at_most=20, note=f"p50 {statistics.median(times[len(times) // 2] for times in late):.0f} ms")


def measure_waiting(options):
    """What memory a million retries take that are an hour away."""
    with receiver() as (url, _), serving("--egress-allow", "127.0.0.0/8") as server:
        client = server.organization()
        server.declare("bench", FILES)
        publish(client, "bench", 0, WAITING)
        before = status_bytes(server.process.pid, "VmRSS") / 2**20
        policy = client.post("/v2/webhooks/retry-policies", {"name": "an hour", "delays_seconds": [3600] * 10})["id"]
        name = endpoint(client, url + "/fails", start="beginning", order="none", retry_policy_id=policy, pause_after_seconds=30 * 86400)
        until(lambda: counts(client, name)["failing"] == WAITING, 900)
        time.sleep(2)
        after = status_bytes(server.process.pid, "VmRSS") / 2**20
    yield Figure(f"resident with {WAITING:,} retries that wait", "MiB", [after], at_most=300, note=f"{before:.0f} MiB before the first was sent")


def measure_fair(options):
    """How soon ten events of one organization leave while a million of another's do."""
    with receiver() as (url, log), serving("--egress-allow", "127.0.0.0/8") as server:
        busy, other = server.organization("Busy"), server.organization("Other")
        server.declare("bench", FILES)
        publish(busy, "bench", 0, BACKLOG)
        sending = endpoint(busy, url + "/ok", start="beginning")
        until(lambda: counts(busy, sending)["succeeded"] > 1_000, 60)
        name = endpoint(other, url + "/timed", start="now")
        for turn in range(OTHERS):
            publish(other, "bench", turn * OTHERS_AT_ONCE, OTHERS_AT_ONCE)
            until(lambda: counts(other, name)["succeeded"] == (turn + 1) * OTHERS_AT_ONCE, 60)
        left = BACKLOG - counts(busy, sending)["succeeded"]
        recorded = {event["id"]: datetime.datetime.fromisoformat(event["recordedtime"]).timestamp() for event in other.events("type=file.added")}
        with open(log, encoding="ascii") as file:
            arrived = {identity: float(moment) for moment, identity in map(str.split, file) if identity in recorded}
    late = [(arrived[identity] - recorded[identity]) * 1e3 for identity in recorded]
    yield Figure(f"{OTHERS_AT_ONCE} events beside another organization's {BACKLOG:,}, the last", "ms", [max(late)], at_most=1_000,
                 note=f"of {OTHERS} tens; half of the events within {statistics.median(late):.0f} ms; {left:,} of the million still to leave behind them")


def measure_flat(options):
    """Whether memory grows while deliveries go on."""
    with receiver() as (url, _), serving("--egress-allow", "127.0.0.0/8") as server:
        client = server.organization()
        server.declare("bench", FILES)
        name = endpoint(client, url + "/ok", start="beginning")
        published, resident = [0], []
        begun = time.monotonic()

        def publisher():
            caller = client.with_headers()
            while time.monotonic() - begun < FLAT_SECONDS:
                if published[0] - counts(caller, name)["succeeded"] < FLAT_AHEAD:
                    publish(caller, "bench", published[0] % 100_000, AT_ONCE)
                    published[0] += AT_ONCE
        thread = threading.Thread(target=publisher)
        thread.start()
        while thread.is_alive():
            time.sleep(FLAT_EVERY)
            resident.append(status_bytes(server.process.pid, "VmRSS") / 2**20)
        delivered_now = counts(client, name)["succeeded"]
    minute = 60 // FLAT_EVERY
    early, late = statistics.median(resident[minute:2 * minute]), statistics.median(resident[-minute:])
    yield Figure("resident memory of the fifth minute of deliveries, next to the second's", "MiB", [late - early], at_most=20,
                 note=f"{early:.0f} MiB, then {late:.0f} MiB, {max(resident):.0f} at most; {delivered_now:,} delivered, while as many were published")
