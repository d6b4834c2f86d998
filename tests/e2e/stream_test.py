# TIMEOUT 240
"""Following events as they happen: API.md, "Events", the stream."""
import json
import random
import signal
import socket
import threading
import time
from urllib.parse import quote

from client import StreamClosed
from harness import ServerTest, run


class Streams(ServerTest):
    def setUp(self):
        self.owner = self.server.organization("Owner")

    def project(self, name="P"):
        return self.owner.post("/v2/projects", {"name": name})

    def test_begins_with_retry_and_a_position(self):
        with self.owner.stream("after=now") as stream:
            self.assertEqual(stream.status, 200)
            self.assertTrue(stream.headers["Content-Type"].startswith("text/event-stream"))
            first = stream.raw()
            self.assertEqual(first["event"], "position")
            self.assertEqual(json.loads(first["data"]), {})
            self.assert_mark(first["id"])

    def test_follows_from_now(self):
        self.project("before")
        with self.owner.stream("after=now") as stream:
            stream.control("position")
            made = self.project("after")
            mark, event = stream.next()
            self.assertEqual((event["subject"], event["type"], event["mark"]), (made["id"], "project.created", mark))
            self.assertEqual(event, self.owner.events("type=project.*")[-1])

    def test_from_the_beginning_then_live(self):
        ids = [self.project(f"P{n}")["id"] for n in range(30)]
        with self.owner.stream("after=beginning&type=project.*") as stream:
            self.assertEqual([event["subject"] for _, event in stream.take(30)], ids)
            ids = [self.project(f"Q{n}")["id"] for n in range(30)]
            self.assertEqual([event["subject"] for _, event in stream.take(30)], ids)

    def test_resumes_after_exactly_the_event_it_names(self):
        product = self.declare_files()
        names = []
        for record in range(6):
            batch = [f"{record}-{n}" for n in range(4)]
            self.owner.post(f"/v2/products/{product}/events",
                            {"events": [{"kind": "file", "entity": name, "type": "file.added", "data": {}} for name in batch]})
            names += batch
        with self.owner.stream(f"after=beginning&type=file.*") as stream:
            marks = [mark for mark, _ in stream.take(24)]
        for place in (0, 1, 3, 4, 11, 22):
            for query, headers in ((f"after={marks[place]}&type=file.*", {}), ("after=beginning&type=file.*", {"Last-Event-ID": marks[place]})):
                with self.owner.stream(query, headers) as stream:
                    self.assertEqual([event["subject"] for _, event in stream.take(23 - place)], names[place + 1:])

    def test_types(self):
        with self.owner.stream("after=now&type=project.archived&type=project.deleted") as stream:
            stream.control("position")
            path = f"/v2/projects/{self.project()['id']}"
            for action in ("archive", "restore"):
                self.owner.post(f"{path}/{action}")
            self.owner.delete(path)
            self.assertEqual([event["type"] for _, event in stream.take(2)], ["project.archived", "project.deleted"])

    def test_conditions_in_cel(self):
        product = self.declare_files()

        def write(numbers):
            self.owner.post(f"/v2/products/{product}/events", {"events": [
                {"kind": "file", "entity": f"f{n}", "type": "file.added", "data": {"size": n}} for n in numbers]})

        def follow(condition, after="beginning"):
            return self.owner.stream(f"after={after}&type=file.*&filter={quote(condition)}")

        write(range(10))
        with follow("event.data.size % 2 == 0") as even, follow("event.data.size % 2 == 1") as odd, follow("event.data.size > 7") as large:
            self.assertEqual([event["data"]["size"] for _, event in even.take(5)], [0, 2, 4, 6, 8])
            self.assertEqual([event["data"]["size"] for _, event in odd.take(5)], [1, 3, 5, 7, 9])
            self.assertEqual([event["data"]["size"] for _, event in large.take(2)], [8, 9])
            write(range(10, 14))
            self.assertEqual([event["data"]["size"] for _, event in even.take(2)], [10, 12])
            marks = odd.take(2)
            self.assertEqual([event["data"]["size"] for _, event in marks], [11, 13])
            self.assertEqual([event["data"]["size"] for _, event in large.take(4)], [10, 11, 12, 13])
        with follow("event.data.size % 2 == 0", marks[0][0]) as resumed:
            self.assertEqual(resumed.next()[1]["data"]["size"], 12)

    def test_a_position_resumes_too(self):
        with self.owner.stream("after=now") as stream:
            position = stream.control("position")["id"]
        made = self.project()
        with self.owner.stream(headers={"Last-Event-ID": position}) as stream:
            self.assertEqual(stream.next()[1]["subject"], made["id"])

    def test_positions_go_on_every_fifteen_seconds(self):
        with self.owner.stream("after=now&type=project.deleted", timeout=25) as stream:
            first = stream.control("position")["id"]
            self.project()
            begun = time.monotonic()
            second = stream.control("position")["id"]
            self.assertLess(abs(time.monotonic() - begun - 15), 5)
            self.assertNotEqual(second, first)
        self.assertEqual(self.owner.get(f"/v2/events?after={second}")["data"], [])

    def test_wrong_requests(self):
        def refused(query="", headers=None):
            return self.owner.get(f"/v2/events/stream?{query}", headers=headers, expect=400)

        for text in ("x", "2026-11-21T07:00:00Z"):
            self.problem(refused(f"after={text}"), "invalid-parameter", parameter="after", detail="now, beginning or a mark")
            self.problem(refused("after=now", {"Last-Event-ID": text}), "invalid-parameter", header="Last-Event-ID", detail="now, beginning or a mark")
        self.problem(refused("after=tm1_x"), "foreign-mark", parameter="after")
        self.problem(refused("", {"Last-Event-ID": "tm1_x"}), "foreign-mark", header="Last-Event-ID")
        self.problem(refused("colour=red"), "invalid-parameter", parameter="colour")
        with self.server.client("le_live_x").stream() as stream:
            self.assertEqual(stream.status, 401)

    def test_head_says_what_it_would_be(self):
        answer = self.owner.request("HEAD", "/v2/events/stream", expect=200)
        self.assertEqual(answer.headers["Content-Type"], "text/event-stream")
        self.assertIsNone(answer.headers["Content-Length"])

    def test_closed_when_its_key_is_revoked(self):
        key = self.server.key(self.owner.organization)
        with key.stream("after=now") as stream:
            stream.control("position")
            self.platform.with_headers(Tidemark_Organization=self.owner.organization).delete(f"/v2/auth/keys/{key.key_id}")
            closing = stream.control("closing")
            self.assertEqual(json.loads(closing["data"])["reason"], "revoked")
            self.assert_mark(closing["id"])
            with self.assertRaises(StreamClosed):
                stream.raw()

    def test_other_organizations_and_spaces_are_not_heard(self):
        trial = self.server.key(self.owner.organization, space="test")
        with self.owner.stream("after=now") as stream:
            stream.control("position")
            self.acme.post("/v2/projects", {"name": "Foreign"})
            trial.post("/v2/projects", {"name": "Trial"})
            mine = self.project("Mine")
            self.assertEqual(stream.next()[1]["subject"], mine["id"])

    def test_many_readers_see_the_same_under_load(self):
        """Eight readers, four writers, readers breaking off and resuming at random places."""
        seed = random.randrange(1 << 30)
        writers, each = 4, 100
        total = writers * each
        seen, failures = [[] for _ in range(8)], []

        def read(number):
            source, last = random.Random(seed + number), "beginning"
            try:
                while len(seen[number]) < total:
                    with self.owner.stream(f"after={last}&type=project.*") as stream:
                        for _ in range(min(source.randrange(1, 120), total - len(seen[number]))):
                            last, event = stream.next()
                            seen[number].append(event["id"])
            except Exception as error:
                failures.append(f"reader {number} after {len(seen[number])}: {error!r}, seed {seed}")

        def write(_):
            client = self.server.client(self.owner.key)
            for n in range(each):
                client.post("/v2/projects", {"name": f"P{n}"}, expect=201)

        threads = [threading.Thread(target=read, args=(n,)) for n in range(8)] + [threading.Thread(target=write, args=(n,)) for n in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])
        expected = [event["id"] for event in self.owner.events("type=project.*")]
        self.assertEqual(len(expected), total)
        for number in range(8):
            self.assertEqual(seen[number], expected, f"reader {number}, seed {seed}")


