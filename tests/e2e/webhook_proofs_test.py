# TIMEOUT 600
"""Webhooks held to what others made and to receivers that misbehave: verifiers and real payloads of npm, ten thousand
entities of which some are refused, receivers that hang or are slow beside one that is well.

The packages come from npm into directories of their own below build/npm; where they cannot be had, the tests that need
them are skipped. Delays are printed, not asserted: this machine has other work.
"""
import base64
import collections
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import threading
import time
import unittest

from harness import ROOT, run, unique
from receiver import SECONDS
from webhooks_test import WebhookTest

VERIFIERS = ("standardwebhooks@1.1.1", "svix@1.82.0")  # the last svix whose verifier is its own; later ones wrap the other
PAYLOADS = ("@octokit/webhooks-examples@7.6.1",)
NPM_SECONDS = 90
BATCH = 5_000  # events of one request; 10,000 and 4 MiB are allowed

# Of each case what each library's `verify` gives, or why it throws.
VERIFY = """
const libraries = {standardwebhooks: require("standardwebhooks"), svix: require("svix")};
const outcome = (library, {secret, headers, body}) => {
  try {
    return {event: new library.Webhook(secret).verify(Buffer.from(body, "base64"), headers)};
  } catch (error) {
    return {refused: `${error.name}: ${error.message}`};
  }
};
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const each = ([name, library]) => [name, cases.map((one) => outcome(library, one))];
console.log(JSON.stringify(Object.fromEntries(Object.entries(libraries).map(each))));
"""
REFUSED = {"refused": "WebhookVerificationError: No matching signature found"}


def npm(*packages):
    """A directory with these packages below node_modules; skips the test where they cannot be had."""
    wanted = " ".join(packages)
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise unittest.SkipTest(f"npm's {wanted} cannot be had: there is no {program}")
    place = os.path.join(ROOT, "build", "npm", re.sub("[^a-z0-9.]+", "-", wanted).strip("-"))
    complete = os.path.join(place, "complete")
    if os.path.exists(complete):
        return place
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    command = ["npm", "install", "--prefix", place, "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit",
               "--no-fund", "--fetch-retries=1", *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=NPM_SECONDS)
    except subprocess.TimeoutExpired:
        raise unittest.SkipTest(f"npm's {wanted} cannot be had: no end of `npm install` within {NPM_SECONDS} s") from None
    if done.returncode:
        why = [line.removeprefix("npm error ") for line in done.stderr.splitlines() if line.startswith("npm error ")]
        raise unittest.SkipTest(f"npm's {wanted} cannot be had: {', '.join(why[:2]) or 'no reason given'}")
    pathlib.Path(complete).touch()
    return place


def milliseconds(seconds):
    return f"{seconds * 1e3:,.0f} ms"


def slices(text):
    """The text of each entry of an answer's `data`, as it came."""
    decoder, at, found = json.JSONDecoder(), text.index("[") + 1, []
    while text[at] != "]":
        end = decoder.raw_decode(text, at)[1]
        found.append(text[at:end])
        at = end + (text[end] == ",")
    return found


class ProofTest(WebhookTest):
    def publish(self, client, product, events):
        """The events as they were accepted."""
        accepted = []
        for first in range(0, len(events), BATCH):
            accepted += client.post(f"/v2/products/{product}/events", {"events": events[first:first + BATCH]}, expect=201)["events"]
        return accepted

    def counts(self, endpoint):
        return self.owner.get(f"/v2/webhooks/endpoints/{endpoint['id']}")["deliveries"]

    def reach(self, endpoint, seconds=SECONDS, **expected):
        """Until the endpoint has so many deliveries of each of these states."""
        deadline = time.monotonic() + seconds
        while not (told := self.counts(endpoint)).items() >= expected.items():
            self.assertLess(time.monotonic(), deadline, f"{told}, expected {expected}")
            time.sleep(0.02)

    @staticmethod
    def file(entity, kind="added", data=None):
        return {"kind": "file", "entity": entity, "type": f"file.{kind}", "data": data or {}}


