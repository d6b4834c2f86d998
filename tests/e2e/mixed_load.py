"""Everything that clients do to a server, at once, and a memory of what they were told.

A `World` is four tenants: two organizations, one of them in both spaces, and a third. Each has writers,
an importer, a reader and a follower of its stream, as threads. Every write carries a word of its own (its
token) inside its events, so that the log itself says which writes happened, and how often:

    acknowledged  its events are there, once, at the versions that the answer named
    refused       none of them is there
    unknown       with a key: sent again after the restart, so that it becomes one of the two above;
                  without: there or not, whole or not at all

What readers and followers were shown is remembered too: nothing shown may be gone later.
"""
import contextlib
import http.client
import json
import random
import socket
import threading

from client import Answer, Client, StreamClosed
from harness import percent, unique

BROKEN_OFF = (OSError, http.client.HTTPException, StreamClosed, ValueError, IndexError)
REFUSALS = {409, 412}
PATIENT = {"Prefer": "wait=30"}  # longer than the server is ever stopped
FOLLOWED = "type=project.*&type=file.*"


class Write:
    """One command and what is known of it: `answer` once there is one."""

    def __init__(self, token, method, path, body, headers=None, keyed=True):
        self.token, self.method, self.path, self.body = token, method, path, body
        self.headers = {**(headers or {}), **({"Idempotency-Key": token} if keyed else {})}
        self.keyed, self.answer = keyed, None

    def send(self, client):
        return client.request(self.method, self.path, self.body, headers=self.headers, expect="any")

    def settle(self, client):
        self.answer = self.send(client)

    @property
    def accepted(self):
        return self.answer is not None and self.answer.status < 300

    @property
    def refused(self):
        return self.answer is not None and self.answer.status in REFUSALS

    def fault(self):
        """What is wrong with the answer itself, if anything."""
        return None if self.answer is None or self.accepted or self.refused else f"{self.method} {self.path}: {self.answer}"

    def events(self):
        """(subject, version) of its events, as the answer names them."""
        said = self.answer.json
        return [(event["entity"], event["version"]) for event in said["events"]] if "events" in said else [(said["id"], said["version"])]

    def repeated(self, client):
        """What differs when it is sent again, if anything."""
        again = self.send(client)
        said = (again.status, again.json, again.mark, again.headers["Idempotent-Replayed"])
        wanted = (self.answer.status, self.answer.json, self.answer.mark, "true")
        return None if said == wanted else f"{self.method} {self.path} again: {said} after {wanted}"


class Line(Write):
    """A line of a bulk request. Its answer names a mark and how many events, but no versions."""

    def __init__(self, token, path, events):
        super().__init__(token, "POST", path, {"events": events})
        self.line = json.dumps({"idempotency_key": token, "events": events}).encode() + b"\n"

    @property
    def accepted(self):
        return self.answer is not None and "problem" not in self.answer

    @property
    def refused(self):
        return False

    def fault(self):
        return None if self.answer is None or self.accepted else f"line of {self.path}: {self.answer}"

    def repeated(self, client):
        before = self.answer
        send_lines(client, [self])
        same = (self.answer["mark"], self.answer["events"], self.answer.get("replayed")) == (before["mark"], before["events"], True)
        return None if same else f"line of {self.path} again: {self.answer} after {before}"


