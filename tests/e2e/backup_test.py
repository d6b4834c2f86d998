# TIMEOUT 300
"""A backup under load, again and again: each restores to a prefix of the log, and to no less than what had
been acknowledged before it began.

Writers create projects and append files while one directory is backed up every BACKUP_EVERY seconds for
BACKUP_SECONDS; each state of that directory is kept. Then every one of them is restored: it verifies, its
state hash is that of the final log restored to the same position, and a server that goes on from it has
what was acknowledged, answers retries with the first answer, tells marks of what it lost, and writes (of
every BACKUP_SERVED-th, to save time). backup_soak_test.py does the same for two minutes.
"""
import bisect
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from harness import PROGRAM, Server, ServerTest, run, tidemark, unique

SECONDS = float(os.environ.get("BACKUP_SECONDS", "12"))
EVERY = float(os.environ.get("BACKUP_EVERY", "1"))
SERVED = int(os.environ.get("BACKUP_SERVED", "3"))
WRITERS = 3
PAUSE_SECONDS = 0.003  # of a writer: what is written is restored and folded a dozen times


class Writer(threading.Thread):
    """Writes until told to stop, and remembers what was acknowledged, and when."""

    def __init__(self, test, number):
        super().__init__()
        self.test, self.number = test, number
        self.client = test.server.client(test.acme.key)
        self.stopped = threading.Event()
        self.done, self.failure = [], None

    def run(self):
        try:
            while not self.stopped.is_set():
                count = len(self.done)
                if count % 3 == 0:
                    path, body = "/v2/projects", {"name": unique("Project")}
                else:
                    path = f"/v2/products/{self.test.product}/events"
                    body = {"events": [{"kind": "file", "entity": f"w{self.number}-{count % 50}", "type": "file.modified",
                                        "data": {"text": "x" * random.randrange(6000)}}]}
                write = {"path": path, "body": body, "key": unique("write"), "begun": time.monotonic()}
                write["answer"] = self.test.send(self.client, write)
                write["acknowledged"] = time.monotonic()
                self.done.append(write)
                time.sleep(PAUSE_SECONDS)
        except Exception as failure:  # told by the test's own thread
            self.failure = failure


class BackupTest(ServerTest):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="tidemark-backup-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.backup = self.path("backup")

    def path(self, name):
        return os.path.join(self.directory, name)

    def take(self, *more, expect=0, into=None):
        return tidemark("backup", into or self.backup, "--data", self.server.data, *more, expect=expect)

    def restore(self, backup, name, *more, expect=0):
        """A restored data directory and what the command said."""
        target = self.path(name)
        done = tidemark("restore", backup, "--data", target, "--json", *more, expect=expect)
        return target, json.loads(done.stdout) if expect == 0 else done

    def verify(self, data):
        report = json.loads(tidemark("log", "verify", "--data", data, "--json").stdout)
        self.assertEqual((report["damages"], report["fault_count"], report["torn_bytes"]), ([], 0, 0))
        return report

    @staticmethod
    def state_hash(data):
        return tidemark("projections", "hash", "--data", data).stdout.strip()

    def serve(self, data):
        """A server that goes on from a restored directory."""
        shutil.copy(os.path.join(self.server.data, "root.key"), data)
        server = Server(data=data)
        self.addCleanup(server.close)
        server.start()
        return server

    @staticmethod
    def send(client, write):
        return client.post(write["path"], write["body"], headers={"Idempotency-Key": write["key"]})


