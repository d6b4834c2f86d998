"""The command line: what it prints, where, and with which exit status."""
import glob
import json
import os
import re
import subprocess
import tempfile
import time
import unittest

from harness import FILES, PROGRAM, Server, ServerTest, run, tidemark, unique

KEY = r"^le_(live|test)_[0-9A-Za-z]{50}$"


class WithoutServer(unittest.TestCase):
    def test_every_command_has_help_with_examples(self):
        for command in ("serve", "import", "replay", "listen", "projections rebuild", "projections hash", "log verify", "log dump",
                        "log accept-loss", "backup", "restore", "keys create", "keys generate", "config show"):
            help_text = tidemark(*command.split(), "--help").stdout
            self.assertIn(f"\n  tidemark {command}", help_text.replace("TIDEMARK_LISTEN=0.0.0.0:80 ", ""), command)
            self.assertIn("Examples:", help_text)
        self.assertIn("Exit status", tidemark("--help").stdout)
        self.assertRegex(tidemark("version").stdout, r"^tidemark \d+\.\d+\.\d+$")

    def test_unknown_words_are_usage_errors_with_a_hint(self):
        for words, hint in ((("improt",), "import"), (("serve", "--lisen", "x"), "--listen"), (("log", "verfy"), "verify"),
                            (("serve", "--listen=1", "--dat=x"), "--data")):
            done = tidemark(*words, expect=2)
            self.assertEqual(done.stdout, "")
            self.assertIn(f"did you mean {hint}?", done.stderr)
        self.assertIn("--mapping", tidemark("import", "x.jsonl", expect=2).stderr)

    def test_settings_and_where_they_come_from(self):
        with tempfile.TemporaryDirectory() as directory:
            os.makedirs(os.path.join(directory, "settings"))
            with open(os.path.join(directory, "settings", "a.json"), "w", encoding="utf-8") as file:
                json.dump({"listen": "127.0.0.1:1", "threads": 2}, file)
            environment = {**os.environ, "HOME": directory, "TIDEMARK_THREADS": "3", "TIDEMARK_KEY": "le_live_secret"}
            shown = tidemark("config", "show", "--json", cwd=directory, env=environment).stdout
            self.assertNotIn("le_live_secret", shown)
            settings = json.loads(shown)
            self.assertEqual(settings["listen"], {"value": "127.0.0.1:1", "origin": "./settings/a.json"})
            self.assertEqual(settings["threads"], {"value": "3", "origin": "TIDEMARK_THREADS"})
            self.assertEqual(settings["key"], {"value": "(secret)", "origin": "TIDEMARK_KEY"})
            self.assertEqual(settings["data"]["origin"], "default")
            flags = json.loads(tidemark("config", "show", "--json", "--threads", "5", cwd=directory, env=environment).stdout)
            self.assertEqual(flags["threads"], {"value": "5", "origin": "--threads"})
            environment["TIDEMARK_THREDS"] = "4"
            for command in (("config", "show"), ("serve",), ("replay",)):
                self.assertIn("did you mean TIDEMARK_THREADS?", tidemark(*command, cwd=directory, env=environment, expect=2).stderr)

    def test_generated_keys(self):
        self.assertRegex(tidemark("keys", "generate").stdout, KEY)
        self.assertIn("le_test_", tidemark("keys", "generate", "--space", "test").stdout)
        tidemark("keys", "generate", "--space", "other", expect=2)

    def test_directories_without_data(self):
        with tempfile.TemporaryDirectory() as directory:
            for command in (("log", "verify"), ("log", "dump"), ("projections", "hash"), ("projections", "rebuild")):
                self.assertIn("is no data directory", tidemark(*command, "--data", directory, expect=1).stderr)
            self.assertEqual(os.listdir(directory), [])


