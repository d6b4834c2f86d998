"""What does an idle event stream cost, and how long until one event has reached all of them?

Method: 2,000 connections of this process follow GET /v2/events/stream of one organization. Memory is
what the server's anonymous pages grew by once all had their first `position` event and ten seconds had
passed; what the kernel keeps for both ends of the sockets is told apart. Then a project is created,
and every stream is read until it has that event; the limit is a bare program that writes as many
bytes to as many sockets.
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
IDLE_SECONDS = 10
PATIENCE_SECONDS = 30


def open_streams(server, key, stack):
    """Sockets that have their answer's head and first event behind them."""
    request = (f"GET /v2/events/stream HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"
               f"Authorization: Bearer {key}\r\n\r\n").encode()
    sockets = []
    for _ in range(STREAMS):
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        connection.sendall(request)
        sockets.append(connection)
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
    """Milliseconds until a program that only writes has reached as many sockets, last and median."""
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


def measure_round(memory, kernel, last, middle, bare):
    with serving() as server, contextlib.ExitStack() as stack:
        client = server.organization()
        client.post("/v2/projects", {"name": "First"})
        pid = server.process.pid
        anonymous, of_kernel = status_bytes(pid, "RssAnon"), kernel_bytes()
        sockets = open_streams(server, client.key, stack)
        time.sleep(IDLE_SECONDS)
        memory.append((status_bytes(pid, "RssAnon") - anonymous) / STREAMS)
        kernel.append((kernel_bytes() - of_kernel) / STREAMS)
        # The event is on its way to some before the writer has its answer.
        writer = threading.Timer(0.1, client.post, ("/v2/projects", {"name": "Seen by all"}))
        begun = time.monotonic() + 0.1
        writer.start()
        moments = [(moment - begun) * 1e3 for moment in wait_for_all(sockets, b'"project.created"')]
        writer.join()
        last.append(moments[-1])
        middle.append(statistics.median(moments))
    bare.append(bare_fan_out(800)[-1])


def measure(options):
    memory, kernel, last, middle, bare = [], [], [], [], []
    for _ in range(options.rounds):
        measure_round(memory, kernel, last, middle, bare)
    yield Figure(f"an idle stream of {STREAMS:,}, user memory", "bytes", memory, at_most=4096,
                 note=f"kernel memory, both ends: {statistics.median(kernel):,.0f} bytes")
    yield Figure(f"one event to {STREAMS:,} streams, the last", "ms", last, bare, "a bare writer, same reader",
                 note=f"half of them within {statistics.median(middle):.0f} ms")