class UnderLoad(BackupTest):
    def test_every_backup_restores_to_a_prefix_with_what_was_acknowledged(self):
        self.product = self.declare_files()
        writers = [Writer(self, number) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        backups = self.take_many(time.monotonic() + SECONDS)
        for writer in writers:
            writer.stopped.set()
            writer.join()
            self.assertIsNone(writer.failure)
        self.writes = sorted((write for writer in writers for write in writer.done), key=lambda write: write["acknowledged"])
        self.times = [write["acknowledged"] for write in self.writes]
        final = json.loads(self.take("--verify", "--json").stdout)
        self.assertEqual(final["verified"]["damages"] + final["verified"]["faults"], [])
        self.server.stop()
        self.verify(self.server.data)
        sizes = [backup["position"] for backup in backups]
        self.assertEqual(sizes, sorted(set(sizes)), "each backup adds")
        for number, backup in enumerate(backups):
            with self.subTest(backup=number, position=backup["position"]):
                self.check(number, backup)
        print(f"\n{len(backups)} backups in {SECONDS:.0f} s of {len(self.writes)} writes, {final['position']:,} bytes in "
              f"{final['segments']} segments; the longest took {max(b['ended'] - b['begun'] for b in backups):.2f} s, "
              f"{sum(b['linked_bytes'] for b in backups):,} bytes linked and {sum(b['copied_bytes'] for b in backups):,} copied")

    def take_many(self, deadline):
        backups = []
        while time.monotonic() < deadline:
            begun = time.monotonic()
            backup = json.loads(self.take("--json").stdout)
            backup |= {"begun": begun, "ended": time.monotonic(), "kept": self.path(f"kept-{len(backups)}")}
            shutil.copytree(self.backup, backup["kept"])
            backups.append(backup)
            time.sleep(max(0, begun + EVERY - time.monotonic()))
        return backups

    def check(self, number, backup):
        data, restored = self.restore(backup["kept"], f"restored-{number}")
        self.assertEqual(restored["position"], backup["position"])
        self.assertEqual(self.verify(data)["end_position"], backup["position"])
        same, _ = self.restore(self.backup, f"same-{number}", "--until", str(backup["position"]))
        self.assertEqual(self.state_hash(data), self.state_hash(same))
        shutil.rmtree(same)
        shutil.rmtree(backup["kept"])
        if number % SERVED == 0:
            self.check_served(data, backup)
        shutil.rmtree(data)

    def check_served(self, data, backup):
        server = self.serve(data)
        client = server.client(self.acme.key)
        before = self.writes[:bisect.bisect_left(self.times, backup["begun"])]
        after = [write for write in self.writes if write["begun"] > backup["ended"]]
        self.check_acknowledged(client, before)
        self.check_lost(client, after[:3] + after[-3:])
        made = self.send(client, {"path": "/v2/projects", "body": {"name": "Goes on"}, "key": unique("write")})
        client.get(f"/v2/projects/{made['id']}", headers={"Tidemark": made.mark})
        self.check_lost(client, after[:3] + after[-3:])
        server.stop()
        self.verify(data)

    def check_acknowledged(self, client, writes):
        rows = {row["entity"]: row["version"] for row in client.pages(f"/v2/products/{self.product}/file", limit=1000)}
        rows |= {row["id"]: row["version"] for row in client.pages("/v2/projects", limit=1000)}
        for write in writes:
            answer = write["answer"].json
            for event in answer.get("events", [{"entity": answer.get("id"), "version": answer.get("version")}]):
                self.assertGreaterEqual(rows.get(event["entity"], 0), event["version"], "an acknowledged write is missing")
        for write in writes[-5:] + random.sample(writes, min(len(writes), 5)):
            again = self.send(client, write)
            self.assertEqual((again.json, again.mark, again.headers["Idempotent-Replayed"]),
                             (write["answer"].json, write["answer"].mark, "true"))
            client.get("/v2/projects?limit=1", headers={"Tidemark": write["answer"].mark})

    def check_lost(self, client, writes):
        for write in writes:
            kind = "/v2/projects" if write["path"] == "/v2/projects" else f"/v2/products/{self.product}/file"
            answer = client.get(kind, headers={"Tidemark": write["answer"].mark}, expect=410)
            self.problem(answer, "lost-mark")


class Restoring(BackupTest):
    def events_of(self, data):
        """(position, recorded time) of the event records, in the order of the journal."""
        records = [json.loads(line) for line in tidemark("log", "dump", "--data", data, "--json").stdout.splitlines()]
        return [(record["position"], record["events"][0]["recordedtime"]) for record in records if record.get("events")]

    def test_until_a_time_and_until_a_position(self):
        for _ in range(30):
            self.project()
            time.sleep(0.002)
        self.take()
        events = self.events_of(self.server.data)
        for position, recorded in events[5::6]:
            kept = [event for event in events if event[1] <= recorded]  # one core decides: times do not fall
            data, restored = self.restore(self.backup, unique("until"), "--until", recorded)
            self.assertEqual(self.events_of(data), kept)
            self.assertEqual(restored["recorded"], recorded)
            data, _ = self.restore(self.backup, unique("until"), "--until", str(position))
            self.assertEqual(self.events_of(data), [event for event in events if event[0] < position])
            self.verify(data)
        data, restored = self.restore(self.backup, unique("until"), "--until", "2999-01-01T00:00:00Z")
        self.assertEqual(restored["position"], restored["backup_position"])

    def test_what_is_left_out_and_what_is_refused(self):
        self.project()
        self.take()
        data, _ = self.restore(self.backup, "restored")
        self.assertEqual(sorted(os.listdir(data)), ["journal", "keyring", "lock"])
        said = tidemark("restore", self.backup, "--data", self.path("again")).stderr
        self.assertIn(f"{self.path('again')}/root.key", said)
        without_key = Server(data=data)
        self.addCleanup(without_key.close)
        without_key.launch()
        self.assertNotEqual(without_key.process.wait(timeout=20), 0)
        self.assertIn("root.key", without_key.output())
        for arguments, words in ((("restore", self.backup, "--data", data), "is not empty"),
                                 (("restore", self.backup, "--data", self.path("x"), "--until", "noon"), "is expected"),
                                 (("restore", self.backup, "--data", self.path("x"), "--until", "999999999999"), "is beyond it"),
                                 (("backup", self.server.data, "--data", self.server.data), "is no backup")):
            self.assertIn(words, tidemark(*arguments, expect=2).stderr)
        self.assertIn("no finished backup", tidemark("restore", data, "--data", self.path("x"), expect=1).stderr)
        self.assertFalse(os.path.exists(self.path("x")))
        other = Server()
        self.addCleanup(other.close)
        other.start()
        self.assertIn("another log", tidemark("backup", self.backup, "--data", other.data, expect=2).stderr)

    def test_a_damaged_backup_is_found_and_not_restored(self):
        self.project()
        self.take()
        self.assertIn("read back", self.take("--verify").stdout)
        segments = os.path.join(self.backup, "segments")
        path = os.path.join(segments, os.listdir(segments)[0])
        with open(path, "r+b") as file:
            file.seek(4096 + 300)
            file.write(b"damaged!")
        found = tidemark("log", "verify", "--backup", self.backup, "--json", expect=4)
        self.assertEqual(len(json.loads(found.stdout)["damages"]), 1)
        self.assertIn("the backup is damaged; look at the log with `tidemark log verify`, and take a backup of it into another directory", found.stderr)
        self.assertIn("`tidemark log verify` tells", self.take("--verify", expect=2).stderr)
        self.assertIn("damaged", self.restore(self.backup, "restored", expect=4)[1].stderr)
        self.assertEqual(os.listdir(self.path("restored")), ["lock"], "which kept servers out meanwhile")

    def test_a_backup_that_lacks_a_file_is_damaged_and_left_alone(self):
        self.project()
        self.take()
        keyring = next(name for name in os.listdir(self.backup) if name.startswith("keyring-"))
        os.remove(os.path.join(self.backup, keyring))
        before = os.listdir(self.backup)
        for said in (self.take(expect=4), self.restore(self.backup, "restored", expect=4)[1],
                     tidemark("log", "verify", "--backup", self.backup, expect=4)):
            self.assertRegex(said.stderr, f"damaged: .*{keyring} .*; take a new one into another directory")
        self.assertEqual(os.listdir(self.backup), before)
        os.mkdir(os.path.join(self.backup, keyring))  # cannot be read as a file, whatever it holds
        self.assertNotIn("damaged", self.take(expect=1).stderr)

    def test_killed_backups_leave_the_one_before(self):
        self.take()
        for number in range(10):
            self.project()
            process = subprocess.Popen([PROGRAM, "backup", self.backup, "--data", self.server.data],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            process.wait()
            data, _ = self.restore(self.backup, f"restored-{number}")
            self.verify(data)
        self.take("--verify")
        self.assertEqual(self.state_hash(self.restore(self.backup, "last")[0]), self.hash_of_stopped())

    def hash_of_stopped(self):
        self.server.stop()
        try:
            return self.state_hash(self.server.data)
        finally:
            self.server.start()


if __name__ == "__main__":
    run()
