# TIMEOUT 300
# LABEL slow
"""What survives what: stops, restores, damaged bytes, a full disk, slow clients."""
import contextlib
import glob
import http.client
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from client import Client
from harness import Server, ServerTest, run, tidemark


def wait_healthy(test, server):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            return Client(server.port).get("/healthz")
        except (OSError, AssertionError):
            time.sleep(0.05)
    return test.fail(server.output())


def tear(server):
    """Leaves the beginning of something that was never finished behind the log's end: the rest of it is zeros."""
    journal = os.path.join(server.data, "journal", "permanent")
    with open(os.path.join(journal, max(name for name in os.listdir(journal) if name.isdigit())), "r+b") as file:
        end = len(file.read().rstrip(b"\0"))
        file.seek(-(-end // 512) * 512)
        file.write(b"torn" * 20)


def cut_tails(server):
    return glob.glob(os.path.join(server.data, "cut-*"))


class Faults(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(lambda: self.server.close(keep="KEEP_DATA" in os.environ))
        self.server.start()
        self.client = self.server.organization()

    def create(self, count, client=None):
        return [(client or self.client).post("/v2/projects", {"name": f"P{n}"}) for n in range(count)]

    def projects(self):
        return {project["id"] for project in self.client.pages("/v2/projects", limit=1000)}

    def problem(self, answer, name):
        self.assertEqual(answer.json["type"], f"/problems/{name}", answer)
        return answer.json

    def copy_data(self):
        """What a backup holds, taken from a stopped server: all but the root key and the nonces."""
        backup = os.path.join(self.server.directory, "backup")
        shutil.copytree(self.server.data, backup, ignore=shutil.ignore_patterns("nonces", "lock"))
        return backup

    def test_a_restored_log_knows_the_marks_of_its_lost_tail(self):
        kept = self.create(3)
        self.server.stop()
        backup = self.copy_data()
        self.server.start()
        lost = self.create(2)
        self.server.stop()
        shutil.rmtree(self.server.data)
        shutil.move(backup, self.server.data)
        self.server.start()
        self.assertEqual(self.projects(), {made["id"] for made in kept})
        for moment in ("before anything new", "after new records in the same places"):
            for made in lost:
                for path in ("/v2/projects", "/v2/events?after=" + made.mark):
                    headers = {} if "after" in path else {"Tidemark": made.mark}
                    self.problem(self.client.get(path, headers=headers, expect=410), "lost-mark")
            for made in kept:
                self.client.get("/v2/projects", headers={"Tidemark": made.mark})
            self.create(4)
        self.assertEqual(len(self.projects()), 3 + 8, moment)
        self.server.stop()
        tidemark("log", "verify", "--data", self.server.data)

    def test_marks_of_another_log_are_foreign(self):
        other = Server()
        self.addCleanup(other.close)
        other.start()
        foreign = other.organization().post("/v2/projects", {"name": "X"}).mark
        self.problem(self.client.get("/v2/projects", headers={"Tidemark": foreign}, expect=400), "foreign-mark")

    def test_stopping_loses_no_acknowledged_write(self):
        """SIGTERM while eight clients write: what was answered 201 is there, and the program ends with 0."""
        acknowledged, lock = set(), threading.Lock()

        def write():
            client = self.server.client(self.client.key)
            while True:
                try:
                    answer = client.post("/v2/projects", {"name": "P"}, expect="any")
                except (OSError, http.client.HTTPException):
                    return
                if answer.status != 201:
                    return
                with lock:
                    acknowledged.add(answer["id"])

        threads = [threading.Thread(target=write) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        begun = time.monotonic()
        self.server.stop()
        self.assertLess(time.monotonic() - begun, 8)
        for thread in threads:
            thread.join()
        self.server.start()
        self.assertLessEqual(acknowledged, self.projects())
        self.assertGreater(len(acknowledged), 50)

    def test_what_a_stream_showed_is_never_lost(self):
        """Readers follow while writers write and the program is killed: nothing shown is gone afterwards."""
        seen, last = [], "beginning"
        for _ in range(8):
            stopped = threading.Event()

            def write():
                client = self.server.client(self.client.key)
                while not stopped.is_set():
                    try:
                        client.post("/v2/projects", {"name": "P"})
                    except (OSError, http.client.HTTPException, AssertionError):
                        return

            writers = [threading.Thread(target=write) for _ in range(3)]
            with self.client.stream(f"after={last}&type=project.*") as stream:
                for writer in writers:
                    writer.start()
                killer = threading.Timer(0.3, self.server.kill)
                killer.start()
                try:
                    while True:
                        last, event = stream.next()
                        seen.append(event["id"])
                except Exception:  # the stream ends somewhere, perhaps inside an event
                    pass
                killer.join()
            stopped.set()
            for writer in writers:
                writer.join()
            self.server.start()
        there = [event["id"] for event in self.client.events("type=project.*")]
        self.assertGreater(len(seen), 50)
        with self.client.stream(f"after={last}&type=project.*") as stream:
            seen += [event["id"] for _, event in stream.take(len(there) - len(seen))]
        self.assertEqual(seen, there)

    def damage(self, needle):
        """Flips one bit in the middle of the first record that holds these bytes; where it was."""
        for path in sorted(glob.glob(os.path.join(self.server.data, "journal", "**", "*"), recursive=True)):
            if os.path.isfile(path):
                with open(path, "r+b") as file:
                    place = file.read().find(needle)
                    if place >= 0:
                        file.seek(place)
                        byte = file.read(1)[0]
                        file.seek(place)
                        file.write(bytes([byte ^ 0x10]))
                        return path
        self.fail(f"{needle} is nowhere in the journal")

    def test_damage_turns_the_log_read_only_until_the_loss_is_accepted(self):
        self.create(10)
        marked = self.client.post("/v2/projects", {"name": "Needle in the journal"})
        self.create(10)
        before = self.projects()
        self.server.stop()
        self.damage(b"Needle in the journal")
        self.assertEqual(tidemark("log", "verify", "--data", self.server.data, expect=None).returncode, 4)
        self.server.launch()
        wait_healthy(self, self.server)
        self.assertEqual(self.client.get("/readyz", expect="any").status, 503)
        refused = self.client.post("/v2/projects", {"name": "X"}, expect=503)
        self.problem(refused, "read-only")
        self.assertIn("Retry-After", refused.headers)
        self.assertEqual(self.projects(), before, "reads go on")
        self.server.stop()
        done = tidemark("log", "verify", "--data", self.server.data, "--json", expect=4)
        places = [word for word in done.stdout.replace('"', " ").split() if ".." in word]
        self.assertTrue(places, done.stdout)
        tidemark("log", "accept-loss", places[0], "--data", self.server.data)
        self.server.start()
        made = self.client.post("/v2/projects", {"name": "After the loss"}, expect=201)
        self.assertIn(made["id"], self.projects())
        self.assertNotEqual(marked["id"], made["id"])

    def test_a_torn_tail_is_cut_and_kept_aside(self):
        self.create(5)
        before = self.projects()
        self.server.kill()
        tear(self.server)
        self.server.start()
        self.assertEqual(self.projects(), before)
        self.client.post("/v2/projects", {"name": "Goes on"}, expect=201)
        self.assertTrue(cut_tails(self.server), os.listdir(self.server.data))

    def test_rows_that_are_gone_are_folded_again(self):
        self.create(20)
        before = self.projects()
        self.server.stop()
        shutil.rmtree(os.path.join(self.server.data, "rows"))
        self.server.start()
        self.assertEqual(self.projects(), before)

    def test_an_index_that_is_gone_is_made_again(self):
        self.create(20)
        before, events = self.projects(), self.client.events()
        self.server.stop()
        shutil.rmtree(os.path.join(self.server.data, "index"), ignore_errors=True)
        self.server.start()
        self.assertEqual((self.projects(), self.client.events()), (before, events))

    def test_a_log_without_its_keyring_is_refused(self):
        self.server.stop()
        for name in ("root.key", "service.keys"):
            os.remove(os.path.join(self.server.data, name))
        self.server.launch()
        self.assertNotEqual(self.server.process.wait(timeout=20), 0)
        self.assertRegex(self.server.output().splitlines()[-1], "(?i)key")


NOTE = {"events": [{"type": "note.written", "data": {"text": "x" * 900_000}}]}


class FullDisk(unittest.TestCase):
    def on_a_disk_of(self, size):
        server = Server()
        self.addCleanup(server.close)
        os.makedirs(server.data)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", server.data], capture_output=True, check=False)
        if mounted.returncode:
            self.skipTest("may not mount a small disk: " + mounted.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", "-l", server.data], check=False)
        server.start()
        server.declare("notes", {"kinds": {"note": {"events": {"note.written": {"fold": "replace"}}}}})
        return server, server.organization()

    def wait_for_writes(self, client):
        deadline = time.monotonic() + 20
        while client.post("/v2/products/notes/note/more/events", NOTE, expect="any").status != 201:
            self.assertLess(time.monotonic(), deadline, "writes do not resume")
            time.sleep(0.2)

    def test_writes_answer_507_reads_go_on_and_with_space_again_everything_does(self):
        server, client = self.on_a_disk_of("48m")
        written, unknown = 0, 0
        for _ in range(100):
            answer = client.post(f"/v2/products/notes/note/n{written}/events", NOTE, expect="any")
            if answer.status == 201:
                written += 1
            elif answer.status == 503 and answer.json["type"] == "/problems/outcome-unknown":
                unknown += 1  # it is in the log, and the disk was full for the rows
            else:
                break
        self.assertEqual((answer.status, answer.json["type"]), (507, "/problems/disk-full"), answer)
        self.assertLessEqual(unknown, 1)
        self.assertGreater(written, 3)
        self.assertGreaterEqual(len(list(client.pages("/v2/products/notes/note", limit=5))), written, "reads go on")
        self.assertEqual(client.get("/readyz", expect="any").status, 503)
        subprocess.run(["mount", "-o", "remount,size=400m", server.data], check=True)
        self.wait_for_writes(client)
        self.assertEqual(len(list(client.pages("/v2/products/notes/note", limit=5))), written + unknown + 1)
        client.get("/readyz")
        server.kill()
        server.start()
        self.assertEqual(len(list(client.pages("/v2/products/notes/note", limit=5))), written + unknown + 1)

    def test_a_start_while_full_reads_everything_and_goes_on_by_itself(self):
        """Killed while writes answer 507, and started where not a page is left, several times in a row: reads have all
        that was acknowledged, writes are refused as before. With space they resume, without another start."""
        server, client = self.on_a_disk_of("48m")
        written = []
        while True:
            answer = client.post(f"/v2/products/notes/note/n{len(written)}/events", NOTE, expect="any")
            if answer.status != 201:
                break
            written.append(f"n{len(written)}")
        self.assertIn(answer.json["type"], ("/problems/disk-full", "/problems/outcome-unknown"), answer)
        acknowledged, perhaps = set(written), {f"n{len(written)}"}  # the last one is unknown
        self.assertGreater(len(acknowledged), 3)

        def check():
            there = {row["entity"] for row in client.pages("/v2/products/notes/note", limit=5)}
            self.assertLessEqual(acknowledged, there)
            self.assertLessEqual(there, acknowledged | perhaps)
            self.assertGreaterEqual(len(client.events("type=note.written")), len(there), "every reader sees them")
            return there

        def expect_refusal():
            answer = client.post("/v2/products/notes/note/refused/events", NOTE, expect="any")
            self.assertEqual((answer.status, answer.json["type"]), (507, "/problems/disk-full"), answer)
            self.assertEqual(client.get("/readyz", expect="any").status, 503)

        self.fill(server)
        expect_refusal()
        check()
        before = None
        for start in range(4):
            server.kill()
            if start == 2:
                tear(server)
            server.launch()
            wait_healthy(self, server)
            there = check()
            self.assertEqual(there, before or there)  # the first start settles what was unknown
            before = there
            expect_refusal()
            self.fill(server)  # what the opening gave back
            expect_refusal()
        self.assertIn("torn tail waits for space", server.output())
        self.assertFalse(cut_tails(server))
        started = server.process.pid
        subprocess.run(["mount", "-o", "remount,size=400m", server.data], check=True)
        self.wait_for_writes(client)
        self.assertEqual(server.process.pid, started)
        self.assertEqual(len(cut_tails(server)), 1)
        self.assertIn("torn tail cut off", server.output())
        acknowledged.add("more")
        self.assertEqual(check(), before | {"more"})
        client.get("/readyz")
        server.kill()
        server.start()
        self.assertEqual(check(), before | {"more"})
        server.stop()
        tidemark("log", "verify", "--data", server.data)

    def fill(self, server):
        """Leaves not a page; where the file is that took them."""
        filler = os.path.join(server.data, "filler")
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"f" * 65536):
                pass
            while file.write(b"f" * 512):
                pass
        return filler

    def test_a_disk_that_is_full_for_the_rows_only(self):
        """The journal's prepared space takes records that the rows' files have no room for."""
        server, client = self.on_a_disk_of("700m")
        for count in range(12):  # so much that space is prepared ahead
            client.post(f"/v2/products/notes/note/n{count}/events", NOTE, expect=201)
        time.sleep(1)
        filler = self.fill(server)
        outcomes = {}
        for count in range(12, 200):
            answer = client.post(f"/v2/products/notes/note/n{count}/events", NOTE, expect="any", headers={"Idempotency-Key": f"k{count}"})
            outcomes[count] = answer.status
            if answer.status == 507:
                break
        self.assertEqual(answer.json["type"], "/problems/disk-full")
        unknown = [count for count, status in outcomes.items() if status == 503]
        there = {row["entity"] for row in client.pages("/v2/products/notes/note", limit=5)}
        self.assertLessEqual({f"n{count}" for count, status in outcomes.items() if status == 201}, there, "reads go on")
        os.remove(filler)
        self.wait_for_writes(client)
        for count in unknown:
            again = client.post(f"/v2/products/notes/note/n{count}/events", NOTE, expect=201, headers={"Idempotency-Key": f"k{count}"})
            self.assertEqual(again.headers.get("Idempotent-Replayed"), "true", "it is in the log")
        self.assertIn("rows go on", server.output())


class SlowClients(ServerTest):
    arguments = ("--header-timeout-seconds", "1", "--body-timeout-seconds", "1", "--idle-timeout-seconds", "2")

    def answer_to(self, request, pause):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as connection:
            connection.sendall(request)
            time.sleep(pause)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except ConnectionError:
                pass
            return answer

    def test_half_a_head_and_half_a_body_are_answered_408_or_closed(self):
        for request in (b"GET /v2/projects HTTP/1.1\r\nHost: a\r\n",
                        f"POST /v2/projects HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.acme.key}\r\n"
                        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode()):
            begun = time.monotonic()
            answer = self.answer_to(request, 0)
            self.assertLess(time.monotonic() - begun, 6)
            self.assertRegex(answer[:12] or b"HTTP/1.1 408", rb"HTTP/1\.1 408")

    def test_a_thousand_silent_connections_do_not_hurt_the_others(self):
        connections = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(1000)]
        for connection in connections:
            connection.sendall(b"GET /")
        begun = time.monotonic()
        self.acme.get("/v2/projects")
        self.assertLess(time.monotonic() - begun, 2)
        for connection in connections:
            connection.close()


class Program(unittest.TestCase):
    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = Server()
            self.addCleanup(server.close)
            server.start()
            server.process.send_signal(number)
            self.assertEqual(server.process.wait(timeout=20), 0, server.output())


if __name__ == "__main__":
    run()