class Importing(ServerTest):
    def setUp(self):
        self.product = unique("git")
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.mapping = self.write("mapping.json", json.dumps({
            "product": self.product, "kind": "file", "entity": {"line": "/f"}, "type": {"line": "/t"}}))
        self.environment = {**os.environ, "TIDEMARK_KEY": self.acme.key, "TIDEMARK_URL": f"http://127.0.0.1:{self.server.port}"}

    def write(self, name, text):
        path = os.path.join(self.directory.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def lines(self, *files, name="lines.jsonl", kind="file.modified"):
        return self.write(name, "".join(json.dumps({"f": file, "t": kind}) + "\n" for file in files))

    def importing(self, path, *more, expect=0, **environment):
        return tidemark("import", "--mapping", self.mapping, *more, path, expect=expect, env={**self.environment, **environment})

    def versions(self):
        return {row["entity"]: row["version"] for row in self.acme.get(f"/v2/products/{self.product}/file?limit=1000")["data"]}

    def test_with_the_manifest_and_the_platform_key(self):
        manifest = self.write("manifest.json", json.dumps(FILES))
        with open(self.server.key_file, encoding="ascii") as file:
            key = file.read().strip()
        done = self.importing(self.lines("a", "b", "a"), "--declare", manifest, "--organization", self.acme.organization,
                              "--json", TIDEMARK_KEY=key)
        self.assertEqual({name: json.loads(done.stdout)[name] for name in ("lines", "records", "events")},
                         {"lines": 3, "records": 3, "events": 3})
        self.assertEqual(self.versions(), {"a": 2, "b": 1})

    def test_without_a_key_of_the_mapping_a_repeated_import_adds_nothing(self):
        self.server.declare(self.product, FILES)
        path = self.lines("a", "a", "b")
        self.assertNotIn("there already", self.importing(path).stderr)
        with open(path, "a", encoding="utf-8") as file:
            file.write('{"f":"c","t":"file.added"}\n')
        again = self.importing(path, "--json")
        self.assertIn("3 of these events were there already", again.stderr)
        self.assertEqual((json.loads(again.stdout)["events"], json.loads(again.stdout)["replayed_events"]), (4, 3))
        self.assertEqual(self.versions(), {"a": 2, "b": 1, "c": 1})

    def test_resuming(self):
        self.server.declare(self.product, FILES)
        note = os.path.join(self.directory.name, "note")
        self.importing(self.lines("a", "b"), "--resume", note)
        done = json.loads(self.importing(self.lines("a", "b", "c"), "--resume", note, "--json").stdout)
        self.assertEqual((done["records"], done["last_line"]), (1, 3))
        self.assertEqual(self.versions(), {"a": 1, "b": 1, "c": 1})
        for other in (self.lines("a", "b", "x"), self.lines("a")):
            self.assertIn("another input", self.importing(other, "--resume", note, expect=1).stderr)

    def test_a_platform_key_is_told_of_the_flag(self):
        self.server.declare(self.product, FILES)
        refused = self.importing(self.lines("a"), expect=3, TIDEMARK_KEY=self.server.platform.key)
        self.assertIn("name it with --organization", refused.stderr)

    def test_refusals(self):
        self.assertIn("Not found", self.importing(self.lines("a"), expect=3).stderr)
        self.server.declare(self.product, FILES)
        path = self.lines("a", "b")
        with open(path, "a", encoding="utf-8") as file:
            file.write('{"f":"c","t":"file.eaten"}\n{"f":"d","t":"file.added"}\n')
        refused = self.importing(path, expect=3)
        self.assertIn(f"{path}:3: refused", refused.stderr)
        self.assertIn("type", refused.stderr)
        self.assertEqual(self.versions(), {"a": 1, "b": 1})
        self.importing(path, expect=3, TIDEMARK_KEY=self.acme.key[:-1] + "!")
        self.assertIn("holds no key", self.importing(path, "--key-file", os.devnull, expect=2).stderr)
        nobody = {name: value for name, value in self.environment.items() if name != "TIDEMARK_KEY"}
        self.assertIn("who asks", tidemark("import", "--mapping", self.mapping, path, expect=2, env=nobody).stderr)

    def test_nobody_listens(self):
        begun = time.monotonic()
        self.assertIn("cannot reach", self.importing(self.lines("a"), expect=1, TIDEMARK_URL="http://127.0.0.1:1").stderr)
        self.assertLess(time.monotonic() - begun, 10)

    def test_through_a_pipe_while_the_server_is_killed(self):
        """The import goes on by itself when the server comes back; every line is there once."""
        self.server.declare(self.product, FILES)
        importing = subprocess.Popen([PROGRAM, "import", "--mapping", self.mapping, "--json", "-"], env=self.environment,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        count = 0

        def feed(lines):
            nonlocal count
            for _ in range(lines):
                importing.stdin.write(json.dumps({"f": f"f{count % 50}", "t": "file.modified"}) + "\n")
                count += 1
            importing.stdin.flush()

        def wait_for(total):
            deadline = time.monotonic() + 20
            while sum(self.versions().values()) < total:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)

        feed(3)
        wait_for(3)  # what was typed is sent, though the pipe is open
        for _ in range(2):
            feed(500)
            self.server.kill()
            feed(500)
            self.server.start()
            wait_for(count)
        out, err = importing.communicate(timeout=60)
        self.assertEqual(importing.returncode, 0, err)
        self.assertEqual(json.loads(out)["events"], count)
        self.assertEqual(sum(self.versions().values()), count)

    def test_replay(self):
        self.server.declare(self.product, FILES)
        self.importing(self.lines("a", "b", "a", "c"))
        time.sleep(0.01)
        self.importing(self.lines("z", name="more.jsonl", kind="file.added"))

        def replay(*arguments):
            done = tidemark("replay", "--product", self.product, *arguments, env=self.environment)
            self.assertEqual(done.stderr, "")
            return [json.loads(line) for line in done.stdout.splitlines()]

        events = replay()
        self.assertEqual([event["subject"] for event in events], ["a", "b", "a", "c", "z"])
        self.assertEqual(events, self.acme.get(f"/v2/events?product={self.product}&after=beginning")["data"])
        self.assertEqual(len(replay("--subject", "a")), 2)
        self.assertEqual(len(replay("--subject", "a", "--subject", "b")), 3)
        self.assertEqual(len(replay("--type", "file.added")), 1)
        self.assertEqual(len(replay("--type", "file.*", "--limit", "3")), 3)
        self.assertEqual(replay("--kind", "nothing"), [])
        self.assertEqual(replay("--from", events[4]["recordedtime"]), events[4:])
        self.assertEqual(replay("--to", events[4]["recordedtime"]), events[:4])
        self.assertIn("from", tidemark("replay", "--from", "yesterday", env=self.environment, expect=3).stderr)

    def test_replay_is_paced_counted_and_resumed(self):
        self.server.declare(self.product, FILES)
        self.importing(self.lines(*(f"f{number % 7}" for number in range(60))))

        def replay(*arguments, expect=0):
            return tidemark("replay", "--product", self.product, *arguments, env=self.environment, expect=expect)

        events = [json.loads(line) for line in replay().stdout.splitlines()]
        kept = [json.loads(line)["subject"] for line in replay("--filter", "event.subject in ['f1', 'f3']").stdout.splitlines()]
        self.assertEqual(kept, [event["subject"] for event in events if event["subject"] in ("f1", "f3")])
        self.assertIn("nothing is called 'subject'", replay("--filter", "subject == 'f1'", expect=3).stderr)

        counted = json.loads(replay("--dry-run", "--json").stdout)
        self.assertEqual(counted, {"events": 60, "by_type": {"file.modified": 60}, "first": events[0]["recordedtime"], "last": events[-1]["recordedtime"]})
        self.assertRegex(replay("--dry-run", "--subject", "f1").stdout, r"^9 events, \S+Z to \S+Z\n +9  file.modified\n$")
        self.assertEqual(replay("--dry-run", "--kind", "none").stdout, "0 events\n")

        begun = time.monotonic()
        self.assertEqual(len(replay("--rate", "20/s", "--limit", "11").stdout.splitlines()), 11)
        self.assertGreater(time.monotonic() - begun, 0.5, "ten intervals of 50 ms")
        time.sleep(1.2)
        self.importing(self.lines("late", name="late.jsonl"))
        begun = time.monotonic()
        self.assertEqual(len(replay("--speed", "2x").stdout.splitlines()), 61)
        self.assertGreater(time.monotonic() - begun, 0.6, "1.2 s twice as fast")

        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "events.jsonl")

            def content():
                with open(path, encoding="utf-8") as file:
                    return file.read()
            self.assertEqual(replay("--output", path, "--limit", "20").stdout, "")
            self.assertIn("--resume", replay("--output", path, expect=2).stderr)
            first = content()
            self.assertEqual(len(first.splitlines()), 20)
            for cut in (len(first), len(first) - 1, len(first) - 40):  # whole, without its line end, within a line
                with open(path, "w", encoding="utf-8") as file:
                    file.write(first[:cut])
                replay("--output", path, "--resume")
                self.assertEqual([json.loads(line) for line in content().splitlines()][:60], events)
                self.assertEqual(len(content().splitlines()), 61)
            replay("--output", path, "--resume")
            self.assertEqual(len(content().splitlines()), 61)
            with open(path, "w", encoding="utf-8") as file:
                file.write("{}\n")
            self.assertIn("no mark", replay("--output", path, "--resume", expect=2).stderr)
            self.assertEqual(content(), "{}\n")
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"precious": true}')
            self.assertIn("no file of replayed events", replay("--output", path, "--resume", expect=2).stderr)
            self.assertEqual(content(), '{"precious": true}')
            with open(path, "w", encoding="utf-8") as file:
                file.write(first[:20])
            replay("--output", path, "--resume")
            self.assertEqual(len(content().splitlines()), 61)
        for wrong in (("--rate", "0"), ("--rate", "fast"), ("--rate", "-1/s"), ("--speed", "0x"), ("--speed", "nan"), ("--resume",), ("--json",),
                      ("--dry-run", "--output", "x")):
            self.assertIn(wrong[0], replay(*wrong, expect=2).stderr)

    def test_keys(self):
        with open(self.server.key_file, encoding="ascii") as file:
            environment = {**self.environment, "TIDEMARK_KEY": file.read().strip()}
        create = ("keys", "create", "--organization", self.acme.organization, "--name", "ci", "--permission", "projects:read",
                  "--permission", "events:read")
        made = tidemark(*create, env=environment).stdout.strip()
        self.assertRegex(made, KEY)
        self.assertEqual(self.server.client(made).get("/v2/auth/whoami")["permissions"], ["projects:read", "events:read"])
        answer = json.loads(tidemark(*create, "--space", "test", "--json", env=environment).stdout)
        self.assertEqual((answer["space"], answer["name"]), ("test", "ci"))
        refused = tidemark(*create, "--permission", "nonsense", env=environment, expect=3)
        self.assertIn("permissions", refused.stderr)


