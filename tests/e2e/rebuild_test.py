# TIMEOUT 300
"""Rows made anew beside a server that serves: under load, taken over, killed anywhere; and what `tidemark projections`
tells of rows. REBUILD_KILLS sets another number of kills."""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

from harness import PROGRAM, ROOT, Server, ServerTest, run, tidemark, unique
from mixed_load import World, check

KILLS = int(os.environ.get("REBUILD_KILLS", "12"))
SECONDS = 60
# Of the rows, which their directory is called by.
with open(os.path.join(ROOT, "api", "rows_directory.h"), encoding="utf-8") as header:
    VERSION = re.search(r"rows_version = (\d+);", header.read())[1]


def until(condition, what):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not in {SECONDS} s: {what}")


class Rows(ServerTest):
    def setUp(self):
        if self.server.process.poll() is not None:
            self.server.start()

    def projections(self, command, *more, **options):
        return tidemark("projections", command, *more, *self.server.data_arguments(), **options)

    def status(self):
        return self.server.platform.get("/v2/status")["projections"]

    def whole(self):
        """Names of the rows that could serve."""
        names = os.listdir(os.path.join(self.server.data, "rows"))
        return sorted(name for name in names if name.replace(".", "").isdigit())

    def hash(self):
        return self.projections("hash").stdout

    def check_hash(self, *where):
        """What serves is what the log gives."""
        self.server.stop()
        before = self.hash()
        self.assertEqual(self.projections("rebuild").stdout, before, *where)
        self.assertEqual(self.hash(), before, *where)
        self.server.start()


