# TIMEOUT 120
"""What an operator looks at: API.md, "Operations", and the program's own commands."""
import json
import os
import re

from harness import Server, ServerTest, run, tidemark


class Operations(ServerTest):
    def test_without_a_key(self):
        anyone = self.server.client()
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
            anyone.get(path, expect=200)
            anyone.get(f"{path}?t=1&t=2", expect=200)  # probes and caches add what they like

    def test_status_is_the_platforms(self):
        self.project()
        status = self.platform.get("/v2/status", expect=200)
        self.assertIn("projects", json.dumps(status.json))
        self.problem(self.acme.get("/v2/status", expect=403), "forbidden")
        self.problem(self.server.client().get("/v2/status", expect=401), "unauthenticated")

    def test_metrics(self):
        self.project()
        text = self.server.client().get("/metrics").body.decode()
        names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
        for word in ("request", "commit", "batch", "lag", "stream"):
            self.assertTrue([name for name in names if word in name], f"no metric with '{word}' among {sorted(names)}")
        for line in text.splitlines():
            self.assertRegex(line, r'^(#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eEInfNa]+)$')
        self.assertNotIn(self.acme.organization, text)

    def test_openapi_describes_what_there_is(self):
        document = self.server.client().get("/openapi.json").json
        self.assertRegex(document["openapi"], r"^3\.")
        operations = {(method.upper(), path) for path, item in document["paths"].items() for method in item
                      if method in ("get", "put", "post", "patch", "delete")}
        for method, path in (("POST", "/v2/organizations"), ("GET", "/v2/organizations"), ("POST", "/v2/auth/keys"), ("GET", "/v2/auth/whoami"),
                             ("POST", "/v2/projects"), ("GET", "/v2/projects"), ("GET", "/v2/events"), ("GET", "/v2/events/stream"), ("GET", "/v2/status")):
            self.assertIn((method, path), operations)
        for shape in (r"PATCH /v2/projects/\{\w+\}", r"POST /v2/projects/\{\w+\}/archive", r"PUT /v2/products/\{\w+\}", r"POST /v2/products/\{\w+\}/events",
                      r"GET /v2/products/\{\w+\}/\{\w+\}", r"POST /v2/products/\{\w+\}/\{\w+\}/\{\w+\}/events", r"POST /v2/auth/keys/\{\w+\}/rotate"):
            self.assertTrue([1 for method, path in operations if re.fullmatch(shape, f"{method} {path}")], shape)
        self.assertEqual(len({operation["operationId"] for item in document["paths"].values() for operation in item.values() if isinstance(operation, dict)}),
                         sum(isinstance(operation, dict) for item in document["paths"].values() for operation in item.values()))

    def test_docs_are_a_page(self):
        page = self.server.client().get("/docs")
        self.assertTrue(page.headers["Content-Type"].startswith("text/html"))
        self.assertIn(b"/v2/projects", page.body + self.server.client().get("/openapi.json").body)
        self.assertNotRegex(page.body.decode(), r"""(src|href)=["']https?://""")


class Logs(ServerTest):
    arguments = ("--log-format=json",)

    def test_a_line_a_request_without_secrets_or_payloads(self):
        self.acme.post("/v2/projects", {"name": "Very private name"}, headers={"X-Request-Id": "find-me-1"})
        lines = [json.loads(line) for line in self.server.output().splitlines() if line.startswith("{")]
        self.assertTrue(lines)
        self.assertNotIn("Very private name", self.server.output())
        self.assertNotIn(self.acme.key, self.server.output())


class Commands(ServerTest):
    def test_version_and_help(self):
        self.assertRegex(tidemark("version").stdout, r"\d+\.\d+\.\d+")
        self.assertEqual(tidemark("--version").stdout, tidemark("version").stdout)
        text = tidemark("--help").stdout
        for name in ("serve", "import", "replay", "projections", "log", "keys", "config", "version"):
            self.assertIn(name, text)
            self.assertTrue(tidemark(name, "--help").stdout)

    def test_unknown_words_are_errors(self):
        for arguments in (("fly",), ("serve", "--colour"), ("log", "paint"), ("serve", "--listen", "nonsense"), ()):
            self.assertNotEqual(tidemark(*arguments, expect=None).returncode, 0, arguments)

    def test_keys_generate(self):
        keys = {tidemark("keys", "generate").stdout.strip() for _ in range(3)}
        self.assertEqual(len(keys), 3)
        for key in keys:
            self.assertRegex(key, r"^le_live_[0-9A-Za-z]{50}$")

    def test_config_show_says_where_values_come_from_and_hides_secrets(self):
        secret = tidemark("keys", "generate").stdout.strip()
        shown = tidemark("config", "show", env={**os.environ, "TIDEMARK_BOOTSTRAP_KEY": secret}).stdout
        self.assertNotIn(secret, shown)
        self.assertIn("listen", shown)

    def test_log_verify_dump_and_projections_hash_of_a_stopped_server(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        client = server.organization()
        for n in range(20):
            client.post("/v2/projects", {"name": f"P{n}"})
        busy = tidemark("projections", "hash", "--data", server.data, expect=None)
        self.assertNotEqual(busy.returncode, 0, "a running directory must be refused")
        server.stop()
        tidemark("log", "verify", "--data", server.data)
        self.assertIn("project.created", tidemark("log", "dump", "--data", server.data).stdout)
        before = tidemark("projections", "hash", "--data", server.data).stdout
        tidemark("projections", "rebuild", "--data", server.data)
        self.assertEqual(tidemark("projections", "hash", "--data", server.data).stdout, before)
        self.assertRegex(before, r"[0-9a-f]{16,}")
        server.start()
        self.assertEqual(len(list(client.pages("/v2/projects"))), 20)

    def test_replay_prints_events_as_json_lines(self):
        for n in range(5):
            self.acme.post("/v2/projects", {"name": f"P{n}"})
        environment = {**os.environ, "TIDEMARK_KEY": self.acme.key}
        done = tidemark("replay", "--url", f"http://127.0.0.1:{self.server.port}", "--type", "project.*", env=environment)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([event["id"] for event in events], [event["id"] for event in self.acme.events("type=project.*")])


if __name__ == "__main__":
    run()
