"""What does an idle event stream cost, and how long until one event has reached all of them?

Method: 2,000 connections of this process follow GET /v2/events/stream of one organization, opened one
after the other, so that what stays is what idle streams need; and, in another server, in one rush.
Memory is what the server's anonymous pages grew by once all had their first `position` event and ten
seconds had passed; what the kernel keeps for both ends of the sockets is told apart. Then a project is
created, and every stream is read until it has that event; the limit is a bare program that writes as
many bytes to as many sockets, with the same reader.

Fan-out: 1,000 such connections; one event, and then events in batches of a hundred, the next as soon as
less than three hundred are on their way to the stream that is counted. That one is read as text; of the
others bytes are counted, and must be as many as its own.
"""
import contextlib
import os
import select
import socket
import statistics
import threading
import time

from figures import Figure
from load import serving, status_bytes

STREAMS = 2000
READERS = 1000
BATCH = 100
ON_THEIR_WAY = 300
IDLE_SECONDS = 10
PATIENCE_SECONDS = 30
EVENT_BYTES = 800


def open_streams(server, key, stack, rush=False, count=STREAMS):
    """Sockets that have their answer's head and first event behind them."""
    request = (f"GET /v2/events/stream HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"
               f"Authorization: Bearer {key}\r\n\r\n").encode()
    sockets = []
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        connection.sendall(request)
        if not rush:
            wait_for_all([connection], b"event: position")
        sockets.append(connection)
    if rush:
        wait_for_all(sockets, b"event: position")
    return sockets


def wait_for_all(sockets, word):
    """Reads until every socket brought the word; the moments at which they did, in order."""
    poller = select.epoll()
    waiting = {connection.fileno(): (connection, bytearray()) for connection in sockets}
    for descriptor in waiting:
        poller.register(descriptor, select.EPOLLIN)
    moments = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while waiting and time.monotonic() < deadline:
        for descriptor, _ in poller.poll(1):
            connection, got = waiting[descriptor]
            piece = connection.recv(16384)
            if not piece:
                raise RuntimeError(f"a stream ended: {bytes(got[-300:])!r}")
            got += piece
            if word in got:
                moments.append(time.monotonic())
                poller.unregister(descriptor)
                del waiting[descriptor]
    poller.close()
    if waiting:
        raise RuntimeError(f"{len(waiting)} of {len(sockets)} streams did not bring {word!r} within {PATIENCE_SECONDS} s")
    return moments


def kernel_bytes():
    """Memory of the whole machine's kernel objects and socket buffers."""
    with open("/proc/meminfo", encoding="ascii") as file:
        slab = next(int(line.split()[1]) * 1024 for line in file if line.startswith("Slab:"))
    with open("/proc/net/sockstat", encoding="ascii") as file:
        pages = next(int(line.split()[-1]) for line in file if line.startswith("TCP:"))
    return slab + pages * os.sysconf("SC_PAGE_SIZE")


def bare_fan_out(size):
    """Milliseconds at which as many sockets had what a program that only writes sent, a number each."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=STREAMS))
        near, far = [], []
        for _ in range(STREAMS):
            near.append(stack.enter_context(socket.create_connection(listener.getsockname())))
            far.append(stack.enter_context(listener.accept()[0]))
        begun = time.monotonic()
        writer = os.fork()
        if writer == 0:
            for connection in far:
                connection.sendall(b"x" * (size - 3) + b"end")
            os._exit(0)
        moments = wait_for_all(near, b"end")
        os.waitpid(writer, 0)
    return [(moment - begun) * 1e3 for moment in moments]


@contextlib.contextmanager
def idle_streams(rush):
    """Client, sockets, and what a stream costs: user and kernel bytes."""
    with serving() as server, contextlib.ExitStack() as stack:
        client = server.organization()
        client.post("/v2/projects", {"name": "First"})
        pid = server.process.pid
        user, kernel = status_bytes(pid, "RssAnon"), kernel_bytes()
        sockets = open_streams(server, client.key, stack, rush)
        time.sleep(IDLE_SECONDS)
        yield client, sockets, (status_bytes(pid, "RssAnon") - user) / STREAMS, (kernel_bytes() - kernel) / STREAMS


def fan_out(client, sockets):
    """Milliseconds after its sending at which a create-project's event came, a number per stream."""
    pause = 0.1
    writer = threading.Timer(pause, client.post, ("/v2/projects", {"name": "Seen by all"}))
    begun = time.monotonic() + pause
    writer.start()
    moments = wait_for_all(sockets, b'"project.created"')
    writer.join()
    return [(moment - begun) * 1e3 for moment in moments]


