# TIMEOUT 300
"""The example provisioner against a real PostgreSQL: databases are made, scaled and removed as asked, once
each, whoever is killed in between. Skipped, and said so, where PostgreSQL is not installed."""
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Server, free_port, run, unique  # noqa: E402

from provisioner import PREFIX, Databases  # noqa: E402

PROGRAMS = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
USER = "postgres" if os.geteuid() == 0 else None  # PostgreSQL does not run as root
SECONDS = 60


class Postgres:
    """A cluster of its own under a temporary directory."""

    def __init__(self):
        self.directory, self.port = tempfile.mkdtemp(prefix="tidemark-postgres-"), free_port()
        if USER:
            shutil.chown(self.directory, USER)
        self.environment = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "tidemark"}
        self.program("initdb", "-D", f"{self.directory}/data", "-U", "tidemark", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C").wait()
        self.process = self.program("postgres", "-D", f"{self.directory}/data", "-h", "127.0.0.1", "-p", str(self.port), "-k", self.directory, "-F")

    def program(self, name, *arguments):
        return subprocess.Popen([f"{PROGRAMS[-1]}/{name}", *arguments], user=USER, cwd="/", stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def until(condition, what):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            found = condition()
        except OSError:  # the server is away
            found = None
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not in {SECONDS} s: {what}")


class ProvisionerTest(unittest.TestCase):
    def setUp(self):
        if not PROGRAMS:
            print("\nSKIPPED: there is no PostgreSQL; install Debian's package postgresql", file=sys.stderr)
            self.skipTest("there is no PostgreSQL: install Debian's package postgresql")
        self.postgres = Postgres()
        self.addCleanup(self.postgres.close)
        for name, value in self.postgres.environment.items():
            os.environ[name] = value
        self.server = Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.acme, self.kind = self.server.organization(), unique("postgres")
        self.server.platform.put(f"/v2/resource-kinds/{self.kind}", {"provisioner": "external"})
        self.project = self.acme.post("/v2/projects", {"name": "Web shop"})["id"]
        self.key = self.server.key(self.acme.organization, ["resources:read", "resources:report", "events:read"]).key
        self.provisioner = None
        self.addCleanup(self.kill_provisioner)
        self.start_provisioner()
        self.databases = Databases()
        until(self.answers, "PostgreSQL")

    def answers(self):
        try:
            return self.databases.sql("select 1")
        except RuntimeError:
            return None

    def start_provisioner(self):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "provisioner.py")
        self.output = open(os.path.join(self.server.directory, "provisioner"), "ab")
        self.addCleanup(self.output.close)
        self.provisioner = subprocess.Popen(
            [sys.executable, "-B", program, "--url", f"http://127.0.0.1:{self.server.port}", "--kind", self.kind,
             "--mark", os.path.join(self.server.directory, "mark")],
            env={**os.environ, **self.postgres.environment, "TIDEMARK_KEY": self.key}, stdout=self.output, stderr=self.output)

    def kill_provisioner(self):
        if self.provisioner and self.provisioner.poll() is None:
            self.provisioner.kill()
            self.provisioner.wait()

    def create(self, units=3):
        return self.acme.post("/v2/resources", {"project_id": self.project, "environment": "production", "kind": self.kind, "name": "main", "units": units},
                              headers={"Idempotency-Key": unique("create")}, expect=202)["id"]

    def get(self, resource):
        return self.acme.get(f"/v2/resources/{resource}", expect="any")

    def is_active(self, resource, units):
        found = self.get(resource)
        return found.status == 200 and found["state"] == "active" and found["units"] == units and found

    def is_gone(self, resource):
        return self.get(resource).status == 404 and PREFIX + resource not in self.databases.names()

    def types(self, resource):
        return [event["type"].removeprefix("resource.") for event in self.acme.get(f"/v2/resources/{resource}/events?limit=1000")["data"]]

    def test_a_database_is_made_scaled_watched_and_removed(self):
        resource = self.create()
        active = until(lambda: self.is_active(resource, 3), "active")
        self.assertEqual(active["outputs"]["database"], PREFIX + resource)
        self.assertEqual(self.databases.names(), {PREFIX + resource: 3})
        until(lambda: self.get(resource)["health"] == "healthy", "healthy")
        self.acme.post(f"/v2/resources/{resource}/scale", {"units": 5}, expect=202)
        until(lambda: self.is_active(resource, 5), "scaled")
        self.assertEqual(self.databases.names(), {PREFIX + resource: 5})
        self.databases.sql(f'drop database "{PREFIX + resource}"')
        until(lambda: self.get(resource)["health"] == "unhealthy", "unhealthy")
        self.acme.delete(f"/v2/resources/{resource}", expect=202)
        until(lambda: self.is_gone(resource), "gone")

    def test_a_deleted_projects_databases_go(self):
        resources = [self.create() for _ in range(5)]
        for resource in resources:
            until(lambda: self.is_active(resource, 3), "active")
        self.acme.delete(f"/v2/projects/{self.project}", expect=204)
        for resource in resources:
            until(lambda: self.is_gone(resource), "gone")

    def test_kills_make_nothing_twice_and_forget_nothing(self):
        seed = int(os.environ.get("SEED", time.time()))
        print(f"\nSEED={seed}")
        chance = random.Random(seed)
        wanted, ended = {}, []
        for _ in range(10):
            for _ in range(chance.randrange(1, 4)):
                units = chance.randrange(1, 9)
                wanted[self.create(units)] = units
            for resource in list(wanted):
                step = chance.randrange(4)
                if step == 0:
                    units = chance.randrange(1, 9)
                    if self.acme.post(f"/v2/resources/{resource}/scale", {"units": units}, expect="any").status < 300:
                        wanted[resource] = units
                elif step == 1 and len(wanted) > 2:
                    self.acme.delete(f"/v2/resources/{resource}", expect=202)
                    del wanted[resource]
                    ended.append(resource)
            time.sleep(chance.random() * 0.5)
            who = chance.choice(["provisioner", "tidemark", "both"])
            if who != "tidemark":
                self.kill_provisioner()
            if who != "provisioner":
                self.server.kill()
                self.acme.close()
                self.server.start()
            if who != "tidemark":
                self.start_provisioner()
        for resource, units in wanted.items():
            until(lambda: self.is_active(resource, units), f"{resource} active with {units}")
        for resource in ended:
            until(lambda: self.is_gone(resource), f"{resource} gone")
        self.assertEqual(self.databases.names(), {PREFIX + resource: units for resource, units in wanted.items()})
        for resource in [*wanted, *ended]:
            types = self.types(resource)
            self.assertLessEqual(types.count("activated"), 1)
            unscaled = types.count("scale_requested") - types.count("scaled")
            self.assertIn(unscaled, (0, 1) if resource in ended else (0,), types)  # one may be taken away meanwhile
            self.assertEqual(types.count("deprovisioned"), int(resource in ended))


if __name__ == "__main__":
    run()