class Beside(Rows):
    def test_new_rows_take_over_under_load(self):
        seed = random.randrange(1 << 30)
        world = World(self.server, self.declare_files(), seed)
        world.start(10)
        time.sleep(1)
        before = self.status()["generation"]
        for round_number in (1, 2):
            done = self.projections("rebuild", "--json")
            self.assertEqual(done.stderr.count("has not let go"), 0, done.stderr)
            made = json.loads(done.stdout)
            self.assertGreater(made["events"], 0)
            until(lambda: self.status()["generation"] == before + round_number, "taken over")
            until(lambda: self.whole() == [f"{self.status()['version']}.{before + round_number}"], "the former gone")
            until(lambda: self.status()["builds"] == [], "nothing is being made")
        time.sleep(0.5)
        self.assertEqual(world.stop(), [], f"seed {seed}")
        world.settle()
        check(self, world, f"seed {seed}")
        self.check_hash(f"seed {seed}")

    def test_waits_and_marks_go_on_over_the_change(self):
        project = self.acme.post("/v2/projects", {"name": "Stays", "slug": unique("stays")})
        generation = self.status()["generation"]
        rebuild = subprocess.Popen([PROGRAM, "projections", "rebuild", *self.server.data_arguments()],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        version, taken = 1, None
        while taken is None or version < taken + 20:
            changed = self.acme.patch(f"/v2/projects/{project['id']}", {"name": f"Name {version}"})
            version += 1
            self.assertEqual(changed["version"], version)
            read = self.acme.get(f"/v2/projects/{project['id']}", headers={"Tidemark": changed.mark})
            self.assertEqual(read["version"], version)
            if taken is None and self.status()["generation"] > generation:
                taken = version
        self.assertEqual(rebuild.wait(timeout=SECONDS), 0)
        past = self.acme.get(f"/v2/projects/{project['id']}?as_of={project.mark}")
        self.assertEqual(past["name"], "Stays")

    def test_one_makes_rows_at_a_time(self):
        first = subprocess.Popen([PROGRAM, "projections", "rebuild", *self.server.data_arguments()],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: first.poll() is not None or
              f"{self.status()['version']}.building" in os.listdir(os.path.join(self.server.data, "rows")), "begun")
        first.send_signal(signal.SIGSTOP)
        if first.poll() is None:
            self.assertIn("another process makes the rows", self.projections("rebuild", expect=1).stderr)
        first.send_signal(signal.SIGCONT)
        self.assertEqual(first.wait(timeout=SECONDS), 0)

    def test_list_names_what_is_there(self):
        rows = os.path.join(self.server.data, "rows")
        os.makedirs(os.path.join(rows, "1"), exist_ok=True)
        self.addCleanup(shutil.rmtree, os.path.join(rows, "1"))
        listed = {row["name"]: row["state"] for row in json.loads(self.projections("list", "--json").stdout)}
        self.assertEqual(listed["1"], "of another version of the program")
        self.assertIn("serves", listed.values())
        self.assertIn("of another version", self.projections("list").stdout)

    def test_explain_prints_the_events_that_made_a_row(self):
        project = self.acme.post("/v2/projects", {"name": "Told", "slug": unique("told")})
        other = self.acme.post("/v2/projects", {"name": "Other", "slug": unique("other")})
        self.acme.patch(f"/v2/projects/{project['id']}", {"name": "Told twice"})
        words = ("projects", "project", project["id"], "--organization", self.acme.organization)

        def told():
            done = self.projections("explain", *words, "--json", expect=None)
            return json.loads(done.stdout) if done.returncode == 0 and len(json.loads(done.stdout)) == 2 else None
        explained = until(told, "durable by a frame behind it")
        asked = self.acme.get(f"/v2/projects/{project['id']}/events")["data"]
        self.assertEqual([(event["id"], event["type"], event["data"]) for event in explained],
                         [(event["id"], event["type"], event["data"]) for event in asked])
        text = self.projections("explain", *words).stdout
        self.assertIn("project.changed", text)
        self.assertNotIn(other["id"], text)
        wrong = self.projections("explain", "projects", "project", other["id"], expect=1)  # the platform's own
        self.assertIn("--organization", wrong.stderr)
        self.assertIn("knows no product", self.projections("explain", "unheard", "of", "it", expect=2).stderr)
        self.assertIn("--organization", self.projections("explain", *words[:3], "--organization", "acme", expect=2).stderr)


class Killed(Rows):
    """Of one process on a journal."""

    def fill(self):
        product = self.declare_files()
        for batch in range(10):
            events = [{"kind": "file", "entity": f"f{batch}-{number}", "type": "file.added", "data": {"size": number}} for number in range(900)]
            self.acme.post(f"/v2/products/{product}/events", {"events": events}, expect=201)

    def start_beside(self, rebuild):
        """A rebuild that found no server has the directory to itself until it is through."""
        told = len(self.server.output())
        try:
            self.server.start()
        except AssertionError:
            if "another process uses" not in self.server.output()[told:]:
                raise
            rebuild.wait(timeout=SECONDS)
            self.server.start()

    def test_killed_anywhere_either_rows_are_whole(self):
        seed = random.randrange(1 << 30)
        source = random.Random(seed)
        self.fill()
        self.server.stop()
        expected = self.hash()
        self.server.start()
        for number in range(KILLS):
            where = f"kill {number}, seed {seed}"
            rebuild = subprocess.Popen([PROGRAM, "projections", "rebuild", *self.server.data_arguments()],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(source.uniform(0, 1.2))
            victims = source.choice(["rebuild", "server", "both"])
            if victims != "server":
                rebuild.kill()
                rebuild.wait()
            if victims != "rebuild":
                self.server.kill()
                self.start_beside(rebuild)
            rebuild.wait(timeout=SECONDS)
            self.assertEqual(self.acme.get("/v2/projects?limit=1").status, 200, where)
        self.projections("rebuild")  # goes on where the last one was
        self.server.stop()
        self.assertEqual(self.hash(), expected, f"seed {seed}")
        self.server.start()
        self.assertEqual(len(self.whole()), 1, f"seed {seed}")

    def test_an_interrupted_one_goes_on(self):
        self.fill()
        self.server.stop()
        expected = self.hash()
        building = os.path.join(self.server.data, "rows", f"{VERSION}.building")
        shutil.copytree(os.path.join(self.server.data, "rows", self.whole()[-1]), building)
        done = json.loads(self.projections("rebuild", "--json").stdout)
        self.assertEqual(done["records"], 0, "everything was there already")
        self.assertEqual(done["state_hash"] + "\n", expected)
        self.server.start()

    def test_rows_that_are_broken_are_made_anew(self):
        self.fill()
        self.server.stop()
        expected = self.hash()
        serving = os.path.join(self.server.data, "rows", self.whole()[-1])
        for name in os.listdir(serving):
            if name.endswith(".sst"):
                os.remove(os.path.join(serving, name))
        self.server.launch()
        self.server.process.wait(timeout=SECONDS)
        self.assertIn("tidemark projections rebuild", self.server.output())
        self.assertEqual(self.projections("rebuild").stdout, expected)
        self.server.start()

    def test_rows_that_cannot_serve_leave_it_to_older_ones(self):
        name = self.acme.post("/v2/projects", {"name": "Here", "slug": unique("here")})["id"]
        other = Server()
        self.addCleanup(other.close)
        other.start()
        other.organization().post("/v2/projects", {"name": "Elsewhere", "slug": "elsewhere"})
        other.stop()
        self.server.stop()
        rows = os.path.join(self.server.data, "rows")
        before = self.whole()
        shutil.copytree(os.path.join(other.data, "rows", VERSION), os.path.join(rows, f"{VERSION}.98"))  # of another log
        os.mkdir(os.path.join(rows, f"{VERSION}.99"))
        with open(os.path.join(rows, f"{VERSION}.99", "CURRENT"), "w", encoding="ascii") as file:
            file.write("MANIFEST-000001\n")
        self.server.start()
        self.assertEqual(self.whole(), before)
        self.assertEqual(self.acme.get(f"/v2/projects/{name}")["name"], "Here")
        self.assertIn("going on with older", self.server.output())

    def test_rows_of_another_log_are_not_taken_over(self):
        other = Server()
        self.addCleanup(other.close)
        other.start()
        other.organization().post("/v2/projects", {"name": "Elsewhere", "slug": "elsewhere"})
        other.stop()
        before = self.status()["generation"]
        shutil.copytree(os.path.join(other.data, "rows", VERSION), os.path.join(self.server.data, "rows", f"{VERSION}.{before + 1}"))
        until(lambda: "are not taken over yet" in self.server.output(), "refused")
        self.assertEqual(self.status()["generation"], before)
        self.acme.post("/v2/projects", {"name": "Goes on", "slug": unique("goes-on")})
        self.server.stop()
        self.server.start()
        self.assertEqual(self.status()["generation"], before)

    def test_a_half_made_one_is_told_in_the_status(self):
        with open(os.path.join(self.server.data, "rows", f"{VERSION}.progress"), "w", encoding="ascii") as file:
            json.dump({"version": int(VERSION), "records": 5, "records_total": 10, "events_per_second": 7, "told": 1}, file)
        self.addCleanup(os.remove, file.name)
        until(lambda: self.status()["builds"], "told")
        self.assertEqual(self.status()["builds"],
                         [{"version": int(VERSION), "state": "interrupted", "records": 5, "records_total": 10, "events_per_second": 7}])


if __name__ == "__main__":
    run()
