"""Clients of several processes over one log, and a memory of what each of them was told.

    with Traffic(clients, organizations=64, seed=7, writers=12, readers=3) as traffic:
        …                          # break something
    traffic.commands, traffic.faults

Writers create and rename projects and append to files, one event, several, or lines in bulk, each command at a process
drawn by lot, and again at another with the same Idempotency-Key where the answer was no answer. A command carries a word
of its own, its token, in every event, so that the log itself says which commands happened:

    acknowledged  its events are there once, in the record that the mark of the answer names
    refused       every answer said that nothing was written: none of them is there
    unsure        somebody did not answer, nobody acknowledged: there, once, or not

Readers ask any process at the mark of a write, or of what another process showed: what comes back may be newer, never
older. A refusal for a version may not know less than was acknowledged before it was asked for.
"""
import base64
import collections
import http.client
import json
import os
import random
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from client import Answer, Client

PRODUCT = "git"
FILES = {"kinds": {"file": {"events": {"file.added": {"fold": "replace"}, "file.modified": {"fold": "merge"}}}}}
FILES_OF_ONE = 10
ANSWER_SECONDS = 3      # then a client goes to another process
SETTLE_SECONDS = 60     # after the end, for commands that nobody answered yet
REMEMBERED = 50         # commands of a tenant that may be sent again
PATIENT = {"Prefer": "wait=10"}
MARKED = struct.Struct("<HHqI8s")  # schemas/marks.h


class Unreached(OSError):
    """Nothing was sent."""


class Direct(Client):
    """Sends a request once: what broke off may have happened."""

    def _send(self, method, path, content, headers, timeout):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            try:
                self.connection.connect()
            except OSError as failure:
                self.close()
                raise Unreached(str(failure)) from failure
        try:
            self.connection.request(method, path, content, headers)
            response = self.connection.getresponse()
            body = response.read()
        except Exception:
            self.close()
            raise
        if response.will_close:
            self.close()
        return Answer(response.status, response.headers, body)


def place_of(mark):
    """(topic number, partition, offset) of a write's mark."""
    raw = base64.urlsafe_b64decode(mark[4:] + "=" * (-len(mark[4:]) % 4))
    topic, partition, offset, _, _ = MARKED.unpack_from(raw, 5)
    return topic, partition, offset


class Command:
    """One command and what is known of it. `touches`: the entities it changes, one for each event, when known before."""

    def __init__(self, topic, token, method, path, body, touches, headers=None):
        self.topic, self.token, self.method, self.path, self.body = topic, token, method, path, body
        self.touches, self.headers = touches, {**(headers or {}), "Idempotency-Key": token}
        self.place, self.mark, self.tries = None, None, []  # tries: "refused" or "unsure"

    @property
    def state(self):
        if self.place:
            return "acknowledged"
        return "unsure" if "unsure" in self.tries else "refused"

    def acknowledge(self, mark):
        self.mark, self.place = mark, place_of(mark)

    def __repr__(self):
        return f"{self.token} {self.method} {self.path} {self.place} after {self.tries}"


class Tenant:
    """One organization: what clients heard of its entities, per topic."""

    def __init__(self, organization):
        self.organization = organization
        self.headers = {"Tidemark-Organization": organization}
        self.lock = threading.Lock()
        self.done = collections.deque(maxlen=REMEMBERED)  # acknowledged commands, but lines of bulk requests
        self.heard = {"projects": {}, "files": {}}   # entity: (offset, version)
        self.latest = {"projects": (-1, None), "files": (-1, None)}  # offset and mark

    def learn(self, command, versions):
        offset = command.place[2]
        with self.lock:
            for entity, version in versions:
                self.heard[command.topic][entity] = max(self.heard[command.topic].get(entity, (-1, 0)), (offset, version))
            self.latest[command.topic] = max(self.latest[command.topic], (offset, command.mark))

    def snapshot(self, topic):
        """A mark and what must be seen at it: the versions that were acknowledged at or before it."""
        with self.lock:
            return self.latest[topic][1], {entity: version for entity, (_, version) in self.heard[topic].items()}

    def version(self, topic, entity):
        with self.lock:
            return self.heard[topic].get(entity, (-1, 0))[1]


