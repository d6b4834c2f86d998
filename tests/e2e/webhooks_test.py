# TIMEOUT 300
"""Endpoints and their deliveries: API.md, "Webhooks, pipelines, replays"; each on a server whose guard lets loopback through."""
import base64
import hashlib
import hmac
import json
import time

from harness import BROKERS, LOOPBACK_ALLOWED, ServerTest, run, unique
from receiver import LIBRARY, SECONDS, Receiver, standard_webhooks

FAST = {"name": "fast", "delays_seconds": [0.05, 0.05, 0.05], "jitter": 0, "timeout_seconds": 1}


def signature(secret, headers, body):
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class WebhookTest(ServerTest):
    arguments = LOOPBACK_ALLOWED

    def setUp(self):
        self.owner = self.server.organization("Owner")
        self.receiver = self.receive()

    def receive(self, **how):
        receiver = Receiver(**how)
        self.addCleanup(receiver.close)
        return receiver

    def endpoint(self, receiver=None, **members):
        return self.owner.post("/v2/webhooks/endpoints", {"url": (receiver or self.receiver).url, "types": ["project.*"], **members}, expect=201)

    def policy(self, **members):
        return self.owner.post("/v2/webhooks/retry-policies", {**FAST, **members}, expect=201)["id"]

    def project(self, name="P"):
        return self.owner.post("/v2/projects", {"name": name})["id"]

    def deliveries(self, endpoint, query=""):
        return list(self.owner.pages(f"/v2/webhooks/deliveries?endpoint_id={endpoint['id']}{query}"))

    def until(self, what, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while not (seen := what()):
            self.assertLess(time.monotonic(), deadline, "not in time")
            time.sleep(0.02)
        return seen

    def comes(self, read, expected):
        """What is read is this. With Kafka soon: each product's rows are read by themselves, and an answer of one says nothing of another's."""
        if BROKERS:
            deadline = time.monotonic() + SECONDS
            while read() != expected and time.monotonic() < deadline:
                time.sleep(0.05)
        self.assertEqual(read(), expected)

    def until_states(self, endpoint, **expected):
        """Until the endpoint has so many deliveries of each of these states."""
        def reached():
            counts = self.owner.get(f"/v2/webhooks/endpoints/{endpoint['id']}")["deliveries"]
            return all(counts[state] == count for state, count in expected.items())
        self.until(reached)


class Deliveries(WebhookTest):
    def test_each_event_is_signed_and_recorded(self):
        endpoint = self.endpoint()
        self.assertRegex(endpoint["id"], "^we_")
        self.assertRegex(endpoint["secret"], r"^whsec_[A-Za-z0-9+/]{43}=$")
        self.assertEqual((endpoint["state"], endpoint["order"], endpoint["kind"]), ("active", "entity", "push"))
        ids = [self.project(f"P{n}") for n in range(5)]
        self.owner.put(f"/v2/projects/{ids[0]}/members/ann", {"role": "owner"})
        got = self.receiver.take(5)
        self.assertEqual(sorted(json.loads(body)["subject"] for _, _, body in got), sorted(ids))
        shown = {event["id"]: event for event in self.owner.events("type=project.*")}
        for path, headers, body in got:
            event = json.loads(body)
            self.assertEqual(path, "/hook/")
            self.assertEqual(headers["Content-Type"], "application/cloudevents+json")
            self.assertEqual(headers["webhook-id"], event["id"])
            self.assertEqual(headers["webhook-signature"], signature(endpoint["secret"], headers, body))
            self.assertEqual({**event, "mark": None}, {**shown[event["id"]], "mark": None})
        self.until_states(endpoint, succeeded=5, pending=0, failing=0)
        rows = self.deliveries(endpoint)
        self.assertEqual({row["event_id"] for row in rows}, set(shown))
        self.assertEqual({(row["state"], row["attempts_made"], row["status"]) for row in rows}, {("succeeded", 1, 204)})
        one = self.owner.get(f"/v2/webhooks/deliveries/{rows[0]['id']}")
        attempt, = one["attempts"]
        self.assertEqual((attempt["attempt"], attempt["status"], attempt["state"], attempt["error"]), (1, 204, "succeeded", None))
        again = self.owner.get(f"/v2/webhooks/endpoints/{endpoint['id']}")
        self.assertNotIn("secret", again.json)
        verifier = standard_webhooks()
        if not verifier:
            self.skipTest(f"{LIBRARY} cannot be had")
        for _, headers, body in got:
            self.assertEqual(verifier(endpoint["secret"]).verify(body, headers), json.loads(body))

    def test_long_urls_and_conditions(self):
        url = self.receiver.url + "x" * 1500
        condition = " || ".join(f"event.data.name == 'name {n}'" for n in range(60))
        self.assertGreater(len(condition), 1500)
        endpoint = self.endpoint(url=url, filter=condition)
        self.assertEqual((endpoint["url"], endpoint["filter"]), (url, condition))
        self.project("name 61")
        self.project("name 59")
        (path, _, body), = self.receiver.take(1)
        self.assertEqual(("/hook/" + "x" * 1500, "name 59"), (path, json.loads(body)["data"]["name"]))

    def test_what_fails_is_tried_again_under_the_same_id(self):
        self.receiver.answer = lambda number, headers, body: 500 if number < 3 else 200
        endpoint = self.endpoint(retry_policy_id=self.policy())
        self.project()
        got = self.receiver.take(3)
        self.assertEqual(len({headers["webhook-id"] for _, headers, _ in got}), 1)
        self.assertEqual(len({body for _, _, body in got}), 1)
        self.until_states(endpoint, succeeded=1, failing=0)
        row, = self.deliveries(endpoint)
        attempts = self.owner.get(f"/v2/webhooks/deliveries/{row['id']}")["attempts"]
        self.assertEqual([(one["attempt"], one["status"], one["state"]) for one in attempts],
                         [(1, 500, "failing"), (2, 500, "failing"), (3, 200, "succeeded")])
        self.assertEqual(row["version"], 3)

    def test_dead_letters_are_a_view_and_are_sent_again(self):
        self.receiver.status = 500
        endpoint = self.endpoint(retry_policy_id=self.policy())
        self.project()
        self.receiver.take(4)
        self.until_states(endpoint, exhausted=1, failing=0)
        row, = self.deliveries(endpoint, "&state=exhausted")
        self.assertEqual(self.owner.get("/v2/webhooks/deliveries?state=exhausted")["data"], [row])
        self.assertEqual(self.deliveries(endpoint, "&state=succeeded"), [])
        self.receiver.status = 200
        self.owner.post(f"/v2/webhooks/deliveries/{row['id']}/resend", expect=202)
        (_, headers, _), = self.receiver.take(1)
        self.assertEqual(headers["webhook-id"], row["event_id"])
        self.until_states(endpoint, exhausted=0, succeeded=1)
        self.receiver.status = 500
        self.project()
        self.receiver.take(4)
        self.until_states(endpoint, exhausted=1)
        self.receiver.status = 200
        bulk = lambda: self.owner.post("/v2/webhooks/deliveries/resend", {"endpoint_id": endpoint["id"], "state": "exhausted"},
                                       headers={"Idempotency-Key": "bulk"}, expect=200).json
        self.assertEqual(bulk(), {"resent": 1, "more": False})
        self.until_states(endpoint, exhausted=0, succeeded=2)
        self.assertEqual(bulk(), {"resent": 1, "more": False})

    def test_a_failing_entity_waits_alone_and_in_order(self):
        slow = self.project("slow")
        other = self.project("other")
        fails = [True]
        self.receiver.answer = lambda number, headers, body: 503 if fails[0] and json.loads(body)["subject"] == slow else 200
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.2] * 50))
        for n in range(5):
            self.owner.patch(f"/v2/projects/{slow}", {"name": f"S{n}"})
            self.owner.patch(f"/v2/projects/{other}", {"name": f"O{n}"})
        self.until_states(endpoint, succeeded=5, failing=1, pending=4)
        fails[0] = False
        self.until_states(endpoint, succeeded=10, failing=0, pending=0)
        versions = {}
        while not self.receiver.got.empty():
            _, _, body = self.receiver.got.get()
            event = json.loads(body)
            versions.setdefault(event["subject"], []).append(event["entityversion"])
        self.assertEqual(versions[other], [2, 3, 4, 5, 6])
        self.assertEqual(versions[slow], sorted(versions[slow]))
        self.assertEqual(set(versions[slow]), {2, 3, 4, 5, 6})

    def test_held_and_resent_ones_get_all_their_attempts(self):
        """The age counts from the first attempt since it was asked for, not from the event."""
        self.receiver.status = 500
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.4] * 3, max_age_seconds=4))
        project = self.project()
        self.owner.patch(f"/v2/projects/{project}", {"name": "held"})
        self.until_states(endpoint, exhausted=2)
        time.sleep(4)
        for row in self.deliveries(endpoint):
            self.assertEqual(row["attempts_made"], 4, row)
            self.owner.post(f"/v2/webhooks/deliveries/{row['id']}/resend", expect=202)
        self.until_states(endpoint, exhausted=2, pending=0, failing=0)
        self.assertEqual({row["attempts_made"] for row in self.deliveries(endpoint)}, {8})

    def test_what_is_held_goes_on_when_the_order_changes(self):
        for order in ("none", "endpoint"):
            with self.subTest(order):
                receiver = self.receive()
                receiver.status = 500
                endpoint = self.endpoint(receiver, retry_policy_id=self.policy(delays_seconds=[0.3] * 50))
                project = self.project()
                for n in range(4):
                    self.owner.patch(f"/v2/projects/{project}", {"name": f"N{n}"})
                self.until_states(endpoint, failing=1, pending=4)
                self.owner.patch(f"/v2/webhooks/endpoints/{endpoint['id']}", {"order": order})
                receiver.status = 200
                self.until_states(endpoint, succeeded=5, failing=0, pending=0)

    def test_a_resumed_endpoint_has_its_time_again(self):
        self.receiver.status = 500
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.2] * 50), pause_after_seconds=1)
        self.project()
        path = f"/v2/webhooks/endpoints/{endpoint['id']}"
        self.until(lambda: self.owner.get(path)["state"] == "paused")
        self.owner.post(path + "/resume", {})
        time.sleep(0.5)
        self.assertEqual(self.owner.get(path)["state"], "active")
        self.until(lambda: self.owner.get(path)["state"] == "paused")

    def test_retries_go_at_the_rate_that_was_asked_for(self):
        self.receiver.answer = lambda number, headers, body: 500 if number <= 5 else 200
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.1] * 5), rate_per_second=5)
        begun = time.monotonic()
        for _ in range(5):
            self.project()
        self.until_states(endpoint, succeeded=5, failing=0)
        self.assertGreater(time.monotonic() - begun, 1.5)

    def test_changes_while_attempts_hang_take_effect(self):
        self.receiver.delay = 1.5
        endpoint = self.endpoint()
        self.project()
        time.sleep(0.3)
        path = f"/v2/webhooks/endpoints/{endpoint['id']}"
        for n in range(5):
            self.owner.patch(path, {"description": f"D{n}"})
        self.owner.post(path + "/pause")
        self.owner.post(path + "/resume", {})
        self.receiver.delay = 0
        self.project()
        self.until_states(endpoint, succeeded=2)
        self.assertEqual(self.receiver.count, 2)

    def test_one_organization_that_hangs_leaves_room(self):
        hanging = self.receive()
        hanging.delay = 30
        policy = self.policy(timeout_seconds=30)
        for _ in range(30):
            self.endpoint(hanging, retry_policy_id=policy, max_in_flight=100)
        for n in range(20):
            self.project(f"P{n}")
        other = self.server.organization("Other")
        receiver = self.receive()
        other.post("/v2/webhooks/endpoints", {"url": receiver.url, "types": ["project.*"]}, expect=201)
        begun = time.monotonic()
        other.post("/v2/projects", {"name": "Free"})
        receiver.take(1)
        self.assertLess(time.monotonic() - begun, 5)

    def test_an_attempt_has_the_time_that_its_type_is_given_over_a_kept_connection_too(self):
        policy = self.policy(timeout_seconds=60, delays_seconds=[3600], by_type={"project.changed": {"timeout_seconds": 1}})
        endpoint = self.endpoint(retry_policy_id=policy)
        project = self.project()
        self.until_states(endpoint, succeeded=1)
        self.receiver.delay = 40
        self.owner.patch(f"/v2/projects/{project}", {"name": "Q"})
        self.until_states(endpoint, succeeded=1, failing=1)

    def test_retry_after_is_obeyed(self):
        self.receiver.answer = lambda number, headers, body: (429, {"Retry-After": "2"}) if number == 1 else 200
        endpoint = self.endpoint(retry_policy_id=self.policy())
        self.project()
        self.receiver.take(1)
        begun = time.monotonic()
        self.receiver.take(1)
        self.assertGreater(time.monotonic() - begun, 1.8)
        self.until_states(endpoint, succeeded=1)

    def test_gone_disables(self):
        self.receiver.status = 410
        endpoint = self.endpoint()
        self.project()
        path = f"/v2/webhooks/endpoints/{endpoint['id']}"
        self.until(lambda: self.owner.get(path)["state"] == "disabled")
        self.assertIn("410", self.owner.get(path)["reason"])
        self.project()
        self.assertEqual([event["type"] for event in self.owner.pages(path + "/events")], ["endpoint.created", "endpoint.disabled"])
        self.receiver.status = 200
        self.owner.post(path + "/resume", {})
        self.until_states(endpoint, succeeded=1, exhausted=1)

    def test_pause_keeps_the_cursor_and_resume_goes_on(self):
        endpoint = self.endpoint()
        path = f"/v2/webhooks/endpoints/{endpoint['id']}"
        self.project()
        self.receiver.take(1)
        self.assertEqual(self.owner.post(path + "/pause")["state"], "paused")
        missed = [self.project(f"M{n}") for n in range(3)]
        time.sleep(0.3)
        self.assertTrue(self.receiver.got.empty())
        self.assertEqual(self.owner.post(path + "/resume", {})["state"], "active")
        self.assertEqual(sorted(json.loads(body)["subject"] for _, _, body in self.receiver.take(3)), sorted(missed))
        self.owner.post(path + "/pause")
        self.project("skipped")
        self.owner.post(path + "/resume", {"skip_to": "now"})
        after = self.project("after")
        (_, _, body), = self.receiver.take(1)
        self.assertEqual(json.loads(body)["subject"], after)

    def test_of_a_suspended_organization_nothing_is_sent(self):
        self.receiver.status = 500
        endpoint = self.endpoint(retry_policy_id=self.policy(name="often", delays_seconds=[0.2] * 50), max_in_flight=1)
        names = [self.project(f"P{n}") for n in range(3)]
        self.until_states(endpoint, failing=3)
        path = f"/v2/organizations/{self.owner.organization}"
        self.platform.post(f"{path}/suspend", expect=200)
        time.sleep(0.5)
        before = self.receiver.count
        time.sleep(0.6)
        self.assertEqual(self.receiver.count, before)
        self.receiver.status = 204
        self.platform.post(f"{path}/resume", expect=200)
        names.append(self.project("P3"))
        self.until_states(endpoint, succeeded=4, failing=0)
        self.assertEqual({row["event_id"] for row in self.deliveries(endpoint)}, {event["id"] for event in self.owner.get("/v2/events?type=project.created")["data"]})
        self.assertGreaterEqual(self.receiver.count, before + len(names))

    def test_a_skip_to_now_takes_what_is_open_along(self):
        """What was failing or held is skipped, and nothing of it is sent; dead letters and what comes later are as they were."""
        self.receiver.status = 500
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.3] * 50))
        project = self.project()
        for n in range(3):
            self.owner.patch(f"/v2/projects/{project}", {"name": f"N{n}"})
        self.until_states(endpoint, failing=1, pending=3)
        path = f"/v2/webhooks/endpoints/{endpoint['id']}"
        self.owner.post(path + "/pause")
        self.owner.post(path + "/resume", {"skip_to": "now"})
        self.until_states(endpoint, skipped=4, failing=0, pending=0)
        while not self.receiver.got.empty():
            self.receiver.got.get()
        self.receiver.status = 200
        self.owner.patch(f"/v2/projects/{project}", {"name": "after"})
        (_, _, body), = self.receiver.take(1)
        self.assertEqual(json.loads(body)["entityversion"], 5)
        self.until_states(endpoint, succeeded=1, skipped=4)
        skipped = self.deliveries(endpoint, "&state=skipped")
        self.assertEqual({row["error"] for row in skipped}, {"the endpoint was resumed behind it"}, skipped)
        self.server.kill()
        self.server.start()
        self.owner.post(f"/v2/webhooks/deliveries/{skipped[0]['id']}/resend", expect=202)
        self.receiver.take(1)
        self.until_states(endpoint, succeeded=2, skipped=3, failing=0, pending=0)

    def test_a_deleted_endpoints_deliveries_are_skipped(self):
        """Also when it was paused before, and when nobody was there to do it at once."""
        for before in ((), ("pause",), ("kill",)):
            with self.subTest(before):
                self.receiver.status = 500
                endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.3] * 50, timeout_seconds=30))
                project = self.project()
                self.owner.patch(f"/v2/projects/{project}", {"name": "held"})
                self.until_states(endpoint, failing=1, pending=1)
                path = f"/v2/webhooks/endpoints/{endpoint['id']}"
                if "pause" in before:
                    self.owner.post(path + "/pause")
                if "kill" in before:
                    self.receiver.delay = 20  # the next attempt hangs, and so what is to be done after it
                    time.sleep(0.6)
                self.owner.delete(path)
                if "kill" in before:
                    self.assertEqual(list(self.owner.pages("/v2/webhooks/deliveries?state=skipped"))[4:], [])
                    self.server.kill()
                    self.server.start()

                def skipped():
                    return [row for row in self.owner.pages("/v2/webhooks/deliveries?state=skipped") if row["endpoint_id"] == endpoint["id"]]
                self.until(lambda: len(skipped()) == 2)
                self.assertEqual({row["error"] for row in skipped()}, {"its endpoint was deleted"})
                for state in ("failing", "pending"):
                    self.assertEqual([row for row in self.owner.pages(f"/v2/webhooks/deliveries?state={state}")
                                      if row["endpoint_id"] == endpoint["id"]], [])

    def test_nothing_that_succeeds_for_long_pauses(self):
        self.receiver.status = 500
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.3] * 20), pause_after_seconds=1)
        self.project()
        path = f"/v2/webhooks/endpoints/{endpoint['id']}"
        self.until(lambda: self.owner.get(path)["state"] == "paused")
        self.assertIn("endpoint.paused", [event["type"] for event in self.owner.events("type=endpoint.*")])

    def test_a_test_event_is_for_its_endpoint_only(self):
        other = self.receive()
        self.endpoint(other, types=["*"])
        endpoint = self.endpoint()
        told = self.owner.post(f"/v2/webhooks/endpoints/{endpoint['id']}/test", expect=202)
        (_, headers, body), = self.receiver.take(1)
        self.assertEqual((headers["webhook-id"], json.loads(body)["type"]), (told["event_id"], "endpoint.tested"))
        self.until(lambda: self.owner.get(f"/v2/webhooks/deliveries/{told['delivery_id']}", expect="any").status == 200)
        time.sleep(0.2)
        types = set()
        while not other.got.empty():
            types.add(json.loads(other.got.get()[2])["type"])
        self.assertNotIn("endpoint.tested", types)

    def test_secrets_rotate_with_an_overlap(self):
        endpoint = self.endpoint()
        rotated = self.owner.post(f"/v2/webhooks/endpoints/{endpoint['id']}/secret/rotate", {})
        self.assertNotEqual(rotated["secret"], endpoint["secret"])
        self.project()
        (_, headers, body), = self.receiver.take(1)
        self.assertEqual(set(headers["webhook-signature"].split(" ")),
                         {signature(secret, headers, body) for secret in (endpoint["secret"], rotated["secret"])})

    def test_conditions_headers_and_plain_data(self):
        endpoint = self.endpoint(filter="event.data.name == 'wanted'", format="data", headers={"Authorization": "Bearer of-theirs"})
        self.assertTrue(endpoint["has_headers"])
        self.project("other")
        self.project("wanted")
        (_, headers, body), = self.receiver.take(1)
        self.assertEqual((headers["Authorization"], headers["Content-Type"]), ("Bearer of-theirs", "application/json"))
        self.assertEqual(json.loads(body)["name"], "wanted")
        path = f"/v2/webhooks/endpoints/{endpoint['id']}"
        self.owner.patch(path, {"headers": {"X-More": "1"}, "filter": None})
        self.project("both")
        (_, headers, _), = self.receiver.take(1)
        self.assertEqual((headers["Authorization"], headers["X-More"]), ("Bearer of-theirs", "1"))
        self.assertTrue(self.owner.patch(path, {"headers": {"X-More": None}})["has_headers"])
        self.assertFalse(self.owner.patch(path, {"headers": None})["has_headers"])
        self.project("any")
        (_, headers, body), = self.receiver.take(1)
        self.assertEqual((headers.get("Authorization"), json.loads(body)["name"]), (None, "any"))

    def test_start_at_the_beginning_and_of_one_project(self):
        ids = [self.project(f"P{n}") for n in range(3)]
        self.endpoint(start="beginning", types=["project.created"])
        self.assertEqual({json.loads(body)["subject"] for _, _, body in self.receiver.take(3)}, set(ids))
        one = self.receive()
        self.endpoint(one, start="beginning", project_id=ids[1], types=["project.*", "member.*"])
        self.owner.put(f"/v2/projects/{ids[1]}/members/ann", {"role": "owner"})
        self.assertCountEqual([json.loads(body)["subject"] for _, _, body in one.take(2)], [ids[1], f"{ids[1]}/members/ann"])

    def test_tenants_are_apart(self):
        endpoint = self.endpoint()
        self.project()
        self.until_states(endpoint, succeeded=1)
        row, = self.deliveries(endpoint)
        stranger = self.server.organization("Stranger")
        for path in (f"/v2/webhooks/endpoints/{endpoint['id']}", f"/v2/webhooks/deliveries/{row['id']}"):
            self.problem(stranger.get(path, expect=404), "not-found")
        self.assertEqual(stranger.get("/v2/webhooks/deliveries")["data"], [])
        self.problem(stranger.post(f"/v2/webhooks/deliveries/{row['id']}/resend", expect=404), "not-found")


