# TIMEOUT 600
# LABEL slow
"""Real histories go in by `tidemark import`, and every answer is held against an independent fold.

The fold here is ten lines of Python over the same file: the set of files after each commit.
"""
import json
import os
import random
import signal
import subprocess
import time
import unittest

from harness import PROGRAM, Server, run, tidemark

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "git_history")
MAPPING = os.path.join(HERE, "mapping.json")


class History:
    """The file's lines, and which files are alive after each commit."""

    def __init__(self, name):
        self.path = os.path.join(HERE, f"git-history-{name}.jsonl.zst")
        text = subprocess.run(["zstd", "-dc", self.path], capture_output=True, check=True).stdout
        self.lines = [json.loads(line) for line in text.splitlines()]
        self.records = [line for line in self.lines if line["changes"]]

    def alive(self, count=None):
        """{file: (commit that last touched it, how often it was touched)} after the first `count` records."""
        files, touched = {}, {}
        for line in self.records[:count]:
            for kind, name in line["changes"]:
                touched[name] = touched.get(name, 0) + 1
                if kind == "D":
                    files.pop(name, None)
                else:
                    files[name] = line["commit"]
        return {name: (commit, touched[name]) for name, commit in files.items()}


class GitHistory(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(lambda: self.server.close(keep="KEEP_DATA" in os.environ))
        self.server.start()
        with open(os.path.join(HERE, "manifest.json"), encoding="utf-8") as file:
            self.server.declare("git", json.load(file))
        self.client = self.server.organization()

    def command(self, history, *more):
        return ["import", "--url", f"http://127.0.0.1:{self.server.port}", "--mapping", MAPPING, *more, history.path]

    @property
    def environment(self):
        return {**os.environ, "TIDEMARK_KEY": self.client.key}

    def rows(self, query=""):
        return {row["entity"]: (row["state"]["commit"], row["version"])
                for row in self.client.pages(f"/v2/products/git/file{query}", limit=1000)}

    def marks(self):
        """{commit: mark of its record}, and each commit's events in the order of the log."""
        marks, changes = {}, {}
        for event in self.client.events("product=git"):
            commit = event["data"]["commit"]
            marks[commit] = event["mark"]
            changes.setdefault(commit, []).append([event["data"]["change"], event["subject"]])
            self.assertEqual(event["type"], {"A": "file.added", "M": "file.modified", "D": "file.deleted"}[event["data"]["change"]])
        return marks, changes

    def check_everything(self, history, commits):
        self.assertEqual(self.rows(), history.alive())
        marks, changes = self.marks()
        self.assertEqual(list(changes), [line["commit"] for line in history.records])
        self.assertEqual(list(changes.values()), [line["changes"] for line in history.records])
        seed = random.randrange(1 << 30)
        for place in sorted(random.Random(seed).sample(range(len(history.records)), commits)):
            mark = marks[history.records[place]["commit"]]
            self.assertEqual(self.rows(f"?as_of={mark}"), history.alive(place + 1), f"record {place}, seed {seed}")

    def check_rebuild(self):
        """The hash of the rows is that of rows built anew."""
        self.server.stop()
        data = self.server.data_arguments()
        before = tidemark("projections", "hash", *data).stdout
        begun = time.monotonic()
        tidemark("projections", "rebuild", *data)
        seconds = time.monotonic() - begun
        self.assertEqual(tidemark("projections", "hash", *data).stdout, before)
        self.server.start()
        return seconds

    def test_kafka(self):
        history = History("apache-kafka")
        self.assertEqual((len(history.lines), sum(len(line["changes"]) for line in history.lines)), (13492, 98257))
        begun = time.monotonic()
        done = tidemark(*self.command(history, "--json"), env=self.environment)
        seconds = time.monotonic() - begun
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["events"], 98257)
        print(f"\nimport: {98257 / seconds:,.0f} events/s with the program's start")
        self.assertEqual(len(self.rows()), 6519)
        self.check_everything(history, commits=50)
        print(f"rebuild: {self.check_rebuild():.1f} s")
        self.assertEqual(self.rows(), history.alive())

    def test_leveldb_at_every_kind_of_time(self):
        history = History("google-leveldb")
        tidemark(*self.command(history), env=self.environment)
        self.check_everything(history, commits=100)
        events = self.client.events("product=git")
        times = {line["commit"]: line["time"] for line in history.lines}
        for event in events[:: len(events) // 40]:
            self.assertEqual(event["time"], time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(times[event["data"]["commit"]])))
        # By time: what the log had accepted then, all records of that millisecond included.
        records = [line["commit"] for line in history.records]
        accepted = {event["data"]["commit"]: event["recordedtime"] for event in events}
        for commit in records[:: len(records) // 10]:
            count = sum(accepted[other] <= accepted[commit] for other in records)
            self.assertEqual(self.rows(f"?as_of={accepted[commit]}"), history.alive(count))

    def test_importing_again_adds_nothing(self):
        history = History("google-leveldb")
        for _ in range(2):
            tidemark(*self.command(history), env=self.environment)
        self.check_everything(history, commits=5)
        self.check_rebuild()
        tidemark(*self.command(history), env=self.environment)
        self.assertEqual(self.rows(), history.alive())

    def test_server_killed_in_the_middle(self):
        """The server dies during the import, a few times; the import is run again each time."""
        history = History("apache-kafka")
        resume = os.path.join(self.server.directory, "resume")
        killed = 0
        for pause in (0.3, 0.5, 0.8):
            importing = subprocess.Popen([PROGRAM, *self.command(history, "--resume", resume)], env=self.environment,
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(pause)
            self.server.kill()
            killed += importing.poll() is None
            importing.kill()
            importing.wait()
            self.server.start()
        self.assertGreater(killed, 0, "the import was over before the first kill")
        tidemark(*self.command(history, "--resume", resume), env=self.environment)
        self.check_everything(history, commits=10)
        self.check_rebuild()
        self.assertEqual(self.rows(), history.alive())

    def test_import_killed_in_the_middle(self):
        history = History("apache-kafka")
        resume = os.path.join(self.server.directory, "resume")
        for pause in (0.2, 0.4, 0.6):
            importing = subprocess.Popen([PROGRAM, *self.command(history, "--resume", resume)], env=self.environment,
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(pause)
            importing.send_signal(signal.SIGKILL)
            importing.wait()
        tidemark(*self.command(history, "--resume", resume), env=self.environment)
        self.check_everything(history, commits=3)

    def test_wrong_mappings_and_lines_are_named(self):
        path = os.path.join(self.server.directory, "lines.jsonl")
        mapping_path = os.path.join(self.server.directory, "mapping.json")
        with open(MAPPING, encoding="utf-8") as file:
            good = json.load(file)

        def attempt(mapping, lines):
            with open(path, "w", encoding="utf-8") as file:
                file.write("".join(line + "\n" for line in lines))
            with open(mapping_path, "w", encoding="utf-8") as file:
                json.dump(mapping, file)
            done = tidemark("import", "--url", f"http://127.0.0.1:{self.server.port}", "--mapping", mapping_path, path, expect=None,
                            env=self.environment)
            self.assertNotEqual(done.returncode, 0)
            return done.stderr

        line = json.dumps({"commit": "c1", "time": 1, "author": "a", "changes": [["A", "x"]]})
        self.assertIn("colour", attempt({**good, "colour": 1}, [line]))
        self.assertIn("2", attempt(good, [line, "{"]))
        self.assertIn("2", attempt(good, [line, line.replace('"A"', '"Q"')]))
        self.assertIn("2", attempt(good, [line, '{"commit":"c2"}']))
        self.assertEqual(set(self.rows()) - {"x"}, set())


if __name__ == "__main__":
    run()
