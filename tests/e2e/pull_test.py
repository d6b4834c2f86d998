# TIMEOUT 300
"""Endpoints of kind pull: workers lease, acknowledge, give back and keep; API.md, "Webhooks, pipelines, replays"."""
import collections
import http.client
import random
import threading
import time

from harness import BROKERS, run, unique
from receiver import SECONDS
from webhooks_test import WebhookTest


class PullTest(WebhookTest):
    def setUp(self):
        self.owner = self.server.organization("Owner")

    def endpoint(self, **members):
        members = {"kind": "pull", "types": ["project.*"], **members}
        return Endpoint(self.owner, self.owner.post("/v2/webhooks/endpoints", members, expect=201)["id"])


class Endpoint:
    """One of kind pull, as a worker sees it."""

    def __init__(self, client, id):
        self.client, self.id, self.path = client, id, f"/v2/webhooks/endpoints/{id}"

    def with_client(self, client):
        return Endpoint(client, self.id)

    def lease(self, wait=10, headers=None, **members):
        return self.client.request("POST", f"{self.path}/lease", {"wait_seconds": wait, **members}, expect=200, headers=headers)["deliveries"]

    def lease_all(self, count, **members):
        """So many, however many requests that takes."""
        leased, deadline = [], time.monotonic() + SECONDS
        while len(leased) < count:
            leased += self.lease(wait=1, max=count - len(leased), **members)
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(leased)} of {count}")
        return leased

    def settle(self, what, deliveries, **members):
        ids = [one["lease_id"] for one in deliveries]
        return self.client.post(f"{self.path}/{what}", {"deliveries": ids, **members}, expect=200)

    def ack(self, deliveries):
        return self.settle("ack", deliveries)

    def counts(self):
        return self.client.get(self.path)["deliveries"]

    def row(self, delivery):
        return self.client.get(f"/v2/webhooks/deliveries/{delivery['id']}")