def send_lines(client, lines):
    """One bulk request; each line has its answer as soon as it came."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
    try:
        connection.request("POST", lines[0].path, b"".join(line.line for line in lines),
                           {"Authorization": f"Bearer {client.key}", "Content-Type": "application/x-ndjson"})
        response = connection.getresponse()
        if response.status != 200:
            raise AssertionError(f"bulk request: {response.status} {response.read()!r}")
        for line in lines:
            text = response.readline()
            if not text.endswith(b"\n"):
                raise ConnectionError("the answer ended early")
            line.answer = json.loads(text)
    finally:
        connection.close()


class Tenant:
    """One organization in one space: its key, what was written, and what was shown."""

    def __init__(self, name, client, product):
        self.name, self.client, self.product = name, client, product
        self.writes, self.lock = [], threading.Lock()
        self.settled = 0  # so many of the writes have been looked through for answers that never came
        self.projects = {}  # id: version last heard of
        self.files = {}  # entity: version last heard of
        self.followed, self.last = [], "beginning"  # (event id, product's source), in the order shown
        self.shown = set()  # (subject, version, name) that reads answered with

    def add(self, write):
        with self.lock:
            self.writes.append(write)

    def learn(self, write):
        if isinstance(write, Line) or not write.accepted:
            return
        for subject, version in write.events():
            (self.projects if subject.startswith("proj_") else self.files)[subject] = version


class Worker(threading.Thread):
    """One client of a tenant; works until told to stop or until the server is gone."""

    def __init__(self, world, tenant, seed):
        super().__init__(daemon=True)
        self.world, self.tenant, self.source = world, tenant, random.Random(seed)
        self.client = Client(world.server.port, tenant.client.key)
        self.failure = None

    def run(self):
        try:
            while not self.world.stopped.is_set():
                self.step()
        except Exception as error:
            # A server that is killed breaks off anywhere, inside a line or an event too.
            if not (self.world.dying and isinstance(error, BROKEN_OFF)) and not self.world.stopped.is_set():
                self.failure = f"{type(self).__name__} of {self.tenant.name}: {error!r}"
        finally:
            self.client.close()

    def interrupt(self):
        """Ends a wait that would not end by itself soon."""


class Writer(Worker):
    def step(self):
        tenant, source = self.tenant, self.source
        if tenant.writes and source.random() < 0.1:
            return self.repeat(source.choice(tenant.writes))
        write = source.choice([self.create, self.rename, self.rename_if, self.append, self.append, self.append_batch])()
        tenant.add(write)
        write.settle(self.client)
        self.failure = self.failure or write.fault()
        tenant.learn(write)

    def repeat(self, write):
        if write.accepted and write.keyed:
            self.failure = self.failure or write.repeated(self.client)

    def create(self):
        token = unique("w")
        return Write(token, "POST", "/v2/projects", {"name": token}, keyed=self.source.random() < 0.7)

    def rename(self, conditional=False):
        if not self.tenant.projects:
            return self.create()
        token, (project, version) = unique("w"), self.source.choice(list(self.tenant.projects.items()))
        return Write(token, "PATCH", f"/v2/projects/{project}", {"name": token}, {"If-Match": f'"{version}"'} if conditional else None)

    def rename_if(self):
        return self.rename(conditional=True)

    def event(self, token, name):
        kind = self.source.choice(["file.added", "file.modified", "file.modified", "file.deleted"])
        return {"kind": "file", "entity": name, "type": kind, "data": {"by": token}}

    def name(self):
        return f"{self.tenant.name}/{self.source.randrange(40)}"

    def append(self):
        token, name = unique("w"), self.name()
        events = [{"type": event["type"], "data": event["data"]} for event in (self.event(token, name) for _ in range(self.source.choice([1, 1, 3])))]
        expected = self.source.choice(["any", "exists", "absent", "no_stream", self.tenant.files.get(name, 1)])
        return Write(token, "POST", f"/v2/products/{self.tenant.product}/file/{percent(name)}/events",
                     {"expected_version": expected, "events": events}, keyed=self.source.random() < 0.8)

    def append_batch(self):
        token, names = unique("w"), [self.name() for _ in range(self.source.randrange(2, 12))]
        body = {"events": [self.event(token, name) for name in names]}
        if self.source.random() < 0.5:
            body["expected"] = [{"kind": "file", "entity": names[0], "version": self.tenant.files.get(names[0], "no_stream")}]
        return Write(token, "POST", f"/v2/products/{self.tenant.product}/events", body)


class Importer(Worker):
    """Sends bulk requests of a few lines each, to files that nobody else writes."""

    def step(self):
        lines = []
        for _ in range(self.source.randrange(2, 20)):
            token = unique("w")
            events = [{"kind": "file", "entity": f"import/{self.source.randrange(40)}", "type": "file.modified", "data": {"by": token}}
                      for _ in range(self.source.randrange(1, 5))]
            lines.append(Line(token, f"/v2/products/{self.tenant.product}/events", events))
            self.tenant.add(lines[-1])
        send_lines(self.client, lines)
        for line in lines:
            self.failure = self.failure or line.fault()


class Reader(Worker):
    """Reads back what was acknowledged, at its mark, and remembers what it was shown."""

    def step(self):
        page = self.client.get("/v2/projects?limit=20&order=desc", headers=PATIENT)
        rows = self.client.get(f"/v2/products/{self.tenant.product}/file?limit=20", headers=PATIENT)
        self.tenant.shown |= {(row["id"], row["version"], row["name"]) for row in page["data"]}
        self.tenant.shown |= {(row["entity"], row["version"], row["state"]["by"]) for row in rows["data"]}
        with self.tenant.lock:
            write = next((write for write in reversed(self.tenant.writes) if write.accepted and isinstance(write.answer, Answer)), None)
        if write and "id" in write.answer.json:
            said = write.answer.json
            read = self.client.get(f"/v2/projects/{said['id']}", headers={**PATIENT, "Tidemark": write.answer.mark})
            if read["version"] < said["version"]:
                self.failure = f"{self.tenant.name}: {read} at the mark of {write.answer}"


class Follower(Worker):
    """Follows the tenant's stream from where the last one ended."""

    stream = None

    def step(self):
        with self.client.stream(FOLLOWED, {"Last-Event-ID": self.tenant.last}) as self.stream:
            while True:
                last, event = self.stream.next()
                self.tenant.followed.append((event["id"], event["source"]))
                self.tenant.last = last

    def interrupt(self):
        if self.stream:
            with contextlib.suppress(OSError):
                self.stream.socket.shutdown(socket.SHUT_RDWR)


