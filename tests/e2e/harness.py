"""What the end-to-end tests share: the real program as a child process, and ways to talk to it.

    class ProjectsTest(ServerTest):
        def test_slug_is_unique(self):
            self.acme.post("/v2/projects", {"name": "Web", "slug": "web"})
            again = self.acme.post("/v2/projects", {"name": "Web", "slug": "web"}, expect=409)
            self.problem(again, "slug-taken", pointer="/slug")

The program is the one that the environment's TIDEMARK names, else build/release/tidemark. Every server
gets a fresh data directory and a free port on 127.0.0.1, and is killed when its test class ends.
Nothing but Python's standard library.

With E2E_BROKERS=host:port a server is one of three processes over a log of its own on those brokers:
it answers what is asked, and about two thirds of the writing is done by its companions.
"""
import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from urllib.parse import quote

from client import SECONDS_MAX, Client

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.environ.get("TIDEMARK", os.path.join(ROOT, "build", "release", "tidemark"))
BROKERS = os.environ.get("E2E_BROKERS")
counter = itertools.count(1)


def unique(word):
    """A word nobody else used in this run; fit for a slug."""
    return f"{word}-{next(counter)}"


# What a server needs whose webhooks go to the machine that it runs on.
LOOPBACK_ALLOWED = ("--egress-allow", "127.0.0.0/8")


def percent(text):
    """A path segment, every reserved character encoded."""
    return quote(text, safe="")


GIVEN_PORTS = set()


def free_port():
    """One that nobody has now, that was not given before (who asked for that may not have taken it yet), and that the
    system gives to nobody who wants any: those begin at 32,768."""
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = 10_000 + secrets.randbelow(22_000)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in GIVEN_PORTS:
            GIVEN_PORTS.add(port)
            return port