class Leases(PullTest):
    def test_what_is_leased_is_the_event_and_an_acknowledgement_ends_it(self):
        endpoint = self.endpoint()
        shown = self.owner.get(endpoint.path)
        self.assertEqual((shown["kind"], shown["url"], shown["signature"], shown["max_in_flight"], shown["state"]),
                         ("pull", None, None, None, "active"))
        self.assertNotIn("secret", shown.json)
        ids = {self.project(f"P{n}") for n in range(5)}
        leased = endpoint.lease_all(5)
        self.assertEqual({one["event"]["subject"] for one in leased}, ids)
        events = {event["id"]: event for event in self.owner.events("type=project.*")}
        for one in leased:
            self.assertRegex(one["id"], "^dlv_")
            self.assertEqual((one["attempt"], one["error"], one["product"]), (1, None, "projects"))
            self.assertEqual({**one["event"], "mark": None}, {**events[one["event_id"]], "mark": None})
            self.assert_time(one["leased_until"])
        self.assertEqual(endpoint.lease(wait=0), [])
        self.assertEqual([(one["state"], one["next_at"]) for one in map(endpoint.row, leased)],
                         [("pending", one["leased_until"]) for one in leased])
        done = endpoint.ack(leased)
        self.assertEqual((set(done["deliveries"]), done["not_leased"]), ({one["lease_id"] for one in leased}, []))
        counts = endpoint.counts()
        self.assertEqual((counts["succeeded"], counts["pending"], counts["failing_since"]), (5, 0, None))
        attempt, = endpoint.row(leased[0])["attempts"]
        self.assertEqual((attempt["attempt"], attempt["state"], attempt["status"]), (1, "succeeded", None))
        again = endpoint.ack(leased)
        self.assertEqual((again["deliveries"], set(again["not_leased"])), ([], {one["lease_id"] for one in leased}))

    def test_the_data_alone(self):
        endpoint = self.endpoint(format="data")
        self.project("Shop")
        one, = endpoint.lease()
        self.assertEqual((one["event_type"], one["event"]["name"]), ("project.created", "Shop"))

    def test_a_lease_waits_for_an_event(self):
        endpoint = self.endpoint()
        leased = []
        worker = threading.Thread(target=lambda: leased.extend(endpoint.lease(wait=15)))
        worker.start()
        time.sleep(0.3)
        begun = time.monotonic()
        self.project()
        worker.join()
        self.assertEqual(len(leased), 1)
        self.assertLess(time.monotonic() - begun, 10)

    def test_a_lease_that_runs_out_is_given_to_another(self):
        endpoint = self.endpoint()
        self.project()
        first, = endpoint.lease(lease_seconds=1)
        second, = endpoint.lease(wait=15)
        self.assertEqual((second["id"], second["attempt"]), (first["id"], 2))
        late = self.owner.post(f"{endpoint.path}/ack", {"deliveries": [first["lease_id"]]})
        self.assertEqual((late["deliveries"], late["not_leased"]), ([], [first["lease_id"]]))
        self.assertEqual(endpoint.settle("nack", [first])["not_leased"], [first["lease_id"]])
        self.assertEqual(endpoint.ack([second])["deliveries"], [second["lease_id"]])
        self.assertEqual([(one["attempt"], one["state"]) for one in endpoint.row(first)["attempts"]],
                         [(1, "pending"), (2, "succeeded")])

    def test_leases_that_always_run_out_end_like_failures(self):
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0]))
        self.project()
        for attempt in (1, 2):
            one, = endpoint.lease(lease_seconds=1, wait=15)
            self.assertEqual(one["attempt"], attempt)
        self.until(lambda: endpoint.lease(wait=0) == [] and endpoint.counts()["exhausted"] == 1)
        self.assertRegex(endpoint.row(one)["error"], "its lease ran out; ")
        self.owner.post(f"/v2/webhooks/deliveries/{one['id']}/resend")
        again, = endpoint.lease()
        self.assertEqual((again["id"], again["attempt"]), (one["id"], 1))

    def test_a_lease_is_kept_longer(self):
        endpoint = self.endpoint()
        self.project()
        one, = endpoint.lease(lease_seconds=1)
        self.assertEqual(endpoint.settle("extend", [one], lease_seconds=600)["deliveries"], [one["lease_id"]])
        self.assertEqual(endpoint.lease(wait=2), [])
        self.assertGreater(endpoint.row(one)["next_at"], one["leased_until"])
        by_id = self.owner.post(f"{endpoint.path}/ack", {"deliveries": [one["id"]]})
        self.assertEqual(by_id["deliveries"], [one["id"]])
        self.assertEqual(endpoint.row(one)["attempts_made"], 1)

    def test_what_is_given_back_comes_again(self):
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.05, 0.05]))
        self.project()
        for attempt in (1, 2):
            one, = endpoint.lease()
            self.assertEqual(one["attempt"], attempt)
            self.assertEqual(endpoint.settle("nack", [one])["deliveries"], [one["lease_id"]])
            self.assertEqual(endpoint.row(one)["state"], "failing")
            self.assertIsNotNone(endpoint.counts()["failing_since"])
        one, = endpoint.lease()
        endpoint.settle("nack", [one])
        row = endpoint.row(one)
        self.assertEqual((row["state"], row["attempts_made"]), ("exhausted", 3))
        self.assertRegex(row["error"], "a worker gave it back; ")
        self.assertEqual(endpoint.lease(wait=0), [])

    def test_given_back_with_a_delay(self):
        endpoint = self.endpoint()
        self.project()
        one, = endpoint.lease()
        endpoint.settle("nack", [one], delay_seconds=600)
        self.assertEqual(endpoint.lease(wait=1), [])
        two = self.project()
        self.assertEqual([other["event"]["subject"] for other in endpoint.lease()], [two])

    def test_who_asks_again_with_its_key_gets_the_same(self):
        endpoint = self.endpoint()
        for n in range(3):
            self.project(f"P{n}")
        self.until(lambda: endpoint.counts()["pending"] == 3)
        key = {"Idempotency-Key": unique("lease")}
        first = endpoint.lease(headers=key, max=2)
        again = endpoint.lease(headers=key, max=2)
        self.assertEqual(first, again)
        self.assertEqual(len(endpoint.lease()), 1)
        endpoint.ack(first[:1])
        self.assertEqual(endpoint.lease(headers=key, max=2), first[1:])

    def test_an_entity_s_events_come_one_after_the_other(self):
        endpoint = self.endpoint()
        a, b = self.project("A"), self.project("B")
        for n in range(4):
            self.owner.patch(f"/v2/projects/{a}", {"name": f"A{n}"})
        self.until(lambda: endpoint.counts()["pending"] == 6)
        names = collections.defaultdict(list)
        while leased := endpoint.lease(wait=0):
            subjects = [one["event"]["subject"] for one in leased]
            self.assertEqual(len(set(subjects)), len(subjects))
            for one in leased:
                names[one["event"]["subject"]].append(one["event"]["data"]["name"])
            if a in subjects:
                failed = [one for one in leased if one["event"]["subject"] == a and one["attempt"] == 1 and len(names[a]) == 2]
                if failed:  # what is behind it waits
                    names[a].pop()
                    endpoint.settle("nack", failed, delay_seconds=4)
                    leased = [one for one in leased if one not in failed]
                    self.assertEqual(endpoint.lease(wait=0), [])
                    time.sleep(4.1)
            if leased:
                endpoint.ack(leased)
        self.assertEqual(dict(names), {a: ["A", "A0", "A1", "A2", "A3"], b: ["B"]})

    def test_paused_resumed_behind_and_deleted(self):
        endpoint = self.endpoint()
        self.project()
        one, = endpoint.lease()
        self.owner.post(f"{endpoint.path}/pause")
        refused = self.owner.post(f"{endpoint.path}/lease", {}, expect=409)
        self.problem(refused, "invalid-transition", detail="resume it first")
        self.project()
        self.owner.post(f"{endpoint.path}/resume", {"skip_to": "now"})
        self.until(lambda: endpoint.counts()["skipped"] == 1)
        self.assertEqual(endpoint.ack([one])["not_leased"], [one["lease_id"]])
        third = self.project()
        two, = endpoint.lease()
        self.assertEqual(two["event"]["subject"], third)
        self.owner.delete(endpoint.path)
        self.owner.post(f"{endpoint.path}/lease", {}, expect=404)
        self.until(lambda: endpoint.row(two)["state"] == "skipped")

    def test_one_after_the_other_of_all(self):
        """Of several products too, where the log of each counts its own offsets."""
        endpoint = self.endpoint(order="endpoint", types=["project.*", "key.*"])
        told = []
        pause = 0.5 if BROKERS else 0.01  # of one moment, or not read everywhere yet, they have no order
        for n in range(3):
            told.append(self.owner.post("/v2/auth/keys", {"name": f"k{n}", "permissions": ["projects:read"]})["id"])
            time.sleep(pause)
            told.append(self.project(f"P{n}"))
            time.sleep(pause)
        subjects = []
        for n in range(6):
            one, = endpoint.lease()
            self.assertEqual(endpoint.lease(wait=0), [])
            if n == 2 and one["attempt"] == 1:
                endpoint.settle("nack", [one], delay_seconds=0)
                one, = endpoint.lease()
            subjects.append(one["event"]["subject"])
            endpoint.ack([one])
        self.assertEqual(subjects, told)

    def test_of_many_workers_one_has_it(self):
        endpoint = self.endpoint(order="none")
        for n in range(40):
            self.project(f"P{n}")
        self.until(lambda: endpoint.counts()["pending"] == 40)
        leased, lock = [], threading.Lock()

        def work():
            worker = endpoint.with_client(self.server.client(self.owner.key))
            while True:
                got = worker.lease(wait=0, max=3)
                with lock:
                    leased.extend(one["id"] for one in got)
                if len(set(leased)) == 40:
                    return

        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(len(leased), 40)

    def test_who_waits_is_answered_when_the_server_stops(self):
        endpoint = self.endpoint()
        answered = []
        worker = threading.Thread(target=lambda: answered.append(endpoint.lease(wait=15)))
        worker.start()
        time.sleep(2)
        self.addCleanup(self.server.start)
        begun = time.monotonic()
        self.server.stop()
        worker.join()
        self.assertLess(time.monotonic() - begun, 11)
        self.assertEqual(answered, [[]])

    def test_only_what_the_filter_takes_and_a_test_event(self):
        endpoint = self.endpoint(filter="event.data.name.startsWith('W')")
        for name in ("V", "W1", "X", "W2"):
            self.project(name)
        self.assertEqual(sorted(one["event"]["data"]["name"] for one in endpoint.lease_all(2)), ["W1", "W2"])
        tested = self.owner.post(f"{endpoint.path}/test")
        one, = endpoint.lease()
        self.assertEqual((one["id"], one["event_type"]), (tested["delivery_id"], "endpoint.tested"))


