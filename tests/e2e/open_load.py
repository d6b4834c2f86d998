"""Load that does not wait for the server: requests fall due at fixed moments, whatever becomes of the others.

A latency counts from the moment at which its request was due, so a server that stalls is charged with
everyone who had to wait (coordinated omission, Gil Tene). One thread over epoll; a request that falls due
takes a connection that is free, or a new one up to a bound, or waits for one.
"""
import collections
import select
import socket
import time

RECEIVE_BYTES = 65536


class Connection:
    """One kept-alive connection with at most one request under way."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.unsent, self.got, self.due = memoryview(b""), b"", None

    def send(self):
        """False when the kernel takes no more for now."""
        try:
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent):]
        except BlockingIOError:
            return False
        return True

    def receive(self):
        """(status, head) of the answer once it is whole; ConnectionError when there will be none."""
        try:
            piece = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None
        if not piece:
            raise ConnectionError("closed before the answer")
        self.got += piece
        head, found, body = self.got.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return None
        self.got = b""
        return int(head[9:12]), head


class Outcome:
    """What a run saw: answers by status, seconds from due to answer of those accepted, and what went wrong."""

    def __init__(self):
        self.statuses, self.latencies, self.accepted = collections.Counter(), [], []
        self.broken, self.without_retry_after, self.unsent, self.lag = 0, 0, 0, 0.0

    def percentile(self, share):
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


class OpenLoad:
    """`request(number)` gives the bytes of a request. Without a rate every connection sends again at once."""

    def __init__(self, port, request, connections):
        self.port, self.request, self.connections_max = port, request, connections
        self.poller, self.free, self.by_descriptor = select.epoll(), [], {}
        self.number = 0

    def run(self, seconds, rate=None, look=None):
        """`look` is called about ten times a second."""
        outcome, waiting = Outcome(), collections.deque()
        begun = time.monotonic()
        due, end, next_look = begun, begun + seconds, begun
        under_way = 0
        while True:
            now = time.monotonic()
            if rate is None:
                while now < end and (connection := self.take()):
                    self.begin(connection, now, outcome)
                    under_way += 1
            else:
                outcome.lag = max(outcome.lag, min(now, end) - due)
                while due <= now and due < end:
                    waiting.append(due)
                    due += 1 / rate
                while waiting and (connection := self.take()):
                    self.begin(connection, waiting.popleft(), outcome)
                    under_way += 1
            if look and now >= next_look:
                look()
                next_look = now + 0.1
            if now >= end:
                outcome.unsent += len(waiting)
                waiting.clear()
                if not under_way:
                    return outcome
            if now > end + 60:
                raise AssertionError(f"{under_way} requests have no answer a minute later")
            pause = min(due, end) - now if rate and now < end and not waiting else 0.05
            for descriptor, event in self.poller.poll(max(pause, 0)):
                under_way -= self.serve(self.by_descriptor[descriptor], event, outcome)

    def take(self):
        if self.free:
            return self.free.pop()
        if len(self.by_descriptor) >= self.connections_max:
            return None
        connection = Connection(self.port)
        self.by_descriptor[connection.socket.fileno()] = connection
        self.poller.register(connection.socket, select.EPOLLIN)
        return connection

    def begin(self, connection, due, outcome):
        connection.due, connection.number = due, self.number
        connection.unsent = memoryview(self.request(self.number))
        self.number += 1
        if not connection.send():
            self.poller.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)

    def serve(self, connection, event, outcome):
        """Whether its request is over."""
        if event & select.EPOLLOUT and connection.send():
            self.poller.modify(connection.socket, select.EPOLLIN)
        if not event & ~select.EPOLLOUT:
            return False
        try:
            answer = connection.receive()
        except OSError:
            outcome.broken += connection.due is not None
            return self.drop(connection)
        if not answer:
            return False
        status, head = answer
        outcome.statuses[status] += 1
        if status < 300:
            outcome.accepted.append(connection.number)
            outcome.latencies.append(time.monotonic() - connection.due)
        elif b"\r\nretry-after:" not in head.lower():
            outcome.without_retry_after += 1
        connection.due = None
        if b"\r\nconnection: close" in head.lower() or connection.unsent:
            return self.drop(connection) or True
        self.free.append(connection)
        return True

    def drop(self, connection):
        """Whether it had a request under way."""
        self.poller.unregister(connection.socket)
        del self.by_descriptor[connection.socket.fileno()]
        if connection in self.free:
            self.free.remove(connection)
        connection.socket.close()
        return connection.due is not None

    def close(self):
        for connection in list(self.by_descriptor.values()):
            connection.socket.close()
        self.poller.close()