def tidemark(*arguments, expect=0, **options):
    """Runs a command of the program to its end; its output as text."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=300, **options)
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"tidemark {' '.join(arguments)}: exit {done.returncode}, expected {expect}\n"
                             f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


class Server:
    """One `tidemark serve` over a data directory of its own. It may be killed and started again."""

    def __init__(self, *arguments, environment=None, data=None):
        self.directory = tempfile.mkdtemp(prefix="tidemark-")
        self.data = data or os.path.join(self.directory, "data")
        self.key_file = os.path.join(self.directory, "platform.key")
        self.output_file = os.path.join(self.directory, "output")
        self.arguments, self.environment = arguments, environment or {}
        self.process = None
        self.port = free_port()
        self.companions = []
        if BROKERS:
            self.join_cluster()

    def join_cluster(self):
        """Arguments and keys that all processes of one cluster have in common."""
        root_key = os.path.join(self.directory, "root.key")
        with open(os.open(root_key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        with open(self.key_file, "w", encoding="ascii") as file:
            file.write(tidemark("keys", "generate").stdout)
        common = ["--log", f"kafka://{BROKERS}", "--kafka-topic-prefix", f"e{secrets.token_hex(6)}.",
                  "--root-key", root_key]
        if "--partitions" not in self.arguments:
            common += ["--partitions", "8"]
        self.arguments = (*self.arguments, *common)
        self.companions = [Companion(self, number) for number in (2, 3)]

    def launch(self):
        """Starts the program and does not wait for it."""
        self.process = self.run(self.data, self.port)
        for companion in self.companions:
            companion.launch()
        return self

    def run(self, data, port):
        with open(self.output_file, "ab") as output:
            return subprocess.Popen(
                [PROGRAM, "serve", "--data", data, "--listen", f"127.0.0.1:{port}",
                 *(["--bootstrap-key-file", self.key_file] if self.key_file else []), *self.arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **self.environment})

    def start(self):
        """Starts the program and waits until it is ready; how long that took, in seconds."""
        begun = time.monotonic()
        self.launch()
        self.wait_ready()
        return time.monotonic() - begun

    def settle(self):
        """Until a declaration knows what was written: it goes by what its own process has folded of other partitions."""
        if BROKERS:
            time.sleep(2)

    def wait_ready(self, seconds=60):
        deadline = time.monotonic() + seconds
        for process, port in [(self.process, self.port), *((one.process, one.port) for one in self.companions)]:
            self.wait_for(process, port, deadline)

    def wait_for(self, process, port, deadline):
        probe, last = Client(port), None
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise AssertionError(f"the server ended with {process.returncode}:\n{self.output()[-6000:]}")
            try:
                last = probe.get("/readyz", expect="any", timeout=5)
                if last.status == 200:
                    probe.close()
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"not ready in time: {last}\n{self.output()[-6000:]}")

    def data_arguments(self):
        """What a command that works on the rows of the stopped server is given."""
        where = [f for pair in zip(self.arguments, self.arguments[1:]) if pair[0] in ("--log", "--kafka-topic-prefix") for f in pair]
        return ["--data", self.data, *where]

    def output(self):
        with open(self.output_file, encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        """SIGKILL: what a power cut looks like to the process, though not to the disk."""
        self.process.kill()
        self.process.wait()

    def stop(self, expect=0):
        """SIGTERM; the program ends gracefully."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=SECONDS_MAX)
        if code != expect:
            raise AssertionError(f"exit {code} after SIGTERM, expected {expect}\n{self.output()[-6000:]}")

    def close(self, keep=False):
        if self.process and self.process.poll() is None:
            self.kill()
        for companion in self.companions:
            companion.close()
        if keep:
            print(f"kept for a look: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def client(self, key=None, **headers):
        return Client(self.port, key).with_headers(**headers)

    @property
    def platform(self):
        with open(self.key_file, encoding="ascii") as file:
            return self.client(file.read().strip())

    def organization(self, name="Acme", permissions=("*",), space="live"):
        """A new organization and a client with a key of it."""
        organization = self.platform.post("/v2/organizations", {"name": name, "slug": unique("organization")})["id"]
        return self.key(organization, permissions, space)

    def key(self, organization, permissions=("*",), space="live", **more):
        """A client with a new key of this organization; it knows .organization and .key_id."""
        made = self.platform.with_headers(Tidemark_Organization=organization).post(
            "/v2/auth/keys", {"name": unique("key"), "space": space, "permissions": list(permissions), **more}, expect=201)
        client = self.client(made["key"])
        client.organization, client.key_id = organization, made["id"]
        return client

    def declare(self, name, manifest):
        return self.platform.put(f"/v2/products/{name}", manifest)


class Companion:
    """Another process over the same log, with rows of its own."""

    def __init__(self, server, number):
        self.server, self.data = server, f"{server.data}-{number}"
        self.port, self.process = free_port(), None

    def launch(self):
        if self.process is None or self.process.poll() is not None:
            self.process = self.server.run(self.data, self.port)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


FILES = {"description": "files of a repository", "kinds": {"file": {"events": {
    "file.added": {"fold": "replace"}, "file.modified": {"fold": "merge"}, "file.deleted": {"fold": "delete"}}}}}

# The same, each file of a project.
PROJECT_FILES = {"kinds": {"file": {**FILES["kinds"]["file"], "project": "/project_id"}}}


class ServerTest(unittest.TestCase):
    """A server for the whole class, and one organization `acme` with an all-powerful key."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.arguments)
        cls.addClassCleanup(lambda: cls.server.close(keep="KEEP_DATA" in os.environ))
        cls.server.start()
        cls.platform = cls.server.platform
        cls.acme = cls.server.organization()

    def problem(self, answer, name, pointer=None, parameter=None, header=None, detail=None):
        """The answer is a problem of this type, in its whole shape, and names what is wrong."""
        self.assertEqual(answer.headers.get_content_type(), "application/problem+json", answer)
        body = answer.json
        self.assertEqual(body["type"], f"/problems/{name}", answer)
        self.assertEqual(body["status"], answer.status, answer)
        for member in ("title", "detail", "request_id"):
            self.assertIsInstance(body.get(member), str, f"{member} of {body}")
        self.assertTrue(body["request_id"], answer)
        self.assertEqual(body["request_id"], answer.headers["X-Request-Id"], answer)
        for kind, wanted in (("pointer", pointer), ("parameter", parameter), ("header", header)):
            if wanted is not None:
                named = [error.get(kind) for error in body.get("errors", [])]
                if kind == "header":
                    named, wanted = [str(name).lower() for name in named], wanted.lower()
                self.assertIn(wanted, named, answer)
        if detail is not None:
            self.assertRegex(json.dumps(body), detail)
        return body

    def check_rebuild(self):
        """Rows made anew from the log are the same. The server starts again."""
        self.server.stop()
        before = tidemark("projections", "hash", "--data", self.server.data).stdout
        shutil.rmtree(os.path.join(self.server.data, "rows"))
        self.server.start()
        self.server.stop()
        self.assertEqual(tidemark("projections", "hash", "--data", self.server.data).stdout, before)
        self.server.start()

    def assert_id(self, prefix, text):
        self.assertRegex(text, rf"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$")

    def assert_time(self, text):
        self.assertRegex(text, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def assert_mark(self, text):
        self.assertRegex(text or "", r"^tm1_[A-Za-z0-9_-]+$")
        self.assertLessEqual(len(text), 2800)

    def delivery(self, client, path="hook"):
        """An endpoint where nobody listens, a retry policy, and a delivery that fails there: their ids."""
        policy = client.post("/v2/webhooks/retry-policies", {"name": path, "delays_seconds": [86400]})["id"]
        endpoint = client.post("/v2/webhooks/endpoints", {"url": f"http://127.0.0.1:9/{path}", "types": ["endpoint.tested"], "retry_policy_id": policy})["id"]
        delivery = client.post(f"/v2/webhooks/endpoints/{endpoint}/test")["delivery_id"]
        while client.get(f"/v2/webhooks/deliveries/{delivery}", expect="any").status != 200:
            time.sleep(0.01)
        return endpoint, policy, delivery

    def waiting_replay(self, client, endpoint):
        """A replay that does not end, to such an endpoint: its id."""
        return client.post("/v2/replays", {"from": "beginning", "types": ["*"], "sink": {"endpoint_id": endpoint}})["id"]

    def idle_pipeline(self, client, endpoint):
        """A pipeline that nothing goes through, to such an endpoint: its id."""
        return client.post("/v2/pipelines", {"name": "idle", "source": {"types": ["nothing.at_all"]}, "sink": {"endpoint_id": endpoint}})["id"]

    def project(self, **members):
        return self.acme.post("/v2/projects", {"name": "Web shop", "slug": unique("web-shop"), **members}, expect=201)

    def declare_files(self):
        """A declared product of files under a name of its own."""
        name = unique("git")
        self.server.declare(name, FILES)
        return name


def run(test_module="__main__"):
    """Runs a file's tests; `python3 x_test.py [TestClass[.test_name]]`."""
    if not os.path.exists(PROGRAM):
        sys.exit(f"there is no {PROGRAM}; build it with ./run --build-only, or name another in TIDEMARK")
    unittest.main(test_module, verbosity=2, warnings="ignore")