class WhatIsRefused(PullTest):
    def test_members_of_endpoints_that_are_sent_to(self):
        for name, value in (("url", "http://127.0.0.1/x"), ("signature", "hmac"), ("rate_per_second", 5), ("max_in_flight", 2),
                            ("pause_after_seconds", 60), ("secret", "whsec_" + "A" * 43 + "="), ("headers", {"X-A": "b"})):
            refused = self.owner.post("/v2/webhooks/endpoints", {"kind": "pull", name: value}, expect=422)
            self.problem(refused, "invalid-request", pointer=f"/{name}", detail="events are sent to")
        endpoint = self.endpoint()
        self.problem(self.owner.patch(endpoint.path, {"kind": "push"}, expect=422), "invalid-request", pointer="/kind")
        self.problem(self.owner.patch(endpoint.path, {"url": "http://127.0.0.1/x"}, expect=422), "invalid-request", pointer="/url")
        self.owner.patch(endpoint.path, {"description": "of the workers", "order": "none"}, expect=200)
        moved = self.owner.patch(endpoint.path, {"project_id": self.project()}, expect=422)
        self.problem(moved, "invalid-request", pointer="/project_id", detail="make another endpoint")
        self.problem(self.owner.post(f"{endpoint.path}/secret/rotate", {}, expect=409), "invalid-transition", detail="no secret")
        self.problem(self.owner.post("/v2/webhooks/endpoints", {}, expect=422), "invalid-request", pointer="/url")

    def test_leases_of_an_endpoint_that_is_sent_to(self):
        pushed = self.owner.post("/v2/webhooks/endpoints", {"url": "http://127.0.0.1:9/x"}, expect=201)["id"]
        for what, body in (("lease", {}), ("ack", {"deliveries": []}), ("nack", {"deliveries": []}), ("extend", {"deliveries": []})):
            body = {"deliveries": ["dlv_" + "0" * 26]} if "deliveries" in body else body
            refused = self.owner.post(f"/v2/webhooks/endpoints/{pushed}/{what}", body, expect=409)
            self.problem(refused, "invalid-transition", detail="kind pull")

    def test_wrong_members(self):
        path = self.endpoint().path
        for what, body, pointer in (("lease", {"max": 0}, "/max"), ("lease", {"max": 1001}, "/max"), ("lease", {"wait_seconds": 21}, "/wait_seconds"),
                                    ("lease", {"lease_seconds": 0}, "/lease_seconds"), ("lease", {"count": 1}, "/count"),
                                    ("ack", {}, "/deliveries"), ("ack", {"deliveries": ["x"]}, "/deliveries/0"),
                                    ("ack", {"deliveries": ["dlv_" + "0" * 26 + "/x"]}, "/deliveries/0"), ("ack", {"deliveries": ["dlv_" + "0" * 26] * 2}, "/deliveries/1"),
                                    ("nack", {"deliveries": ["dlv_" + "0" * 26], "delay_seconds": -1}, "/delay_seconds"),
                                    ("extend", {"deliveries": ["dlv_" + "0" * 26], "lease_seconds": 0}, "/lease_seconds")):
            with self.subTest(what=what, body=body):
                self.problem(self.owner.post(f"{path}/{what}", body, expect=422), "invalid-request", pointer=pointer)

    def test_of_others(self):
        endpoint = self.endpoint()
        self.project()
        one, = endpoint.lease()
        other = self.server.organization("Other")
        for what in ("lease", "ack", "nack", "extend"):
            body = {} if what == "lease" else {"deliveries": [one["id"]]}
            other.post(f"{endpoint.path}/{what}", body, expect=404)
        theirs = Endpoint(other, other.post("/v2/webhooks/endpoints", {"kind": "pull"}, expect=201)["id"])
        self.assertEqual(theirs.ack([one])["not_leased"], [one["lease_id"]])
        mine = self.endpoint(types=["x.y"])
        self.assertEqual(mine.ack([one])["not_leased"], [one["lease_id"]])
        reader = self.server.key(self.owner.organization, ["webhooks:write"])
        reader.post(f"{endpoint.path}/lease", {}, expect=403)
        blind = self.server.key(self.owner.organization, ["webhooks:read", "events:read"])
        blind.post(f"{endpoint.path}/ack", {"deliveries": [one["id"]]}, expect=403)
        self.assertEqual(endpoint.ack([one])["deliveries"], [one["lease_id"]])