class Signatures(ProofTest):
    """Whoever verifies with npm's `standardwebhooks` or `svix` takes what is delivered, and nothing else."""

    @classmethod
    def setUpClass(cls):
        cls.place = npm(*VERIFIERS)
        super().setUpClass()

    def verify(self, cases):
        """What each library says of these (secret, headers, body)."""
        told = [{"secret": secret, "headers": headers, "body": base64.b64encode(body).decode()} for secret, headers, body in cases]
        done = subprocess.run(["node", "-e", VERIFY], input=json.dumps(told), capture_output=True, text=True, cwd=self.place, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_both_libraries_verify_what_is_delivered_and_refuse_what_was_changed(self):
        endpoint = self.endpoint()
        self.assertTrue(endpoint["secret"].startswith("whsec_"), endpoint["secret"])
        for name in ("Plain", "Ünïcode 🜁 東京", 'quotes " and \\ and </script>', "x" * 150):
            self.project(name)
        got = self.receiver.take(4)
        genuine, changed = [], []
        for _, headers, body in got:
            genuine.append((endpoint["secret"], headers, body))
            for at in (0, len(body) // 2, len(body) - 1):
                changed.append((endpoint["secret"], headers, body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]))
            later = str(int(headers["webhook-timestamp"]) + 1)
            changed.append((endpoint["secret"], {**headers, "webhook-timestamp": later}, body))
            changed.append((endpoint["secret"], {**headers, "webhook-id": headers["webhook-id"][:-1]}, body))
            changed.append(("whsec_" + base64.b64encode(bytes(32)).decode(), headers, body))
        told = self.verify(genuine + changed)
        self.assertEqual(told.keys(), {"standardwebhooks", "svix"})
        for library, outcomes in told.items():
            with self.subTest(library):
                self.assertEqual(outcomes[:len(genuine)], [{"event": json.loads(body)} for _, _, body in got])
                self.assertEqual(outcomes[len(genuine):], [REFUSED] * len(changed))

    def test_while_a_secret_is_rotated_both_libraries_verify_with_either(self):
        endpoint = self.endpoint()
        rotated = self.owner.post(f"/v2/webhooks/endpoints/{endpoint['id']}/secret/rotate", {})
        self.project()
        (_, headers, body), = self.receiver.take(1)
        told = self.verify([(secret, headers, body) for secret in (endpoint["secret"], rotated["secret"])])
        self.assertEqual(told.keys(), {"standardwebhooks", "svix"})
        for library, outcomes in told.items():
            with self.subTest(library):
                self.assertEqual(outcomes, [{"event": json.loads(body)}] * 2)


class RealPayloads(ProofTest):
    """GitHub's webhooks, as events of a declared product."""

    # A condition, and the same in Python.
    CONDITIONS = {
        "opened": ("event.data.action == 'opened'", lambda data: data.get("action") == "opened"),
        "private": ("event.data.repository.private == true", lambda data: data.get("repository", {}).get("private") is True),
        "bugs": ("event.data.issue.labels.exists(label, label.name == 'bug')",
                 lambda data: any(label["name"] == "bug" for label in data.get("issue", {}).get("labels", []))),
        "new": ("has(event.data.sender) && event.data.sender.id > 10000000 && !event.data.sender.login.startsWith('o')",
                lambda data: data.get("sender", {}).get("id", 0) > 10_000_000 and not data["sender"]["login"].startswith("o"))}
    # Meets every condition, so that what arrives before it is all that does.
    LAST = {"action": "opened", "repository": {"private": True}, "issue": {"labels": [{"name": "bug"}]},
            "sender": {"id": 1 << 30, "login": "last"}}

    def payloads(self):
        path = os.path.join(npm(*PAYLOADS), "node_modules", "@octokit", "webhooks-examples", "api.github.com", "index.json")
        with open(path, encoding="utf-8") as file:
            return [example for group in json.load(file) for example in group["examples"]]

    def declare(self):
        product = unique("github")
        self.server.declare(product, {"kinds": {"hook": {"events": {"github.received": {"fold": "replace"}}}}})
        return product

    def until_last(self, last):
        """What each path was sent, in order, up to the last event."""
        got, paths = collections.defaultdict(list), {"all", *self.CONDITIONS}
        while any(not got[path] or got[path][-1][0]["webhook-id"] != last for path in paths):
            path, headers, body = self.receiver.got.get(timeout=SECONDS)
            got[path.removeprefix("/hook/")].append((headers, body))
        return got

    def test_payloads_arrive_as_they_were_published_and_conditions_select_as_python_does(self):
        payloads, product = self.payloads(), self.declare()
        self.assertGreater(len(payloads), 300)
        where = {"types": ["github.*"], "order": "endpoint"}
        self.endpoint(**where, url=self.receiver.url + "all")
        for name, (condition, _) in self.CONDITIONS.items():
            self.endpoint(**where, url=self.receiver.url + name, filter=condition, format="data")
        datas = [*payloads, self.LAST]
        events = [{"kind": "hook", "entity": f"hook {n}", "type": "github.received", "data": data} for n, data in enumerate(datas)]
        accepted = []
        for first in range(0, len(events), 100):
            accepted += self.publish(self.owner, product, events[first:first + 100])
        published = dict(zip([event["id"] for event in accepted], datas, strict=True))
        got = self.until_last(accepted[-1]["id"])
        self.check_whole(got["all"], published, product)
        whole = {headers["webhook-id"]: body for headers, body in got["all"]}
        for name, (_, chosen) in self.CONDITIONS.items():
            with self.subTest(name):
                expected = [event for event, data in published.items() if chosen(data)]
                self.assertTrue(3 < len(expected) < len(published) - 3, len(expected))
                self.assertEqual([headers["webhook-id"] for headers, _ in got[name]], expected)
                for headers, body in got[name]:
                    self.assertTrue(whole[headers["webhook-id"]].endswith(b'"data":' + body + b"}"), body[:200])
        sizes = [len(body) for _, body in got["all"]]
        print(f"\n{len(published)} events of {min(sizes):,} to {max(sizes):,} bytes; " +
              ", ".join(f"{name} {len(got[name])}" for name in self.CONDITIONS))

    def check_whole(self, got, published, product):
        """Each event once, its data as published, the same bytes as /v2/events has, which adds the reader's mark."""
        self.assertEqual([headers["webhook-id"] for headers, _ in got], list(published))
        shown, after = {}, "beginning"
        while True:
            page = self.owner.get(f"/v2/events?after={after}&product={product}&limit=100")
            shown.update((json.loads(text)["id"], re.sub(',"mark":"[^"]*"', "", text, count=1)) for text in slices(page.body.decode()))
            after = page["next"]
            if page["caught_up"]:
                break
        for headers, body in got:
            event = json.loads(body)
            self.assertEqual(event["id"], headers["webhook-id"])
            self.same(json.dumps(event["data"], sort_keys=True), json.dumps(published[event["id"]], sort_keys=True))
            self.same(body.decode(), shown[event["id"]])

    def same(self, text, expected):
        if text != expected:
            at = len(os.path.commonprefix([text, expected]))
            self.fail(f"at {at}: {text[max(at - 60, 0):at + 60]!r}, expected {expected[max(at - 60, 0):at + 60]!r}")


class Poisoned(ProofTest):
    """An entity whose event is refused holds up itself, and nobody else."""

    ENTITIES = 10_000
    LATER = 2  # events of a poisoned entity behind its first

    def setUp(self):
        super().setUp()
        self.versions, self.lock, self.healed = collections.defaultdict(list), threading.Lock(), False
        self.receiver.answer = self.answer
        self.poisoned = {f"f{n}" for n in range(0, self.ENTITIES, 100)}

    def answer(self, _, headers, body):
        event = json.loads(body)
        with self.lock:
            self.versions[event["subject"]].append(event["entityversion"])
        return 500 if event["subject"] in self.poisoned and not self.healed else 200

    def test_of_ten_thousand_entities_a_hundred_are_held(self):
        product = self.declare_files()
        policy = self.policy(delays_seconds=[86400], timeout_seconds=30, max_age_seconds=172800)
        endpoint = self.endpoint(types=["file.*"], retry_policy_id=policy, max_in_flight=32)
        names = [f"f{n}" for n in range(self.ENTITIES)]
        written = [names, [n for n in names if n in self.poisoned or int(n[1:]) % 3 == 0], sorted(self.poisoned)]
        begun, accepted = time.monotonic(), []
        for turn, names in enumerate(written):
            accepted += self.publish(self.owner, product, [self.file(name, "modified" if turn else "added") for name in names])
        wanted = collections.defaultdict(list)
        for event in accepted:
            wanted[event["entity"]].append(event["version"])
        first = {event["id"] for event in accepted if event["entity"] in self.poisoned and event["version"] == 1}
        held = {event["id"] for event in accepted if event["entity"] in self.poisoned and event["version"] > 1}
        through = len(accepted) - len(first) - len(held)
        self.assertEqual((len(first), len(held)), (100, 100 * self.LATER))
        self.reach(endpoint, 150, succeeded=through, failing=len(first), pending=len(held))
        took = time.monotonic() - begun
        sent = {name: [1] if name in self.poisoned else versions for name, versions in wanted.items()}
        with self.lock:
            seen = {name: self.versions.get(name) for name in {*sent, *self.versions}}
        wrong = [(name, versions, sent.get(name)) for name, versions in seen.items() if versions != sent.get(name)]
        self.assertEqual(wrong[:5], [], f"{len(wrong)} entities: what arrived, what should have")
        for state, ids, attempts in (("failing", first, 1), ("pending", held, 0)):
            rows = self.deliveries(endpoint, f"&state={state}&limit=1000")
            self.assertEqual(sorted(row["event_id"] for row in rows), sorted(ids), state)
            self.assertEqual({row["attempts_made"] for row in rows}, {attempts}, state)
        print(f"\n{through:,} events of {self.ENTITIES - len(self.poisoned):,} entities in {took:.1f} s, "
              f"{len(held)} held behind {len(first)}")
        self.heal(endpoint, len(accepted))

    def heal(self, endpoint, count):
        """What was held arrives in order once the first is taken."""
        self.healed = True
        asked = self.owner.post("/v2/webhooks/deliveries/resend", {"endpoint_id": endpoint["id"], "state": "failing"}, expect=200)
        self.assertEqual(asked.json, {"resent": len(self.poisoned), "more": False})
        self.reach(endpoint, succeeded=count, failing=0, pending=0)
        with self.lock:
            self.assertEqual({tuple(self.versions[name]) for name in self.poisoned}, {(1, 1, *range(2, 2 + self.LATER))})


class Hanging(ProofTest):
    """A receiver that takes connections and never answers costs its own endpoint alone."""

    IN_FLIGHT = 32
    EVENTS = 100

    def setUp(self):
        super().setUp()
        self.product = self.declare_files()
        self.arrived, self.inside, self.lock, self.hangs = {}, 0, threading.Lock(), False
        self.over = threading.Event()
        self.addCleanup(self.over.set)
        self.receiver.answer = self.note
        self.hanging = self.receive(answer=self.hang)

    def note(self, _, headers, body):
        self.arrived[headers["webhook-id"]] = time.monotonic()
        return 204

    def hang(self, *_):
        with self.lock:
            self.inside += 1
        if self.hangs:
            self.over.wait()
        time.sleep(0.005)
        with self.lock:
            self.inside -= 1
        return 204

    def delays(self, word):
        """Of each of a hundred events, from before it is written until it has arrived."""
        written = {}
        for n in range(self.EVENTS):
            begun = time.monotonic()
            event, = self.publish(self.owner, self.product, [self.file(f"{word} {n}")])
            written[event["id"]] = begun
        self.until(lambda: written.keys() <= self.arrived.keys())
        return [self.arrived[event] - begun for event, begun in written.items()]

    def test_events_arrive_beside_an_endpoint_whose_receiver_hangs(self):
        fine = self.endpoint(types=["file.*"])
        alone = self.delays("alone")
        policy = self.policy(delays_seconds=[60], timeout_seconds=60)
        endpoint = self.endpoint(self.hanging, types=["file.*"], retry_policy_id=policy, max_in_flight=self.IN_FLIGHT)
        warm = 2_000
        self.publish(self.owner, self.product, [self.file(f"warm {n}") for n in range(warm)])
        self.reach(endpoint, succeeded=warm)
        self.hangs = True
        self.publish(self.owner, self.product, [self.file(f"first {n}") for n in range(2 * self.IN_FLIGHT)])
        self.until(lambda: self.inside == self.IN_FLIGHT)
        self.reach(fine, succeeded=self.EVENTS + warm + 2 * self.IN_FLIGHT, failing=0, pending=0)
        beside = self.delays("beside")
        self.assertLess(max(beside), 5)
        self.assertEqual(self.inside, self.IN_FLIGHT)
        self.assertEqual(self.counts(endpoint)["succeeded"], warm)
        for who, delays in (("alone", alone), (f"beside {self.IN_FLIGHT} attempts that hang", beside)):
            print(f"\n{self.EVENTS} events {who}: worst {milliseconds(max(delays))}, median {milliseconds(statistics.median(delays))}")


class Backlog(ProofTest):
    """An organization that is far behind keeps no other waiting."""

    EVENTS = 30_000
    FEW = 10

    def test_another_organizations_events_arrive_while_a_backlog_is_delivered(self):
        product = self.declare_files()
        self.publish(self.owner, product, [self.file(f"f{n}") for n in range(self.EVENTS)])
        self.receiver.delay = 0.05
        self.endpoint(types=["file.*"], start="beginning", max_in_flight=100)
        other, arrivals = self.server.organization("Other"), self.receive()
        other.post("/v2/webhooks/endpoints", {"url": arrivals.url, "types": ["file.*"]}, expect=201)
        self.until(lambda: self.receiver.count > 1_000)
        before, begun, delays = self.receiver.count, time.monotonic(), []
        for n in range(self.FEW):
            time.sleep(0.2)
            written = time.monotonic()
            event, = self.publish(other, product, [self.file(f"other {n}")])
            (_, headers, _), = arrivals.take(1)
            delays.append(time.monotonic() - written)
            self.assertEqual(headers["webhook-id"], event["id"])
        took, done = time.monotonic() - begun, self.receiver.count
        self.assertLess(done, self.EVENTS)
        self.until(lambda: self.receiver.count > done)
        print(f"\n{self.FEW} events beside {self.EVENTS - done:,} that wait, of which {(done - before) / took:,.0f} a second go: "
              f"the slowest in {milliseconds(max(delays))}, median {milliseconds(statistics.median(delays))}")


if __name__ == "__main__":
    run()