def measure(options):
    user, kernel, rushed, last, middle, bare = [], [], [], [], [], []
    for _ in range(options.rounds):
        with idle_streams(rush=False) as (client, sockets, of_user, of_kernel):
            user.append(of_user)
            kernel.append(of_kernel)
            reached = fan_out(client, sockets)
            last.append(reached[-1])
            middle.append(statistics.median(reached))
        bare.append(bare_fan_out(EVENT_BYTES)[-1])
        with idle_streams(rush=True) as (_, _, of_user, _):
            rushed.append(of_user)
    yield Figure(f"an idle stream of {STREAMS:,}, user memory", "bytes", user, at_most=4096,
                 note=f"kernel memory of both ends {statistics.median(kernel):,.0f} bytes")
    yield Figure("the same after a rush of requests", "bytes", rushed)
    yield Figure(f"one event to {STREAMS:,} streams, the last", "ms", last, bare, "a bare writer, same reader",
                 note=f"half of them within {statistics.median(middle):.0f} ms")


class Flood:
    """Events for so many seconds, and how many of them all streams together were given a second."""

    def __init__(self, client, product, sockets, seconds):
        self.client, self.path, self.seconds = client, f"/v2/products/{product}/pulse", seconds
        self.sockets = sockets
        self.written, self.seen, self.done = 0, 0, False

    def write(self):
        deadline = time.monotonic() + self.seconds
        while time.monotonic() < deadline:
            if self.written - self.seen >= ON_THEIR_WAY:
                time.sleep(0.0005)
                continue
            events = [{"type": "pulse.beat", "data": {"number": self.written + n}} for n in range(BATCH)]
            self.client.post(f"{self.path}/one/events", {"events": events}, expect=201)
            self.written += BATCH
        self.done = True

    def run(self):
        writer = threading.Thread(target=self.write)
        counts = dict.fromkeys((connection.fileno() for connection in self.sockets), 0)
        by_descriptor = {connection.fileno(): connection for connection in self.sockets}
        counted = self.sockets[0].fileno()
        buffer = bytearray(1 << 20)
        with contextlib.closing(select.epoll()) as poller:
            for descriptor in counts:
                poller.register(descriptor, select.EPOLLIN)
            begun = last = time.monotonic()
            writer.start()
            tail = b""
            while not (self.done and self.seen >= self.written and min(counts.values()) >= counts[counted]):
                ready = poller.poll(1)
                if not ready and time.monotonic() - last > PATIENCE_SECONDS:
                    raise RuntimeError("the streams stand still")
                for descriptor, _ in ready:
                    size = by_descriptor[descriptor].recv_into(buffer)
                    if size == 0:
                        raise RuntimeError("a stream was ended")
                    counts[descriptor] += size
                    last = time.monotonic()
                    if descriptor == counted:
                        text = tail + buffer[:size]
                        self.seen += text.count(b'"type":"pulse.beat"')
                        tail = bytes(text[-18:])
        writer.join()
        if len(set(counts.values())) != 1:
            raise RuntimeError(f"streams were given from {min(counts.values())} to {max(counts.values())} bytes")
        size = counts[counted] // self.written
        return self.written * len(self.sockets) / (last - begun), size


def bare_flood(size, seconds):
    """Pieces of so many events' bytes a second that a program which only writes brings to as many sockets."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=READERS))
        near, far = [], []
        for _ in range(READERS):
            near.append(stack.enter_context(socket.create_connection(listener.getsockname())))
            far.append(stack.enter_context(listener.accept()[0]))
        rounds = max(1, 200 * seconds // BATCH)
        writer = os.fork()
        if writer == 0:
            for _ in range(rounds):
                for connection in far:
                    connection.sendall(b"x" * size * BATCH)
            os._exit(0)
        left = READERS * rounds * size * BATCH
        buffer = bytearray(1 << 20)
        begun = time.monotonic()
        with contextlib.closing(select.epoll()) as poller:
            by_descriptor = {connection.fileno(): connection for connection in near}
            for descriptor in by_descriptor:
                poller.register(descriptor, select.EPOLLIN)
            while left > 0:
                for descriptor, _ in poller.poll(1):
                    left -= by_descriptor[descriptor].recv_into(buffer)
        took = time.monotonic() - begun
        os.waitpid(writer, 0)
    return READERS * rounds * BATCH / took


def measure_fan_out(options):
    p99, rates, bare, sizes = [], [], [], []
    for _ in range(options.rounds):
        with serving() as server, contextlib.ExitStack() as stack:
            client = server.organization()
            server.declare("pulses", {"kinds": {"pulse": {"events": {"pulse.beat": {"fold": "replace"}}, "keep_versions": 1}}})
            sockets = open_streams(server, client.key, stack, count=READERS)
            reached = fan_out(client, sockets)
            p99.append(reached[int(READERS * 0.99) - 1])
            rate, size = Flood(client, "pulses", sockets, options.seconds).run()
            rates.append(rate)
            sizes.append(size)
        bare.append(bare_flood(sizes[-1], options.seconds))
    yield Figure(f"one event to {READERS:,} streams, p99", "ms", p99, at_most=50)
    yield Figure(f"events to {READERS:,} streams, all together", "events/s", rates, bare, "a bare writer, same reader", at_least=150_000,
                 note=f"{statistics.median(sizes):,.0f} bytes each")