class Backlog(PullTest):
    EVENTS = 20_000

    def test_what_is_not_wanted_yet_stays_in_the_log(self):
        name = unique("counted")
        self.server.declare(name, {"kinds": {"thing": {"events": {"thing.counted": {"fold": "replace"}}}}})
        endpoint = self.endpoint(types=["thing.counted"], order="none")
        self.server.settle()
        for begin in range(0, self.EVENTS, 1000):
            self.owner.post(f"/v2/products/{name}/events", {"events": [
                {"kind": "thing", "entity": f"e{n}", "type": "thing.counted", "data": {}} for n in range(begin, begin + 1000)]})
        self.until(lambda: endpoint.counts()["pending"] >= 9_000, 60)
        time.sleep(1)
        self.assertLess(endpoint.counts()["pending"], self.EVENTS)
        self.server.stop()
        self.server.start()
        handled = set()
        while len(handled) < self.EVENTS:
            leased = endpoint.lease(wait=10, max=1000)
            self.assertTrue(leased, len(handled))
            handled |= {one["event_id"] for one in leased}
            endpoint.ack(leased)
        self.assertEqual(endpoint.counts()["pending"], 0)


def over_and_done(endpoint, events):
    """Whether so many are; a process that was just started may not know yet."""
    answer = endpoint.client.get(endpoint.path, expect="any")
    return answer.status == 200 and answer["deliveries"]["succeeded"] == events


