# TIMEOUT 400
# LABEL slow
"""Kill -9 under load, fifty times: what was acknowledged is there, once, and nothing else is.

Writers create and change projects and append to shared files of a declared product, each write with an
Idempotency-Key of its own. A write whose answer never came is sent again after the restart with the same
key, so that at the end every write has one answer, and the log must hold exactly those: each once,
versions of every entity 1..n without a gap. CRASH_CYCLES sets another number of kills.
"""
import http.client
import os
import random
import threading
import time

from harness import ServerTest, run, tidemark, unique

CYCLES = int(os.environ.get("CRASH_CYCLES", "50"))
WRITERS = 6


class Write:
    """One request, and its answer once there is one."""

    def __init__(self, method, path, body):
        self.method, self.path, self.body = method, path, body
        self.key = unique("write")
        self.answer = None

    def send(self, client, **options):
        return client.request(self.method, self.path, self.body, headers={"Idempotency-Key": self.key}, **options)


class Writer(threading.Thread):
    """Writes until told to stop or until the server is gone."""

    def __init__(self, test, number, seed):
        super().__init__()
        self.test, self.source = test, random.Random(seed * 1000 + number)
        self.client = test.server.client(test.acme.key)
        self.stopped = threading.Event()
        self.done, self.failure = [], None

    def next_write(self):
        created = [w for w in self.done if w.path == "/v2/projects" and w.answer]
        choice = self.source.random()
        if choice < 0.3 or not created:
            return Write("POST", "/v2/projects", {"name": unique("Project")})
        if choice < 0.6:
            return Write("PATCH", f"/v2/projects/{self.source.choice(created).answer['id']}", {"name": unique("Renamed")})
        names = [f"f{self.source.randrange(20)}" for _ in range(self.source.choice([1, 1, 3]))]
        return Write("POST", f"/v2/products/{self.test.product}/events",
                     {"events": [{"kind": "file", "entity": name, "type": "file.modified", "data": {"by": unique("w")}} for name in names]})

    def run(self):
        while not self.stopped.is_set():
            write = self.next_write()
            self.done.append(write)
            try:
                answer = write.send(self.client, expect="any")
            except (OSError, http.client.HTTPException):
                return
            if answer.status >= 400:
                self.failure = f"{write.method} {write.path}: {answer}"
                return
            write.answer = answer


class Crash(ServerTest):
    def test_every_acknowledged_write_is_there_once(self):
        seed = random.randrange(1 << 30)
        self.source = random.Random(seed)
        self.product = self.declare_files()
        self.writes, restarts, unknown_count = [], [], 0
        for cycle in range(CYCLES):
            writers = [Writer(self, number, seed + cycle) for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            time.sleep(self.source.uniform(0.05, 0.5))
            self.server.kill()
            for writer in writers:
                writer.stopped.set()
                writer.join()
                self.assertIsNone(writer.failure, f"cycle {cycle}, seed {seed}")
            restarts.append(self.server.start())
            made = [write for writer in writers for write in writer.done]
            unknown = [write for write in made if write.answer is None]
            unknown_count += len(unknown)
            self.settle(unknown)
            self.repeat(self.source.sample(made, min(len(made), 40)), f"cycle {cycle}, seed {seed}")
            self.writes += made
        print(f"\n{CYCLES} kills, {len(self.writes)} writes, {unknown_count} of them unanswered at first, "
              f"restart median {sorted(restarts)[len(restarts) // 2]:.2f} s, longest {max(restarts):.2f} s")
        self.assertGreater(unknown_count, 0, "no kill hit a write")
        self.repeat(self.source.sample(self.writes, min(len(self.writes), 500)), f"at the end, seed {seed}")
        self.check_log(f"seed {seed}")
        self.check_rebuild()

    def settle(self, writes):
        """Sends what was never answered again; now it is answered."""
        client = self.server.client(self.acme.key)
        for write in writes:
            write.answer = write.send(client)

    def repeat(self, writes, where):
        """The same key and request give the same answer."""
        client = self.server.client(self.acme.key)
        for write in writes:
            again = write.send(client)
            self.assertEqual((again.status, again.json, again.mark, again.headers["Idempotent-Replayed"]),
                             (write.answer.status, write.answer.json, write.answer.mark, "true"), where)

    def expected(self):
        """{(subject, version)} that the answers speak of, each said once."""
        said = []
        for write in self.writes:
            answer = write.answer.json
            said += [(e["entity"], e["version"]) for e in answer["events"]] if "events" in answer else [(answer["id"], answer["version"])]
        self.assertEqual(len(said), len(set(said)), "two answers speak of the same version")
        return set(said)

    def check_log(self, where):
        events = [event for event in self.acme.events() if event["type"].startswith(("project.", "file."))]
        found = [(event["subject"], event["entityversion"]) for event in events]
        self.assertEqual(len(found), len(set(found)), f"a version twice, {where}")
        expected = self.expected()
        self.assertEqual((len(found), expected - set(found), set(found) - expected), (len(expected), set(), set()), where)
        self.assertEqual(len({event["id"] for event in events}), len(events), where)
        versions = {}
        for subject, version in found:
            versions.setdefault(subject, []).append(version)
        for subject, present in versions.items():
            self.assertEqual(present, list(range(1, len(present) + 1)), f"{subject}, {where}")
        rows = {row["entity"]: row["version"] for row in self.acme.pages(f"/v2/products/{self.product}/file", limit=1000)}
        rows |= {row["id"]: row["version"] for row in self.acme.pages("/v2/projects", limit=1000)}
        self.assertEqual(rows, {subject: len(present) for subject, present in versions.items()}, where)

    def check_rebuild(self):
        self.server.stop()
        tidemark("log", "verify", "--data", self.server.data)
        before = tidemark("projections", "hash", "--data", self.server.data).stdout
        tidemark("projections", "rebuild", "--data", self.server.data)
        self.assertEqual(tidemark("projections", "hash", "--data", self.server.data).stdout, before)


if __name__ == "__main__":
    run()