class SlowReaders(ServerTest):
    def test_told_and_closed_with_a_mark_that_resumes(self):
        product = self.declare_files()
        count = 60
        stream = self.acme.stream(f"after=now&type=file.*", timeout=90)
        self.addCleanup(stream.close)
        stream.control("position")
        for n in range(count):
            self.acme.post(f"/v2/products/{product}/file/f{n}/events", {"events": [{"type": "file.added", "data": {"text": "x" * 1_000_000}}]})
        time.sleep(15)  # this reader reads nothing; others are not held up by it
        with self.acme.stream("after=now&type=project.*") as other:
            other.control("position")
            made = self.project()
            self.assertEqual(other.next()[1]["subject"], made["id"])
        seen, last = [], None
        try:
            while True:
                fields = stream.raw()
                if fields.get("event") == "closing":
                    self.assertEqual(json.loads(fields["data"])["reason"], "slow-reader")
                    last = fields["id"]
                elif "event" not in fields:
                    last = fields["id"]
                    seen.append(json.loads(fields["data"])["subject"])
                self.assertLess(len(seen), count, "the slow reader was never closed")
        except (StreamClosed, ConnectionError):
            pass
        self.assertIsNotNone(last)
        with self.acme.stream("type=file.*", {"Last-Event-ID": last}) as stream:
            seen += [event["subject"] for _, event in stream.take(count - len(seen))]
        self.assertEqual(seen, [f"f{n}" for n in range(count)])