class Workers(PullTest):
    """Competing workers that die at random, over a server that is killed: each event at least once, each entity's in order."""

    EVENTS, ENTITIES, WORKERS = 3000, 60, 6

    def test_workers_that_die_and_a_server_that_is_killed(self):
        name = unique("counted")
        self.server.declare(name, {"kinds": {"thing": {"events": {"thing.counted": {"fold": "replace"}}}}})
        endpoint = self.endpoint(types=["thing.counted"], retry_policy_id=self.policy(delays_seconds=[0] * 49))
        self.server.settle()
        per_entity = self.EVENTS // self.ENTITIES
        for n in range(per_entity):
            self.owner.post(f"/v2/products/{name}/events", {"events": [
                {"kind": "thing", "entity": f"e{e}", "type": "thing.counted", "data": {"n": n}} for e in range(self.ENTITIES)]})
        handled, lock, over = collections.defaultdict(list), threading.Lock(), threading.Event()
        failures = []

        def work(seed):
            chance = random.Random(seed)
            worker = endpoint.with_client(self.server.client(self.owner.key))
            while not over.is_set():
                try:
                    leased = worker.lease(wait=1, max=chance.randint(1, 60), lease_seconds=3)
                    if chance.random() < 0.05:
                        continue  # died with what it had
                    with lock:
                        for one in leased:
                            handled[one["event"]["subject"]].append(one["event"]["data"]["n"])
                    if chance.random() < 0.05:
                        continue  # died before it could say so
                    if leased:
                        worker.ack(leased)
                except (OSError, http.client.HTTPException, AssertionError) as failure:
                    if isinstance(failure, AssertionError) and " 50" not in str(failure):
                        failures.append(failure)
                        return
                    worker.client.close()
                    time.sleep(0.05)

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(self.WORKERS)]
        for worker in workers:
            worker.start()
        try:
            for _ in range(3):
                time.sleep(1)
                self.server.kill()
                self.server.start()
            self.until(lambda: over_and_done(endpoint, self.EVENTS), 120)
        finally:
            over.set()
            for worker in workers:
                worker.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(handled), self.ENTITIES)
        for entity, numbers in handled.items():
            first_seen = list(dict.fromkeys(numbers))
            self.assertEqual(first_seen, list(range(per_entity)), entity)
        counts = endpoint.counts()
        self.assertEqual((counts["pending"], counts["failing"], counts["exhausted"]), (0, 0, 0))


if __name__ == "__main__":
    run()
