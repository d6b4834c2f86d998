# TIMEOUT 480
"""The server answers as its own description says: /openapi.json is a valid OpenAPI document, and no answer to what a
fuzzer makes of it is a 5xx, or of a status, a type or a shape that it does not name.

openapi-spec-validator and schemathesis come from PyPI into an environment of their own below build/; where they cannot
be had this is skipped. SCHEMATHESIS_SECONDS (60) is for each of two keys, the platform's and an organization's, and
SCHEMATHESIS_SEED (1) begins another course, `any` one that nobody knows. What the fuzzer is told of the server stands in fuzzing.py.
"""
import collections
import json
import os
import subprocess
import sys
import unittest

from harness import LOOPBACK_ALLOWED, ROOT, ServerTest, run

HERE = os.path.dirname(os.path.abspath(__file__))
REQUIREMENTS = os.path.join(HERE, "conformance_requirements.txt")
ENVIRONMENT = os.path.join(ROOT, "build", "conformance", f"python{sys.version_info.major}.{sys.version_info.minor}")
SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "60"))
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "unsupported_method", "allow_header_conformance", "ignored_auth")
# Left out of the fuzzing: a stream of events goes on for ever when nothing is wrong with the request (stream_test.py).
ENDLESS = {"stream_events"}


def environment():
    """The directory of an environment with the packages; skips the test where they cannot be had."""
    with open(REQUIREMENTS, encoding="ascii") as file:
        wanted = file.read()
    complete = os.path.join(ENVIRONMENT, "complete")
    if os.path.exists(complete):
        with open(complete, encoding="ascii") as file:
            if file.read() == wanted:
                return ENVIRONMENT
    for command in ([sys.executable, "-m", "venv", "--clear", ENVIRONMENT],
                    [os.path.join(ENVIRONMENT, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "-r", REQUIREMENTS]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            why = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise unittest.SkipTest(f"schemathesis and openapi-spec-validator cannot be had: {why[-1]}")
    with open(complete, "w", encoding="ascii") as file:
        file.write(wanted)
    return ENVIRONMENT


class Conformance(ServerTest):
    arguments = LOOPBACK_ALLOWED

    @classmethod
    def setUpClass(cls):
        cls.programs = os.path.join(environment(), "bin")
        super().setUpClass()
        cls.document = cls.server.client().get("/openapi.json").json
        cls.description = os.path.join(cls.server.directory, "openapi.json")  # asked for by address, schemathesis would leave that out
        with open(cls.description, "w", encoding="utf-8") as file:
            json.dump(cls.document, file)
        described = [operation for methods in cls.document["paths"].values() for operation in methods.values()]
        cls.operations = {operation["operationId"] for operation in described}
        cls.platforms = {operation["operationId"] for operation in described if "x-platform-key" in operation}

    def test_the_description_is_valid(self):
        done = subprocess.run([os.path.join(self.programs, "openapi-spec-validator"), "--errors", "all", self.description],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_status_is_named(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                self.assertNotIn("default", operation["responses"], f"{method} {path}: a status that is not named would pass unseen")

    def fuzz(self, caller, key):
        """Runs schemathesis with this key; the answers by operation and status."""
        told, answers = (os.path.join(self.server.directory, f"{caller}-{name}.json") for name in ("told", "answers"))
        with open(told, "w", encoding="utf-8") as file:
            json.dump({"port": self.server.port, "caller": caller, "platform": self.platform.key, "organization": self.acme.organization}, file)
        done = subprocess.run(
            [os.path.join(self.programs, "st"), "run", self.description, f"--url=http://127.0.0.1:{self.server.port}", "--max-time", str(SECONDS),
             "-H", f"Authorization: Bearer {key}", "--phases=examples,coverage,fuzzing", "--checks", ",".join(CHECKS), *(f"--exclude-operation-id={name}" for name in ENDLESS),
             "--request-timeout=10", "--generation-database=none", "--continue-on-failure", "--no-shrink", "--warnings=off", "--no-color",
             *([] if SEED == "any" else [f"--seed={SEED}"])],
            env={**os.environ, "SCHEMATHESIS_HOOKS": "fuzzing", "PYTHONPATH": HERE, "PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "127.0.0.1",
                 "FUZZING": told, "FUZZING_ANSWERS": answers},
            capture_output=True, text=True, cwd=self.server.directory, timeout=SECONDS + 120)
        self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr[-4000:])
        with open(answers, encoding="utf-8") as file:
            return json.load(file)

    def reached(self, caller, answers, may_not=frozenset()):
        """Every operation was asked; all that the caller may do has succeeded at least once."""
        total = collections.Counter()
        for statuses in answers.values():
            total.update(statuses)
        succeeded = {name for name, statuses in answers.items() if any(status < "300" for status in statuses)}
        print(f"\nschemathesis, {caller}: {total.total()} requests, {len(succeeded)} of {len(self.operations)} operations succeeded, "
              f"{dict(sorted(total.items()))}")
        self.assertEqual(self.operations - answers.keys(), ENDLESS)
        failed = {name: answers[name] for name in self.operations - ENDLESS - may_not - succeeded}
        self.assertEqual(failed, {}, "nothing shows what these answer when they succeed")

    def test_with_the_platform_key(self):
        self.reached("platform", self.fuzz("platform", self.platform.key))

    def test_with_an_organizations_key(self):
        self.reached("organization", self.fuzz("organization", self.acme.key), self.platforms)


if __name__ == "__main__":
    run()