class World:
    """The tenants of one server, and the threads that work for them between start() and stop()."""

    def __init__(self, server, product, seed):
        self.server, self.seed, self.turn = server, seed, 0
        one, two, three = (server.organization(name) for name in ("One", "Two", "Three"))
        clients = {"one": one, "one-test": server.key(one.organization, space="test"), "two": two, "three": three}
        self.tenants = [Tenant(name, client, product) for name, client in clients.items()]
        self.stopped, self.dying, self.workers = threading.Event(), False, []

    def start(self, count=None):
        """All workers, or so many of them, drawn by lot."""
        self.stopped.clear()
        self.dying = False
        self.turn += 1
        kinds = [Writer, Importer, Reader, Follower]
        chosen = [(kind, tenant) for tenant in self.tenants for kind in kinds] + [(Writer, self.tenants[0])]
        chosen = chosen if count is None else random.Random(f"{self.seed} {self.turn}").sample(chosen, count)
        self.workers = [kind(self, tenant, f"{self.seed} {self.turn} {number}") for number, (kind, tenant) in enumerate(chosen)]
        for worker in self.workers:
            worker.start()

    def kill(self):
        """Kills the server under the workers; what went wrong before, if anything."""
        self.dying = True
        self.server.kill()
        return self.stop()

    def stop(self):
        """Ends the workers; what went wrong, if anything."""
        self.stopped.set()
        for worker in self.workers:
            worker.interrupt()
        for worker in self.workers:
            worker.join(60)
        stuck = [f"{type(worker).__name__} of {worker.tenant.name} does not end" for worker in self.workers if worker.is_alive()]
        return [worker.failure for worker in self.workers if worker.failure] + stuck

    def settle(self):
        """Sends again what has a key and no answer since the last time; how many writes had none."""
        count = 0
        for tenant in self.tenants:
            fresh, tenant.settled = tenant.writes[tenant.settled:], len(tenant.writes)
            unknown = [write for write in fresh if write.answer is None]
            count += len(unknown)
            if lines := [write for write in unknown if isinstance(write, Line)]:
                send_lines(tenant.client, lines)
            for write in unknown:
                if write.keyed and not isinstance(write, Line):
                    write.settle(tenant.client)
                    tenant.learn(write)
        return count

    def repeat(self, source, count):
        """Sends some of what was accepted again; what differs from the first answer."""
        found = []
        for tenant in self.tenants:
            accepted = [write for write in source.sample(tenant.writes, min(count, len(tenant.writes))) if write.accepted and write.keyed]
            found += [fault for fault in (write.repeated(tenant.client) for write in accepted) if fault]
        return found