class TheLog(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.acme = self.server.organization()
        for _ in range(20):
            self.acme.post("/v2/projects", {"name": "Web shop", "slug": unique("web-shop")})

    def offline(self, *words, **options):
        return tidemark(*words, "--data", self.server.data, **options)

    def segment(self):
        return sorted(glob.glob(os.path.join(self.server.data, "journal", "permanent", "0*")))[0]

    def test_a_running_server_has_its_directory(self):
        for command in (("log", "accept-loss", "8..16"), ("projections", "hash")):
            self.assertIn("another process uses", self.offline(*command, expect=1).stderr)

    def test_verify_and_dump_of_a_running_server_see_what_is_durable(self):
        running = json.loads(self.offline("log", "verify", "--json").stdout)
        self.assertEqual((running["running"], running["damages"], running["faults"]), (True, [], []))
        self.assertIn(f"up to position {running['end_position']}", self.offline("log", "verify").stdout)
        dumped = self.offline("log", "dump", "--topic", "projects", "--json").stdout.splitlines()
        self.assertEqual(sum(len(json.loads(line).get("events", [])) for line in dumped), 20)
        self.acme.post("/v2/projects", {"name": "Goes on", "slug": unique("goes-on")})
        self.server.stop()
        stopped = json.loads(self.offline("log", "verify", "--json").stdout)
        self.assertEqual((stopped["running"], stopped["events"]), (False, running["events"] + 1))

    def test_verify(self):
        self.server.stop()
        report = json.loads(self.offline("log", "verify", "--versions", "--json").stdout)
        self.assertEqual((report["damages"], report["faults"], report["torn_bytes"]), ([], [], 0))
        self.assertGreater(report["events"], 20)
        self.assertRegex(self.offline("log", "verify").stdout, rf"events +{report['by_verdict']['events']}")

    def test_verify_after_a_kill_changes_nothing(self):
        self.server.kill()
        with open(self.segment(), "rb") as file:
            before = file.read()
        self.offline("log", "verify", "--versions")
        with open(self.segment(), "rb") as file:
            self.assertEqual(file.read(), before)

    def test_dump(self):
        self.server.stop()
        text = self.offline("log", "dump").stdout
        self.assertIn("project.created project proj_", text)
        records = [json.loads(line) for line in self.offline("log", "dump", "--json").stdout.splitlines()]
        self.assertEqual(len(records), json.loads(self.offline("log", "verify", "--json").stdout)["records"])
        self.assertEqual([record["topic"] for record in records[:2]], ["log", "log"])
        projects = [json.loads(line) for line in self.offline("log", "dump", "--topic", "projects", "--json").stdout.splitlines()]
        self.assertEqual(sum(len(record.get("events", [])) for record in projects), 20)
        self.assertEqual(projects[1]["events"][0]["data"]["name"], "Web shop")
        self.assertNotIn("mark", projects[-1]["events"][0])
        self.assertIn("there is no topic nothing; there are ", self.offline("log", "dump", "--topic", "nothing", expect=2).stderr)
        one = self.offline("log", "dump", "--topic", "projects", "--partition", str(projects[5]["partition"]), "--from",
                           str(projects[5]["offset"]), "--limit", "1", "--json").stdout
        self.assertEqual(json.loads(one), projects[5])
        keys = [event for record in records for event in record.get("events", []) if event["type"] == "key.created"]
        self.assertEqual(len(keys), 2)
        for event in keys:
            self.assertNotIn("digest", json.dumps(event))

    def test_damage_is_named_and_can_be_accepted(self):
        self.server.stop()
        projects = [json.loads(line) for line in self.offline("log", "dump", "--topic", "projects", "--json").stdout.splitlines()]
        lost = projects[10]
        with open(self.segment(), "r+b") as file:
            file.seek(4096 + lost["position"] + 200)
            file.write(b"damaged!")
        verified = self.offline("log", "verify", "--json", expect=4)
        report = json.loads(verified.stdout)
        self.assertEqual(len(report["damages"]), 1)
        self.assertTrue(report["damages"][0].startswith(f"{lost['position']}.."), report)
        self.assertIn("accept-loss", verified.stderr)
        self.assertIn(report["damages"][0], self.offline("log", "dump", expect=4).stderr)
        self.assertIn(report["damages"][0], self.offline("log", "accept-loss", "8..16", expect=2).stderr)
        self.offline("log", "accept-loss", "nonsense", expect=2)
        self.offline("log", "accept-loss", report["damages"][0])
        again = json.loads(self.offline("log", "verify", "--versions", "--json").stdout)
        self.assertEqual((again["damages"], again["accepted_losses"]), ([], report["damages"]))
        self.assertIn(report["damages"][0], self.offline("log", "accept-loss", report["damages"][0], expect=2).stderr)
        self.server.start()
        self.acme.post("/v2/projects", {"name": "After", "slug": unique("after")})

    def test_rebuild_gives_the_same_rows(self):
        self.server.kill()
        before = self.offline("projections", "hash").stdout
        self.assertRegex(before, r"^[0-9a-f]{64}\n$")
        self.assertEqual(self.offline("projections", "rebuild").stdout, before)
        self.assertEqual(json.loads(self.offline("projections", "hash", "--json").stdout)["state_hash"], before.strip())
        self.server.start()
        self.assertEqual(len(self.acme.get("/v2/projects?limit=100")["data"]), 20)


if __name__ == "__main__":
    run()
