# TIMEOUT 300
# LABEL slow
"""More than the server can do: ten times the load, clients that hardly send, readers that never read.

The rate that the server sustains is measured first, with clients that wait for their answers; then requests
fall due at ten times that rate, whether or not earlier ones have been answered (open_load.py). A request
is a batch of 500 events: one of a file of its own, and one of each of 499 shared files, so that the rows
themselves count how many batches were accepted. Times are printed, not asserted: this machine has other work.
LOAD_SECONDS sets how long the load lasts.
"""
import contextlib
import json
import os
import select
import signal
import socket
import time

from client import Client
from harness import ServerTest, run
from open_load import OpenLoad

SECONDS = float(os.environ.get("LOAD_SECONDS", "8"))
SHARED = 499
CLIENTS = 64
CONNECTIONS_MAX = 1000
CROWD = 2000
# What the server may grow by under ten times its load: 256 MiB of commands in flight and their changes,
# 128 MiB of the rows' buffers and cache, 128 MiB for connections' bodies and the index of rows' files.
MEMORY_UNDER_LOAD = 512 << 20
MEMORY_OF_A_CROWD = 40 << 20


def resident(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS"))


def milliseconds(seconds):
    return f"{seconds * 1e3:,.0f} ms"


class Overload(ServerTest):
    def requests_of(self, turn):
        """Gives the bytes of the request of a number; its own file is named by turn and number."""
        events = [{"kind": "file", "entity": f"own {turn} 00000000", "type": "file.added", "data": {}}]
        events += [{"kind": "file", "entity": f"shared {n}", "type": "file.modified", "data": {"commit": "9f3a"}} for n in range(SHARED)]
        body = json.dumps({"events": events}).encode()
        head = (f"POST /v2/products/{self.product}/events HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {self.acme.key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        before, after = (head + body).split(b"00000000")
        return lambda number: before + b"%08d" % number + after

    def load(self, turn, seconds, connections, rate=None, look=None):
        load = OpenLoad(self.server.port, self.requests_of(turn), connections)
        self.addCleanup(load.close)
        outcome = load.run(seconds, rate, look)
        self.accepted += [f"own {turn} {number:08}" for number in outcome.accepted]
        self.assertEqual((outcome.broken, outcome.without_retry_after), (0, 0), outcome.statuses)
        return outcome

    def test_ten_times_the_sustainable_rate(self):
        self.product, self.accepted = self.declare_files(), []
        self.load("warm", 1, CLIENTS)
        normal = self.load("normal", 2, CLIENTS)
        self.assertEqual(set(normal.statuses), {201}, "clients that wait for their answers are not refused")
        rate = len(normal.accepted) / 2
        before, most = resident(self.server.process), []
        over = self.load("over", SECONDS, CONNECTIONS_MAX, rate * 10, lambda: most.append(resident(self.server.process)))
        recovered = self.seconds_to_recover()
        print(f"\nsustained {rate:,.0f} batches of {SHARED + 1} events a second, p99 {milliseconds(normal.percentile(0.99))}; "
              f"{SECONDS:.0f} s of ten times that: {dict(over.statuses)}, {over.unsent} never sent, accepted p99 {milliseconds(over.percentile(0.99))}, "
              f"memory grew by {(max(most) - before) >> 20} MiB, the first answer after it in {milliseconds(recovered)}")
        self.assertLessEqual(set(over.statuses), {201, 429, 503})
        self.assertGreater(over.statuses[503] + over.statuses[429], over.statuses[201], "this was no overload")
        self.assertLess(max(most) - before, MEMORY_UNDER_LOAD)
        self.assertLess(recovered, 10)
        self.check_accepted()

    def seconds_to_recover(self):
        begun = time.monotonic()
        while self.acme.post("/v2/projects", {"name": "After the load"}, expect="any").status != 201:
            self.assertLess(time.monotonic() - begun, 30)
            time.sleep(0.01)
        return time.monotonic() - begun

    def check_accepted(self):
        """Each accepted batch is there, once: its own file, and a version more of every shared one."""
        added = [event["subject"] for event in self.acme.events("type=file.added")]
        self.assertEqual(sorted(added), sorted(self.accepted))
        versions = {row["version"] for row in self.acme.pages(f"/v2/products/{self.product}/file", limit=1000) if row["entity"].startswith("shared")}
        self.assertEqual(versions, {len(self.accepted)})


class Crowds(ServerTest):
    """Many clients that cost others nothing, and themselves little."""

    arguments = ("--header-timeout-seconds", "4")

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.acme = self.server.organization()  # whose events are this test's
        self.acme.post("/v2/projects", {"name": "First"})
        self.healthy(0.5)
        self.before = resident(self.server.process)

    def connect(self, text):
        connection = self.stack.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the kernel reads for who does not
        connection.connect(("127.0.0.1", self.server.port))
        connection.sendall(text.encode())
        connection.setblocking(False)
        return connection

    def healthy(self, seconds):
        """p99 of a client that writes, reads and lists, every few milliseconds."""
        took, client, end = [], Client(self.server.port, self.acme.key), time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.monotonic()
            made = client.post("/v2/projects", {"name": "Healthy"}, expect=201)
            client.get(f"/v2/projects/{made['id']}", expect=200)
            client.get("/v2/projects?limit=20", expect=200)
            took.append(time.monotonic() - begun)
            time.sleep(0.005)
        client.close()
        return sorted(took)[int(len(took) * 0.99)]

    def report(self, who, normal, healthy, grown):
        print(f"\n{CROWD} {who}: a write, a read and a list p99 {milliseconds(healthy)}, without them {milliseconds(normal)}; "
              f"memory grew by {grown / (1 << 20):.1f} MiB")
        self.assertLess(grown, MEMORY_OF_A_CROWD)

    def test_slow_heads_are_cut_at_the_deadline(self):
        normal = self.healthy(1.5)
        begun = time.monotonic()
        crowd = [self.connect("GET /v2/projects HTTP/1.1\r\n") for _ in range(CROWD)]
        self.drip(crowd)
        healthy, grown = self.healthy(2), resident(self.server.process) - self.before
        cut = self.answers(crowd, begun + 30)
        self.assertEqual(len(cut), CROWD, "slow clients are still connected")
        self.assertTrue(all(answer.startswith(b"HTTP/1.1 408") or not answer for answer in cut), set(cut))
        self.assertGreater(sum(answer.startswith(b"HTTP/1.1 408") for answer in cut), CROWD // 2)
        self.report("slow clients", normal, healthy, grown)

    def drip(self, crowd):
        """A byte of each every half second, from a process of its own: the healthy client's shall not be the one that is slow."""
        process = os.fork()
        while process == 0:
            time.sleep(0.5)
            for connection in crowd:
                with contextlib.suppress(OSError):
                    connection.send(b"a")
        self.stack.callback(os.waitpid, process, 0)
        self.stack.callback(os.kill, process, signal.SIGKILL)

    def answers(self, crowd, deadline):
        """What each got until the server ended the answer or closed, of those where it did."""
        poller, got, done = select.epoll(), {connection.fileno(): b"" for connection in crowd}, []
        by_descriptor = {connection.fileno(): connection for connection in crowd}
        for descriptor in got:
            poller.register(descriptor, select.EPOLLIN)
        while len(done) < len(crowd) and time.monotonic() < deadline:
            for descriptor, _ in poller.poll(0.2):
                try:
                    piece = by_descriptor[descriptor].recv(65536)
                except BlockingIOError:
                    continue
                except OSError:  # reset: it went on sending after it was cut
                    piece = b""
                got[descriptor] += piece
                if not piece or got[descriptor].endswith(b"\r\n0\r\n\r\n"):
                    poller.unregister(descriptor)
                    done.append(got[descriptor])
        poller.close()
        return done

    def test_readers_that_never_read_are_told_and_closed(self):
        product = self.declare_files()
        reader = self.server.key(self.acme.organization)
        normal = self.healthy(1.5)
        crowd = [self.connect(f"GET /v2/events/stream?type=file.* HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {reader.key}\r\n\r\n")
                 for _ in range(CROWD)]
        files = self.add_files(product, [4000] * 1000)  # more than the kernel takes for who does not read
        healthy, grown = self.healthy(2), resident(self.server.process) - self.before
        self.report("readers that do not read", normal, healthy, grown)
        time.sleep(6)
        grown = max(grown, resident(self.server.process) - self.before)
        self.assertLess(grown, MEMORY_OF_A_CROWD)
        sample = crowd[:20]
        for connection in crowd[20:]:
            connection.close()
        ends = self.answers(sample, time.monotonic() + 60)
        self.assertEqual(len(ends), len(sample), "stalled readers are still connected")
        for end in ends:
            self.check_told(end, files)

    def add_files(self, product, sizes):
        """Files with a text of these sizes; their names with the sizes."""
        files = [(f"f{n}", size) for n, size in enumerate(sizes)]
        for first in range(0, len(files), 20):
            self.acme.post(f"/v2/products/{product}/events", {"events": [
                {"kind": "file", "entity": name, "type": "file.added", "data": {"text": "x" * size}} for name, size in files[first:first + 20]]})
        return files

    def test_readers_that_take_large_events_drop_by_drop(self):
        """Each at a place of its own, so that what they wait for is not shared; and what one got is whole."""
        product = self.declare_files()
        files = self.add_files(product, ([16_000] * 19 + [200_000]) * 20)
        marks = [event["mark"] for event in self.acme.get("/v2/events?after=beginning&type=file.*&limit=80")["data"]]
        reader = self.server.key(self.acme.organization)
        normal, self.before = self.healthy(1.5), resident(self.server.process)
        crowd = [self.connect(f"GET /v2/events/stream?after={marks[n % len(marks)]}&type=file.* HTTP/1.1\r\nHost: a\r\n"
                              f"Authorization: Bearer {reader.key}\r\n\r\n") for n in range(CROWD)]
        sample, most, end = dict.fromkeys(crowd[:12], b""), 0, time.monotonic() + 6
        while time.monotonic() < end:
            for connection in crowd:
                with contextlib.suppress(BlockingIOError):
                    piece = connection.recv(1024)
                    if connection in sample:
                        sample[connection] += piece
            most = max(most, resident(self.server.process) - self.before)
            time.sleep(0.05)
        self.report("readers that take large events drop by drop", normal, self.healthy(2), most)
        for connection in crowd[len(sample):]:
            connection.close()
        for number, (connection, answer) in enumerate(sample.items()):
            connection.settimeout(60)
            while not answer.endswith(b"\r\n0\r\n\r\n"):
                piece = connection.recv(1 << 20)
                self.assertTrue(piece, answer[-300:])
                answer += piece
            self.check_told(answer, files[number + 1:])

    @staticmethod
    def without_chunks(answer):
        """What a chunked answer carries."""
        body, at = b"", answer.index(b"\r\n\r\n") + 4
        while size := int(answer[at:answer.index(b"\r\n", at)], 16):
            at = answer.index(b"\r\n", at) + 2
            body, at = body + answer[at:at + size], at + size + 2
        return body

    def check_told(self, answer, files):
        """It ends by saying why, with a mark after which the rest comes."""
        blocks = [dict(line.partition(": ")[::2] for line in block.split("\n")) for block in self.without_chunks(answer).decode().split("\n\n")]
        closing = [block for block in blocks if block.get("event") == "closing"]
        self.assertEqual([block["data"] for block in closing], ['{"reason":"slow-reader"}'], answer[-300:])
        events = [json.loads(block["data"]) for block in blocks if '"type":"file.added"' in block.get("data", "")]
        with self.acme.stream("type=file.*", {"Last-Event-ID": closing[0]["id"]}) as stream:
            events += [event for _, event in stream.take(len(files) - len(events))]
        self.assertEqual([(event["subject"], len(event["data"]["text"])) for event in events], files)


if __name__ == "__main__":
    run()