def check(test, world, where):
    """The log holds what was acknowledged, exactly, and all that was shown to anyone."""
    for tenant in world.tenants:
        place = f"{tenant.name}, {where}"
        events = tenant.client.events(FOLLOWED)
        check_writes(test, tenant, events, place)
        check_versions_and_rows(test, tenant, events, place)
        seen = {(event["subject"], event["entityversion"], token_of(event)) for event in events}
        test.assertEqual(tenant.shown - seen, set(), f"shown to a reader and not in the log, {place}")
        check_followed(test, tenant, events, place)


def token_of(event):
    return event["data"]["name" if event["kind"] == "project" else "by"]


def check_writes(test, tenant, events, place):
    there = {}
    for event in events:
        there.setdefault(token_of(event), []).append((event["subject"], event["entityversion"]))
    for write in tenant.writes:
        found = there.pop(write.token, [])
        if isinstance(write, Line):
            test.assertEqual(len(found), write.answer["events"], f"{write.body} answered {write.answer}, {place}")
        elif write.accepted:
            test.assertEqual(found, write.events(), f"{write.path} {write.body} answered {write.answer}, {place}")
        elif write.refused:
            test.assertEqual(found, [], f"refused and yet there: {write.path} {write.body} {write.answer}, {place}")
        else:
            test.assertIn(len(found), (0, len(write.body.get("events", [0]))), f"half of {write.path} {write.body}, {place}")
    test.assertEqual(there, {}, f"nobody wrote this, {place}")


def check_versions_and_rows(test, tenant, events, place):
    test.assertEqual(len({event["id"] for event in events}), len(events), place)
    versions, alive, recorded = {}, {}, {}
    for event in events:
        versions.setdefault(event["subject"], []).append(event["entityversion"])
        alive[event["subject"]] = event["type"] != "file.deleted"
        test.assertLessEqual(recorded.get(event["source"], ""), event["recordedtime"], f"recorded time fell, {place}")
        recorded[event["source"]] = event["recordedtime"]
    for subject, present in versions.items():
        test.assertEqual(present, list(range(1, len(present) + 1)), f"{subject}, {place}")
    rows = {row["entity"]: row["version"] for row in tenant.client.pages(f"/v2/products/{tenant.product}/file", limit=1000)}
    rows |= {row["id"]: row["version"] for row in tenant.client.pages("/v2/projects", limit=1000)}
    test.assertEqual(rows, {subject: len(present) for subject, present in versions.items() if alive[subject]}, place)


def check_followed(test, tenant, events, place):
    """Reads on to the end; of each product everything was shown once, in its log's order."""
    seen = list(tenant.followed)
    with tenant.client.stream(FOLLOWED, {"Last-Event-ID": tenant.last}) as stream:
        seen += [(event["id"], event["source"]) for _, event in stream.take(len(events) - len(seen))]
    for source in {event["source"] for event in events}:
        test.assertEqual([id for id, its in seen if its == source], [event["id"] for event in events if event["source"] == source], place)