class Worker(threading.Thread):
    def __init__(self, traffic, number):
        super().__init__(daemon=True)
        self.traffic, self.source = traffic, random.Random(f"{traffic.seed} {type(self).__name__} {number}")
        self.clients = [Direct(client.port, client.key) for client in traffic.clients]

    def run(self):
        try:
            while not self.traffic.stopping.is_set():
                self.step()
                time.sleep(self.source.uniform(0, 2 * self.traffic.think_seconds))
        except Exception as failure:
            self.traffic.fault(f"{type(self).__name__}: {failure!r}")
            raise
        finally:
            for client in self.clients:
                client.close()

    def ask(self, method, path, body=None, headers=None):
        """The answer of any process, or why there is none."""
        client = self.source.choice(self.clients)
        try:
            return client.request(method, path, **({} if body is None else {"body": body}), headers=headers,
                                  expect="any", timeout=ANSWER_SECONDS)
        except (OSError, http.client.HTTPException) as failure:
            return failure


def problem_of(answer):
    return answer.json["type"].removeprefix("/problems/")


class Writer(Worker):
    def step(self):
        tenant = self.source.choice(self.traffic.tenants)
        make = self.source.choices([self.create, self.rename, self.rename_if, self.append, self.append_several, self.bulk, self.repeat],
                                   [4, 3, 2, 5, 3, 2, 1])[0]
        begun = time.monotonic()
        make(tenant)
        self.traffic.took(time.monotonic() - begun)

    def token(self):
        return f"Tk{self.source.getrandbits(64):016x}Z"

    def file(self):
        return f"f{self.source.randrange(FILES_OF_ONE)}"

    def create(self, tenant):
        token = self.token()
        self.settle(tenant, Command("projects", token, "POST", "/v2/projects", {"name": token}, []))

    def rename(self, tenant, conditional=False):
        with tenant.lock:
            known = list(tenant.heard["projects"].items())
        if not known:
            return self.create(tenant)
        (project, (_, version)), token = self.source.choice(known), self.token()
        headers = {"If-Match": f'"{version}"'} if conditional else None
        return self.settle(tenant, Command("projects", token, "PATCH", f"/v2/projects/{project}", {"name": token}, [project], headers))

    def rename_if(self, tenant):
        return self.rename(tenant, conditional=True)

    def event(self, token, name):
        return {"kind": "file", "entity": name, "type": self.source.choice(["file.added", "file.modified"]), "data": {"by": token}}

    def append(self, tenant):
        token, name = self.token(), self.file()
        body = {"expected_version": self.source.choice(["any", "any", tenant.version("files", name) or "no_stream"]),
                "events": [{"type": "file.modified", "data": {"by": token}}]}
        self.settle(tenant, Command("files", token, "POST", f"/v2/products/{PRODUCT}/file/{name}/events", body, [name]))

    def append_several(self, tenant):
        token, names = self.token(), [self.file() for _ in range(self.source.randrange(2, 6))]
        body = {"events": [self.event(token, name) for name in names]}
        if self.source.random() < 0.5:
            body["expected"] = [{"kind": "file", "entity": names[0], "version": tenant.version("files", names[0]) or "no_stream"}]
        self.settle(tenant, Command("files", token, "POST", f"/v2/products/{PRODUCT}/events", body, names))

    def again(self, refused):
        """Whether to go on with a command; some clients give up."""
        if self.traffic.overdue():
            return False
        if self.source.random() < (0.2 if refused else 0.05):
            return False
        time.sleep(self.source.uniform(0.02, 0.3))
        return True

    def settle(self, tenant, command):
        known = {entity: tenant.version(command.topic, entity) for entity in command.touches}
        while True:
            answer = self.ask(command.method, command.path, command.body, {**tenant.headers, **command.headers})
            if self.judge(tenant, command, answer, known) or not self.again(command.tries[-1] == "refused"):
                break
        self.traffic.add(command)

    def judge(self, tenant, command, answer, known):
        """Whether this answer is the last word."""
        if isinstance(answer, Exception):
            self.traffic.count(type(answer).__name__)
            command.tries.append("refused" if isinstance(answer, Unreached) else "unsure")
            return False
        if answer.status < 300:
            command.acknowledge(answer.mark)
            said = answer.json
            versions = [(event["entity"], event["version"]) for event in said["events"]] if "events" in said else [(said["id"], said["version"])]
            if len(versions) != max(1, len(command.touches)):
                self.traffic.fault(f"{command} answered with {versions}")
            for entity, version in versions:
                if version <= known.get(entity, 0):
                    self.traffic.fault(f"{command} made {entity} {version}, but {known[entity]} was acknowledged before")
            tenant.learn(command, versions)
            tenant.done.append(command)
            return True
        problem = problem_of(answer)
        self.traffic.count(problem)
        command.tries.append("unsure" if problem == "outcome-unknown" else "refused")
        if answer.status == 503:
            if "Retry-After" not in answer.headers:
                self.traffic.fault(f"{command}: 503 without Retry-After: {answer}")
            return False
        if problem in ("precondition-failed", "version-conflict"):
            told = answer.json.get("conflicts") or [{"entity": command.touches[0], "current_version": answer["current_version"]}]
            for conflict in told:
                if conflict["current_version"] < known[conflict["entity"]]:
                    self.traffic.fault(f"{command} refused by {answer}, but {known[conflict['entity']]} was acknowledged before")
        elif problem not in ("rate-limited",):
            self.traffic.fault(f"{command}: {answer}")
        return True

    def repeat(self, tenant):
        """What was acknowledged once is answered as then, by whomever."""
        if not tenant.done:
            return
        command = self.source.choice(list(tenant.done))
        answer = self.ask(command.method, command.path, command.body, {**tenant.headers, **command.headers})
        if isinstance(answer, Exception) or answer.status == 503:
            return
        self.traffic.count("repeated")
        if answer.status >= 300 or place_of(answer.mark) != command.place or answer.headers["Idempotent-Replayed"] != "true":
            self.traffic.fault(f"{command} again: {answer}")

    def bulk(self, tenant):
        lines = []
        for _ in range(self.source.randrange(2, 8)):
            token, names = self.token(), [self.file() for _ in range(self.source.randrange(1, 4))]
            lines.append(Command("files", token, "POST", f"/v2/products/{PRODUCT}/events", {"events": [self.event(token, name) for name in names]}, names))
        left = lines
        while left:
            answered = self.send_lines(tenant, left)
            left = left[answered:]
            if left and not self.again(left[0].tries[-1] == "refused"):
                break
        for line in lines:
            self.traffic.add(line)

    def send_lines(self, tenant, lines):
        """How many of them were acknowledged, in one request; what the others were told is noted."""
        body = b"".join(json.dumps({"idempotency_key": line.token, **line.body}).encode() + b"\n" for line in lines)
        client, sent = self.source.choice(self.clients), False
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=ANSWER_SECONDS)
        done, refusal = 0, None
        try:
            connection.connect()
            sent = True
            connection.request("POST", lines[0].path, body, {"Authorization": f"Bearer {client.key}", **tenant.headers, "Content-Type": "application/x-ndjson"})
            response = connection.getresponse()
            if response.status != 200:
                refusal = json.loads(response.read())
            while refusal is None and done < len(lines) and (text := response.readline()).endswith(b"\n"):
                said = json.loads(text)
                refusal = said.get("problem")
                if refusal is None:
                    lines[done].acknowledge(said["mark"])
                    tenant.learn(lines[done], [])
                    done += 1
                    if said["events"] != len(lines[done - 1].touches):
                        self.traffic.fault(f"{lines[done - 1]} answered {said}")
        except (OSError, http.client.HTTPException, ValueError) as failure:
            self.traffic.count(type(failure).__name__)
        finally:
            connection.close()
        self.note_lines(lines[done:], sent, refusal)
        return done

    def note_lines(self, left, sent, refusal):
        """Lines behind a refused one are not carried out (API.md); those behind an unknown one may be."""
        problem = refusal["type"].removeprefix("/problems/") if refusal else None
        if problem:
            self.traffic.count(problem)
            if refusal["status"] not in (503, 429):
                self.traffic.fault(f"{left[0]}: {refusal}")
        for line in left:
            line.tries.append("refused" if not sent or problem not in (None, "outcome-unknown") else "unsure")