class Requests(WebhookTest):
    def test_who_may_not_read_events_has_none_sent(self):
        key = self.server.key(self.owner.organization, permissions=["webhooks:*"])
        self.problem(key.post("/v2/webhooks/endpoints", {"url": self.receiver.url}, expect=403), "forbidden")

    def test_a_restricted_key_sees_what_is_of_its_projects(self):
        mine, other = self.project("mine"), self.project("other")
        key = self.server.key(self.owner.organization, projects=[mine])
        theirs = self.endpoint()
        self.problem(key.get(f"/v2/webhooks/endpoints/{theirs['id']}", expect=404), "not-found")
        self.problem(key.post("/v2/webhooks/endpoints", {"url": self.receiver.url}, expect=422), "invalid-request", pointer="/project_id")
        self.problem(key.post("/v2/webhooks/endpoints", {"url": self.receiver.url, "project_id": other}, expect=422), "invalid-request", pointer="/project_id")
        own = key.post("/v2/webhooks/endpoints", {"url": self.receiver.url, "project_id": mine}, expect=201)
        self.assertEqual([row["id"] for row in key.pages("/v2/webhooks/endpoints")], [own["id"]])
        self.problem(key.post("/v2/webhooks/retry-policies", FAST, expect=403), "forbidden")

    def test_bad_endpoints_are_refused(self):
        for members, pointer in (({"url": "ftp://example.com"}, "/url"), ({"url": "http://10.0.0.1/"}, "/url"), ({"url": "https://169.254.169.254/"}, "/url"),
                                 ({"types": ["pro ject"]}, "/types"), ({"filter": "event.("}, "/filter"), ({"order": "any"}, "/order"),
                                 ({"retry_policy_id": "rp_x"}, "/retry_policy_id"), ({"max_in_flight": 0}, "/max_in_flight"),
                                 ({"headers": {"Host": "x"}}, "/headers"), ({"headers": {"webhook-id": "x"}}, "/headers"),
                                 ({"headers": {"A": "b\r\nC: d"}}, "/headers"), ({"start": "tomorrow"}, "/start"), ({"secret": "abc"}, "/secret"),
                                 ({"project_id": "proj_00000000000000000000000000"}, "/project_id"), ({"kind": "poll"}, "/kind"), ({"kind": "pull"}, "/url"), ({"surprise": 1}, "/surprise")):
            with self.subTest(members):
                refused = self.owner.post("/v2/webhooks/endpoints", {"url": self.receiver.url, **members}, expect=422)
                self.problem(refused, "invalid-request", pointer=pointer)
        self.assertEqual(self.owner.get("/v2/webhooks/endpoints")["data"], [])

    def test_retry_policies(self):
        policy = self.owner.post("/v2/webhooks/retry-policies", FAST, expect=201)
        endpoint = self.endpoint(retry_policy_id=policy["id"])
        path = f"/v2/webhooks/retry-policies/{policy['id']}"
        self.problem(self.owner.delete(path, expect=409), "in-use")
        changed = self.owner.patch(path, {"base_seconds": 5, "factor": 5, "max_delay_seconds": 72000, "max_attempts": 10})
        self.assertEqual((changed.json.get("delays_seconds"), changed["max_attempts"]), (None, 10))
        self.owner.patch(f"/v2/webhooks/endpoints/{endpoint['id']}", {"retry_policy_id": None})
        self.owner.delete(path, expect=204)
        for body in ({**FAST, "jitter": 2}, {**FAST, "base_seconds": 5}, {"name": "x", "delays_seconds": []}, {**FAST, "timeout_seconds": 0}):
            self.problem(self.owner.post("/v2/webhooks/retry-policies", body, expect=422), "invalid-request")

    def test_idempotent_creation_shows_its_secret_once(self):
        key = {"Idempotency-Key": unique("endpoint")}
        body = {"url": self.receiver.url}
        first = self.owner.post("/v2/webhooks/endpoints", body, headers=key, expect=201)
        again = self.owner.post("/v2/webhooks/endpoints", body, headers=key, expect=201)
        self.assertEqual((again["id"], again.json.get("secret")), (first["id"], None))
        self.assertIn("secret", first.json)


if __name__ == "__main__":
    run()