class Ends(ServerTest):
    def test_a_stopping_server_says_so_and_the_reader_goes_on_after_it(self):
        ids = [self.project()["id"] for _ in range(5)]
        with self.acme.stream("after=beginning&type=project.*") as stream:
            last = stream.take(3)[-1][0]
            self.server.process.send_signal(signal.SIGTERM)
            seen = []
            while True:
                fields = stream.raw()
                if fields.get("event") == "closing":
                    break
                if "event" not in fields:
                    last = fields["id"]
                    seen.append(json.loads(fields["data"])["subject"])
            self.assertEqual(json.loads(fields["data"])["reason"], "shutdown")
        self.assertEqual(self.server.process.wait(timeout=20), 0)
        self.server.start()
        more = self.acme.post("/v2/projects", {"name": "More"})["id"]
        rest = 5 - 3 - len(seen) + 1
        with self.acme.stream("type=project.*", {"Last-Event-ID": fields["id"]}) as stream:
            seen += [event["subject"] for _, event in stream.take(rest)]
        self.assertEqual(seen, ids[3:] + [more])


class WithinAnEvent(ServerTest):
    """An answer that ends inside an event is no complete answer."""

    def begin(self, key):
        """A reader with the beginning of a large event, whose connection takes no more of it."""
        product = self.declare_files()
        self.acme.post(f"/v2/products/{product}/events", {"events": [{"kind": "file", "entity": "large", "type": "file.added", "data": {"text": "x" * 1_000_000}}]})
        reader = socket.socket()
        self.addCleanup(reader.close)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the kernel takes all of it
        reader.settimeout(30)
        reader.connect(("127.0.0.1", self.server.port))
        reader.sendall(f"GET /v2/events/stream?after=beginning&type=file.* HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        got = b""
        while b"xxx" not in got:
            got += reader.recv(1024)
        return reader, got

    def check_cut(self, reader, got):
        while piece := reader.recv(65536):
            got += piece
        self.assertLess(len(got), 1_000_000)
        self.assertTrue(got.rstrip(b"\r\n").endswith(b"x"), got[-100:])

    def test_a_revoked_key_cuts_it(self):
        key = self.server.key(self.acme.organization)
        reader, got = self.begin(key.key)
        self.platform.with_headers(Tidemark_Organization=self.acme.organization).delete(f"/v2/auth/keys/{key.key_id}")
        self.check_cut(reader, got)

    def test_a_stop_cuts_it(self):
        reader, got = self.begin(self.acme.key)
        self.server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # until it is heard
        self.check_cut(reader, got)
        self.assertEqual(self.server.process.wait(timeout=20), 0)
        self.server.start()


class ManyIdleReaders(ServerTest):
    def test_cost_little_memory(self):
        """A coarse bound, for the figure itself is a bench's: what a reader may cost at most, with one event heard."""
        def resident():
            with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

        before = resident()
        streams = []
        self.addCleanup(lambda: [stream.close() for stream in streams])
        for _ in range(500):
            streams.append(self.acme.stream("after=now"))
        for stream in streams:
            stream.control("position")
        made = self.project()
        for stream in streams:
            self.assertEqual(stream.next()[1]["subject"], made["id"])
        self.assertLess((resident() - before) / len(streams), 32, "KiB a reader")


if __name__ == "__main__":
    run()
