"""Load under faults, and what must be true after each: what tests of faults have in common.

    class Faults(FaultTest):                       # with a `cluster` (cluster.py) and a `table` of its class
        def test_…(self):
            with Load(self.cluster) as load:
                …                                  # break something
                self.go_on(load)
            self.check(load)
            self.seen(fault, promise, what was seen)

Writers create projects in organizations of their own and ask again with the same Idempotency-Key until they are answered
201. After the fault every process must show exactly what was acknowledged, once, with the id that was answered; and the
topics themselves must say so (oracle.py): each acknowledged command counts once, in the record that its mark names; what
was only refused does not count; each record that counts was decided on the one before it; versions have no gaps; every
process shows what the log has, and its rows are what that folds to.
"""
import contextlib
import http.client
import os
import secrets
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import lane
import table
from client import Client
from harness import unique
from oracle import Oracle, Seen, check_answers, check_commands, check_rows
from traffic import Command, Direct, Tenant, Unreached, problem_of

WRITERS = 8
ASKED_AGAIN = 3  # of each writer's commands, after the fault


class Writer(threading.Thread):
    """Creates projects, one after the other, at any process that answers."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        organization = load.cluster.clients[0].post("/v2/organizations", {"name": "Load", "slug": unique("load")}).json
        self.organization = organization["id"]
        self.tenant = Tenant(self.organization)
        self.written, self.commands = {}, {}  # slug: id of what was acknowledged; of all
        self.unsure = []                     # slugs of which no answer said anything
        self.answers, self.retries = [], {}  # times of 201; how often each other was answered

    def client(self, turn):
        cluster = self.load.cluster
        ports = [port for port, process in zip(cluster.ports, cluster.processes) if process.poll() is None]
        if not ports:
            raise ConnectionRefusedError("no process runs")
        return Direct(ports[(self.number + turn) % len(ports)], cluster.key)

    def command(self):
        """A new one, as its slug."""
        token = f"Tk{secrets.token_hex(8)}Z"
        slug = unique(f"p{self.number}")
        self.commands[slug] = Command("projects", token, "POST", "/v2/projects", {"name": token, "slug": slug}, [])
        return slug

    def ask(self, client, slug, timeout):
        """The answer, which is remembered."""
        command = self.commands[slug]
        try:
            answer = client.post(command.path, command.body, expect="any", headers={**self.tenant.headers, **command.headers}, timeout=timeout)
        except (OSError, http.client.HTTPException) as failure:
            command.tries.append("refused" if isinstance(failure, Unreached) else "unsure")
            raise
        if answer.status == 201:
            command.acknowledge(answer.mark)
            self.tenant.learn(command, [(answer["id"], answer["version"])])
            self.written[slug] = answer["id"]
        else:
            command.tries.append("unsure" if answer.status < 400 or problem_of(answer) == "outcome-unknown" else "refused")
        return answer

    def create(self, client, slug):
        """201, or what was answered or went wrong instead."""
        try:
            answer = self.ask(client, slug, self.load.patience)
        except (OSError, http.client.HTTPException) as failure:
            return type(failure).__name__
        if answer.status == 201:
            return 201
        lacks = answer.status == 503 and "Retry-After" not in answer.headers
        return f"{answer.status} {problem_of(answer)}{' without Retry-After' if lacks else ''}"

    def ask_once(self, client, timeout):
        """One more command, at this process; its answer."""
        slug = self.command()
        self.unsure.append(slug)
        return self.ask(Direct(client.port, client.key), slug, timeout)

    def run(self):
        turn, client = 0, None
        while not self.load.stopping:
            if not self.load.may_begin.wait(1):
                continue
            slug = self.command()
            while True:
                try:
                    client = client or self.client(turn)
                    status = self.create(client, slug)
                except ConnectionRefusedError as nobody:
                    status = type(nobody).__name__
                if status == 201:
                    break
                self.retries[status] = self.retries.get(status, 0) + 1
                if self.load.stopping:
                    self.unsure.append(slug)
                    return
                turn, client = turn + 1, None
                time.sleep(0.05)
            self.answers.append(time.monotonic())


class Load:
    def __init__(self, cluster, writers=WRITERS, patience=15):
        """`patience`: seconds until a writer that is not answered asks another process."""
        self.cluster, self.patience, self.stopping = cluster, patience, False
        self.may_begin = threading.Event()
        self.may_begin.set()
        self.writers = [Writer(self, number) for number in range(writers)]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        time.sleep(1)
        return self

    def __exit__(self, *_):
        self.stopping = True
        for writer in self.writers:
            writer.join(timeout=60)

    @contextlib.contextmanager
    def held(self, seconds=30):
        """Meanwhile nothing is on its way: all that was asked is answered, and nobody asks."""
        self.may_begin.clear()
        deadline = time.monotonic() + seconds
        while any(len(writer.written) < len(writer.commands) for writer in self.writers):
            if time.monotonic() > deadline:
                raise AssertionError("writers are not answered")
            time.sleep(0.01)
        yield
        self.may_begin.set()

    def longest_pause(self, since):
        """Of one writer, in seconds: how long it went without an answer that says 201."""
        pauses = [0]
        for writer in self.writers:
            times = [at for at in list(writer.answers) if at >= since]
            pauses += [later - earlier for earlier, later in zip([since, *times], times)]
        return max(pauses)

    def written(self):
        return sum(len(writer.written) for writer in self.writers)

    def refusals(self):
        total = {}
        for writer in self.writers:
            for status, count in dict(writer.retries).items():
                total[status] = total.get(status, 0) + count
        return total

    def times(self, text):
        """How often something of this name was answered, or went wrong, instead of 201."""
        return sum(count for name, count in self.refusals().items() if text in str(name))

    def text(self):
        return f"{self.written()} written, others {self.refusals()}"


class FaultTest(unittest.TestCase):
    """What every fault is followed by, and its line in the table."""

    asked = ()   # commands of all loads so far
    library = None

    @classmethod
    def print_table(cls):
        table.keep(cls.table, table.name_of_program())

    def seen(self, fault, promise, text):
        self.table.append((fault, promise, text))

    def start_the_dead(self):
        """Whether there were any."""
        dead = [number for number, process in enumerate(self.cluster.processes) if process.poll() is not None]
        for number in dead:
            self.cluster.start(number)
        for number in dead:
            self.cluster.wait_ready(number)
        return bool(dead)

    def go_on(self, load, seconds=60):
        """Waits until every writer is answered again; how long that took."""
        begun, before = time.monotonic(), [len(writer.written) for writer in load.writers]
        while any(len(writer.written) < count + 2 for writer, count in zip(load.writers, before)):
            self.assertLess(time.monotonic() - begun, seconds, f"nothing is written: {load.refusals()}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def projects(self, client):
        """(slug, id) of each that a process shows."""
        shown, after = [], ""
        while True:
            page = client.get(f"/v2/projects?limit=1000{after}").json
            shown += [(project["slug"], project["id"]) for project in page["data"]]
            if not page["next_cursor"]:
                return shown
            after = f"&cursor={page['next_cursor']}"

    def check(self, load):
        """Every process shows what was acknowledged, once, and nothing that nobody asked for, and all show the same."""
        self.start_the_dead()
        for writer in load.writers:
            self.assertFalse(writer.is_alive(), "a writer still waits")
            clients = [Client(port, self.cluster.key).with_headers(Tidemark_Organization=writer.organization)
                       for port in self.cluster.ports]
            for slug in list(writer.written)[-ASKED_AGAIN:]:
                self.ask_again(writer, slug, clients[hash(slug) % len(clients)])
            shown = [sorted(self.until_there(client, writer)) for client in clients]
            for listed in shown:
                self.check_shown(writer, listed)
            self.assertTrue(all(listed == shown[0] for listed in shown), "processes show different rows")
        self.check_log(load)

    def check_log(self, load):
        """What the topic itself says of all that was ever asked, and what each process shows of it."""
        type(self).asked = [*self.asked, *(command for writer in load.writers for command in writer.commands.values())]
        oracle = Oracle(self.library or lane.confluent_kafka(), self.cluster.bootstrap, {"projects": f"{self.cluster.prefix}projects"})
        try:
            oracle.read_on()
            faults = check_commands(self.asked, oracle)
            for client in self.cluster.clients:
                for writer in load.writers:
                    seen = Seen()
                    faults += check_answers(client, writer.tenant, "projects", oracle, seen)
                    faults += check_rows(client, writer.tenant, "projects", seen)
        finally:
            oracle.close()
        faults += self.cluster.criticals()
        self.assertEqual(len(faults), 0, "\n".join(faults[:10]))

    def check_shown(self, writer, listed):
        self.assertEqual(len(listed), len({slug for slug, _ in listed}), "something is there twice")
        self.assertEqual(set(writer.written.items()) - set(listed), set(), "acknowledged and lost")
        self.assertLessEqual({slug for slug, _ in listed} - set(writer.written), set(writer.unsure), "nobody asked for it")

    def ask_again(self, writer, slug, client):
        """Who repeats a command is told what was told before."""
        deadline, was = time.monotonic() + 30, writer.written[slug]
        place, client = writer.commands[slug].place, Direct(client.port, client.key)
        while (status := writer.create(client, slug)) != 201:
            self.assertLess(time.monotonic(), deadline, f"a repeated command is answered {status}")
            time.sleep(0.1)
        self.assertEqual((writer.written[slug], writer.commands[slug].place), (was, place), "a repeated command made something else")

    def until_there(self, client, writer):
        deadline = time.monotonic() + 20
        while True:
            shown = self.projects(client)
            if set(writer.written) <= {slug for slug, _ in shown} or time.monotonic() > deadline:
                return shown
            time.sleep(0.1)