class Reader(Worker):
    def step(self):
        tenant = self.source.choice(self.traffic.tenants)
        self.source.choice([self.one, self.page_of_files, self.page_of_projects, self.past, self.onwards, self.stale])(tenant)

    def read(self, tenant, path, mark):
        answer = self.ask("GET", path, headers={**tenant.headers, **PATIENT, **({"Tidemark": mark} if mark else {})})
        if isinstance(answer, Exception) or answer.status == 503:
            self.traffic.count("no read")
            return None
        self.traffic.reads += 1
        if answer.status != 200:
            self.traffic.fault(f"GET {path} at {mark}: {answer}")
            return None
        return answer

    def expect(self, entity, wanted, shown, what):
        if shown is None or shown < wanted:
            self.traffic.fault(f"{what} shows {entity} at {shown}, and {wanted} was acknowledged at or before its mark")

    def known(self, tenant, topic):
        mark, heard = tenant.snapshot(topic)
        return (mark, heard, self.source.choice(list(heard))) if heard else (None, None, None)

    def path(self, topic, entity):
        return f"/v2/projects/{entity}" if topic == "projects" else f"/v2/products/{PRODUCT}/file/{entity}"

    def one(self, tenant):
        topic = self.source.choice(["projects", "files"])
        mark, heard, entity = self.known(tenant, topic)
        if mark and (answer := self.read(tenant, self.path(topic, entity), mark)):
            self.expect(entity, heard[entity], answer["version"], f"a read at {mark}")

    def onwards(self, tenant):
        """What one process showed, another must know at the first one's mark."""
        topic = self.source.choice(["projects", "files"])
        mark, _, entity = self.known(tenant, topic)
        if mark and (first := self.read(tenant, self.path(topic, entity), mark)):
            if second := self.read(tenant, self.path(topic, entity), first.mark):
                self.expect(entity, first["version"], second["version"], f"a read at the mark of a read, {first.mark}")

    def past(self, tenant):
        """As of a mark, twice, at any two processes: the same answer, and not less than was acknowledged."""
        topic = self.source.choice(["projects", "files"])
        mark, heard, entity = self.known(tenant, topic)
        if not mark:
            return
        answers = [self.read(tenant, f"{self.path(topic, entity)}?as_of={mark}", mark) for _ in range(2)]
        if all(answers):
            self.expect(entity, heard[entity], answers[0]["version"], f"as of {mark}")
            if answers[0].json != answers[1].json:
                self.traffic.fault(f"as of {mark}: {answers}")

    def page_of_files(self, tenant):
        mark, heard, _ = self.known(tenant, "files")
        if mark and (answer := self.read(tenant, f"/v2/products/{PRODUCT}/file?limit={FILES_OF_ONE}", mark)):
            shown = {row["entity"]: row["version"] for row in answer["data"]}
            for entity, version in heard.items():
                self.expect(entity, version, shown.get(entity), f"a page at {mark}")

    def page_of_projects(self, tenant):
        mark, heard, _ = self.known(tenant, "projects")
        if mark and (answer := self.read(tenant, "/v2/projects?limit=20&order=desc", mark)):
            shown = {row["id"]: row["version"] for row in answer["data"]}
            last = min(shown) if len(shown) == 20 else ""
            for entity, version in heard.items():
                if entity >= last:
                    self.expect(entity, version, shown.get(entity), f"a page at {mark}")

    def stale(self, tenant):
        self.read(tenant, "/v2/projects?limit=5&stale=allow", None)


