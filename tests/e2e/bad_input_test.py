# TIMEOUT 300
"""Every route refuses what it cannot take with a 4xx problem that names the field, and writes nothing.

The requests are generated from /openapi.json: a new route is covered by being there.
"""
import json
import re

import openapi
from client import NO_BODY
from harness import LOOPBACK_ALLOWED, PROJECT_FILES, ServerTest, run, unique


# Parameters whose every value could be somebody's: what names nothing matches nothing.
FREE_TEXTS = ("kind", "subject", "slug", "entity")


class BadInput(ServerTest):
    arguments = LOOPBACK_ALLOWED

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.product = unique("git")
        cls.server.declare(cls.product, PROJECT_FILES)
        cls.project_id = cls.acme.post("/v2/projects", {"name": "P"})["id"]
        cls.acme.post(f"/v2/products/{cls.product}/file/a/events", {"events": [{"type": "file.added", "data": {}}]})
        cls.kind = unique("kind")
        cls.platform.put(f"/v2/resource-kinds/{cls.kind}", {"provisioner": "external"})
        cls.resource_id = cls.acme.post("/v2/resources", {"project_id": cls.project_id, "environment": "production", "kind": cls.kind, "name": "main", "units": 1})["id"]
        cls.endpoint_id, cls.policy_id, cls.delivery_id = cls.delivery(cls, cls.acme)
        cls.replay_id = cls.waiting_replay(cls, cls.acme, cls.endpoint_id)
        cls.pipeline_id = cls.idle_pipeline(cls, cls.acme, cls.endpoint_id)
        cls.within = cls.platform.with_headers(Tidemark_Organization=cls.acme.organization)
        cls.operations = openapi.operations(cls.server.client())
        cls.sent = 0

    @classmethod
    def tearDownClass(cls):
        print(f"\nbad input: {cls.sent} bad bodies over {len(cls.operations)} operations")

    def setUp(self):
        self.assertGreater(len(self.operations), 25)
        self.before = self.written()

    def tearDown(self):
        self.assertEqual(self.written(), self.before, "a refused request wrote something")

    def written(self):
        """What is in the log: every event of the organization and of the platform."""
        mine, platform = (client.events() for client in (self.acme, self.platform.with_headers(Tidemark_Organization="org_platform")))
        return [event["id"] for event in mine + platform]

    def values(self, operation):
        """Ids that exist, by the word before the parameter."""
        values, words = {}, operation.path.split("/")
        for word, parameter in zip(words, words[1:]):
            if parameter.startswith("{"):
                known = {"organizations": self.acme.organization, "projects": self.project_id, "keys": self.acme.key_id, "environments": "staging", "members": "user_1", "secrets": "TOKEN",
                         "replays": self.replay_id, "pipelines": self.pipeline_id, "endpoints": self.endpoint_id, "retry-policies": self.policy_id, "deliveries": self.delivery_id, "resources": self.resource_id, "quotas": self.kind, "resource-kinds": self.kind, "products": self.product, "integrations": self.product, "problems": "not-found", "{product}": "file", "{name}": "file", "{kind}": "a"}
                self.assertIn(word, known, f"{operation.name}: teach this test an id of '{word}'")
                values[parameter[1:-1]] = known[word]
        return values

    def client(self, operation):
        """The platform key for what is the platform's, the same key within the organization for the rest."""
        platforms = operation.path.startswith("/v2/organizations") or operation.path == "/v2/status" or \
            (operation.method == "PUT" and operation.path.startswith(("/v2/products", "/v2/resource-kinds")))
        return self.platform if platforms else self.within

    def send(self, operation, body, **headers):
        type(self).sent += 1
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client(operation).request(operation.method, operation.url(self.values(operation)), content, expect="any", headers=headers)

    def refused(self, operation, answer, statuses, names, **named):
        self.assertIn(answer.status, statuses, f"{operation.name}: {answer}")
        name = answer.json["type"].removeprefix("/problems/")
        self.assertIn(name, names, f"{operation.name}: {answer}")
        self.problem(answer, name, **named)

    def test_a_route_that_is_new_must_be_taught(self):
        for path in ("/v2/widgets/{widget_id}", "/v2/projects/{project_id}/widgets/{widget}", "/v2/projects/{project_id}/{widget}"):
            with self.subTest(path), self.assertRaisesRegex(AssertionError, f"GET {re.escape(path)}: teach this test an id of"):
                self.values(openapi.Operation({}, "get", path, {}))

    def bodies(self):
        """(operation, a good body) of every operation that takes one."""
        with_body = [operation for operation in self.operations if operation.schema is not None]
        self.assertGreater(len(with_body), 8)
        for operation in with_body:
            yield operation, operation.body()

    def test_wrong_type(self):
        for operation, _ in self.bodies():
            for pointer, schema, good, put in operation.objects():
                for name, member in schema.get("properties", {}).items():
                    for value in openapi.wrong_values(operation, member):
                        with self.subTest(operation=operation.name, member=f"{pointer}/{name}", value=value):
                            answer = self.send(operation, put({**good, name: value}))
                            self.refused(operation, answer, [422], ["invalid-request"])
                            pointers = [error["pointer"] for error in answer["errors"]]
                            self.assertTrue([p for p in pointers if f"{p}/".startswith(f"{pointer}/{name}/")], answer)
            for value in ([], "text", 7, None, True):
                with self.subTest(operation=operation.name, value=value):
                    self.refused(operation, self.send(operation, value), [422], ["invalid-request"], pointer="")

    def test_missing_member(self):
        for operation, _ in self.bodies():
            for pointer, schema, good, put in operation.objects():
                for name in schema.get("required", []):
                    with self.subTest(operation=operation.name, member=f"{pointer}/{name}"):
                        without = {key: value for key, value in good.items() if key != name}
                        self.refused(operation, self.send(operation, put(without)), [422], ["invalid-request"], pointer=f"{pointer}/{name}")

    def test_unknown_member(self):
        for operation, _ in self.bodies():
            for pointer, schema, good, put in operation.objects():
                if "properties" not in schema:
                    continue  # an object of the user's own
                for name in ("zzz", "a/b~c", ""):
                    with self.subTest(operation=operation.name, member=f"{pointer}/{name}"):
                        self.refused(operation, self.send(operation, put({**good, name: 1})), [422], ["invalid-request"],
                                     pointer=f"{pointer}/{openapi.escaped(name)}")

    def test_writes_without_members_refuse_all(self):
        for operation in self.operations:
            if operation.writes and operation.schema is None and "application/x-ndjson" not in operation.content_types:
                with self.subTest(operation=operation.name):
                    self.refused(operation, self.send(operation, {"zzz": 1}), [422], ["invalid-request"], pointer="/zzz")

    def test_too_large(self):
        """To the byte: 1 MiB, and 4 MiB for events."""
        for operation, good in self.bodies():
            limit = (4 if operation.path.endswith("/events") else 1) * openapi.MIB
            start = json.dumps({**good, "zzz": ""}).encode()[:-2]
            for size, statuses, name in ((limit, [422], "invalid-request"), (limit + 1, [413], "too-large")):
                with self.subTest(operation=operation.name, size=size):
                    body = start + b"x" * (size - len(start) - 2) + b'"}'
                    self.refused(operation, self.send(operation, body), statuses, [name])

    def test_malformed(self):
        deep = b'{"zzz":' + b"[" * 64 + b"]" * 64 + b"}"
        for text in (deep, b'{"zzz":"\xff"}', b'{"zzz":"\xc0\x80"}', b'{"zzz":"\xed\xa0\x80"}', b'{"zzz":1,"zzz":1}', b'{"zzz":', b"nope", b"\x00"):
            for operation, _ in self.bodies():
                with self.subTest(operation=operation.name, text=text[:20]):
                    answer = self.send(operation, text)
                    self.refused(operation, answer, [400], ["malformed-json"])
                    self.assertIsInstance(answer["line"], int)
                    self.assertIsInstance(answer["column"], int)

    def test_wrong_content_type(self):
        for operation, good in self.bodies():
            for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x", "text/json", "application/merge-patch+xml"):
                with self.subTest(operation=operation.name, kind=kind):
                    self.refused(operation, self.send(operation, good, Content_Type=kind), [415], ["unsupported-media-type"])

    def test_wrong_method(self):
        methods = {}
        for operation in self.operations:
            methods.setdefault(operation.path, set()).add(operation.method)
        for operation in self.operations:
            url = operation.url(self.values(operation))
            for method in {"GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - methods[operation.path]:
                with self.subTest(path=operation.path, method=method):
                    answer = self.client(operation).request(method, url, expect="any")
                    self.refused(operation, answer, [405], ["method-not-allowed"])
                    allowed = {name.strip() for name in answer.headers["Allow"].split(",")}
                    self.assertLessEqual(methods[operation.path], allowed)

    def test_unknown_parameter(self):
        for operation in self.operations:
            if not operation.needs_key:
                continue  # probes and caches add parameters of their own
            with self.subTest(operation=operation.name):
                url = operation.url(self.values(operation)) + "?zzz=1"
                answer = self.client(operation).request(operation.method, url, operation.body() if operation.schema else b"", expect="any")
                self.refused(operation, answer, [400], ["invalid-parameter"], parameter="zzz")

    def ask(self, operation, url, body=None, **headers):
        """A request with a good body, or with this one; a refused stream answers like everything else."""
        if body is None:
            body = json.dumps(operation.body()).encode() if operation.schema else b""
        headers = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if operation.is_stream:
            with self.client(operation).stream(url.partition("?")[2], headers) as stream:
                self.assertGreaterEqual(stream.status, 400, operation.name)  # one that is not refused goes on for ever
        return self.client(operation).request(operation.method, url, body if operation.writes else NO_BODY, expect="any", headers=headers)

    def test_wrong_parameter_values(self):
        """A number, a mark, a cursor, a time, a word of a list: whatever is no such thing is refused and named."""
        for operation in self.operations:
            for name in operation.query_parameters:
                for value in ("%00", "%FF", "-1", "zzz%20zzz", "x" * 5000, ""):
                    if value != "%FF" and (name in FREE_TEXTS or (name, value) == ("type", "-1")):
                        continue
                    with self.subTest(operation=operation.name, parameter=name, value=value[:10]):
                        answer = self.ask(operation, f"{operation.url(self.values(operation))}?{name}={value}")
                        self.refused(operation, answer, [400], ["invalid-parameter"], parameter=name)

    def test_free_texts_match_nothing(self):
        for operation in self.operations:
            for name in set(operation.query_parameters) & set(FREE_TEXTS):
                with self.subTest(operation=operation.name, parameter=name):
                    answer = self.ask(operation, f"{operation.url(self.values(operation))}?{name}=zzz")
                    if name == "entity":
                        self.refused(operation, answer, [404], ["not-found"])
                    else:
                        self.assertEqual((answer.status, answer["data"]), (200, []), f"{operation.name}: {answer}")

    def test_wrong_path_values(self):
        for operation in self.operations:
            values = self.values(operation)
            for name in values:
                for value in ("%FF", "%00", "..", "x" * 3000, "org_x", "%F0%9F%9C%81"):
                    with self.subTest(operation=operation.name, parameter=name, value=value[:10]):
                        url = re.sub(r"\{(\w+)\}", lambda match: value if match[1] == name else openapi.percent(values[match[1]]), operation.path)
                        # A good body would be written where any text is a good name, so the body is wrong too.
                        answer = self.ask(operation, url, b'{"zzz":1}' if operation.schema else b"{}")
                        if value == "%FF":
                            self.refused(operation, answer, [400], ["invalid-parameter"], detail="segment")
                        elif operation.name == "PUT /v2/products/{product}" or (operation.writes and name in ("entity", "kind", "user_id") and value in ("org_x", "%F0%9F%9C%81")) \
                                or (operation.writes and name == "kind"):
                            self.refused(operation, answer, [422, 404], ["invalid-request", "not-found"])
                        elif operation.writes and name == "secret":
                            self.refused(operation, answer, [400, 422, 404], ["invalid-parameter", "invalid-request", "not-found"])
                        else:
                            self.refused(operation, answer, [404], ["not-found"])

    def test_wrong_headers(self):
        for operation in self.operations:
            if not operation.needs_key:
                continue
            wrong = [("Tidemark-Organization", "zzz"), ("Tidemark-Space", "zzz"), ("Tidemark-Space", "Live"), ("Prefer", "wait=x"), ("Prefer", "wait=-1")]
            wrong += [("If-Match", value) for value in ("zzz", "1", '"x"', '"1", "2"', '""')]
            wrong += [("Idempotency-Key", value) for value in ("x" * 256, "a b", "", "a\tb")]
            if not operation.writes:
                wrong += [("Tidemark", "zzz"), ("Tidemark", ",")]
            if operation.is_stream:
                wrong.append(("Last-Event-ID", "zzz"))
            for name, value in wrong:
                with self.subTest(operation=operation.name, header=name, value=value[:10]):
                    url = operation.url(self.values(operation))
                    answer = self.ask(operation, url, b'{"zzz":1}', **{name.replace("-", "_"): value})
                    if name == "Tidemark-Organization":
                        self.refused(operation, answer, [404], ["not-found"])  # whatever its form, there is none of this name
                    else:
                        self.refused(operation, answer, [400], ["invalid-parameter"], header=name)


if __name__ == "__main__":
    run()