class Traffic:
    """The clients between start and end; afterwards what they know."""

    def __init__(self, clients, tenants, seed, writers, readers, think_seconds=0.01):
        self.clients, self.tenants, self.seed, self.think_seconds = clients, tenants, seed, think_seconds
        self.stopping, self.deadline, self.lock = threading.Event(), None, threading.Lock()
        self.commands, self.faults, self.answers = [], [], collections.Counter()
        self.reads, self.longest_gap, self.longest_command, self.last = 0, 0.0, 0.0, None
        self.workers = [Writer(self, n) for n in range(writers)] + [Reader(self, n) for n in range(readers)]

    def __enter__(self):
        self.last = time.monotonic()
        for worker in self.workers:
            worker.start()
        return self

    def __exit__(self, *_):
        self.deadline = time.monotonic() + SETTLE_SECONDS
        self.stopping.set()
        for worker in self.workers:
            worker.join(2 * SETTLE_SECONDS)
            if worker.is_alive():
                self.fault(f"{worker} does not end")

    def overdue(self):
        return self.deadline is not None and time.monotonic() > self.deadline

    def fault(self, text):
        with self.lock:
            self.faults.append(text[:2000])

    def count(self, what):
        with self.lock:
            self.answers[what] += 1

    def took(self, seconds):
        with self.lock:
            self.longest_command = max(self.longest_command, seconds)

    def add(self, command):
        with self.lock:
            self.commands.append(command)
            if command.place:
                now = time.monotonic()
                self.longest_gap, self.last = max(self.longest_gap, now - self.last), now

    def numbers(self):
        states = collections.Counter(command.state for command in self.commands)
        return {**states, "reads": self.reads, "longest_gap_s": round(self.longest_gap, 2),
                "longest_command_s": round(self.longest_command, 2), "answers": dict(self.answers)}


def tenants_of(clients, count, word):
    """So many new organizations, and a declared product for their files; every process knows them."""
    clients[0].put(f"/v2/products/{PRODUCT}", FILES)
    made = [clients[0].post("/v2/organizations", {"name": f"{word} {n}", "slug": f"{word}-{n}"})["id"] for n in range(count)]
    deadline = time.monotonic() + SETTLE_SECONDS
    for client in clients:
        while client.get(f"/v2/organizations/{made[-1]}", expect="any").status != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
    return [Tenant(organization) for organization in made]
