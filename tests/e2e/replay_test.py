# TIMEOUT 300
"""Replays of events of the past, to endpoints and products; API.md, "Webhooks, pipelines, replays"."""
import json
import os
import time

from harness import FILES, run, tidemark, unique
from webhooks_test import WebhookTest


class ReplayTest(WebhookTest):
    def replay(self, endpoint, expect=201, **members):
        return self.owner.request("POST", f"/v2/webhooks/endpoints/{endpoint['id']}/replay", {"from": "beginning", **members}, expect=expect)

    def request(self, endpoint, expect=201, **members):
        return self.owner.request("POST", "/v2/replays", {"from": "beginning", "sink": {"endpoint_id": endpoint["id"]}, **members}, expect=expect)

    def read(self, replay):
        return self.owner.get(f"/v2/replays/{replay['id']}")

    def until_state(self, replay, state):
        return self.until(lambda: (shown := self.read(replay))["state"] == state and shown)

    def deliveries_of(self, replay, query=""):
        return list(self.owner.pages(f"/v2/webhooks/deliveries?replay_id={replay['id']}{query}"))

    def taken(self, count):
        """The events that came, as (subject, name) in order, and whether a replay sent each."""
        got = self.receiver.take(count)
        return [(json.loads(body)["id"], headers.get("tidemark-replay")) for _, headers, body in got]


class Endpoints(ReplayTest):
    def test_a_range_is_sent_again_and_says_so(self):
        endpoint = self.endpoint()
        for n in range(5):
            self.project(f"P{n}")
        live = self.taken(5)
        self.assertEqual({replay for _, replay in live}, {None})
        self.until_states(endpoint, succeeded=5)
        before = self.owner.get(f"/v2/webhooks/endpoints/{endpoint['id']}")
        replay = self.replay(endpoint)
        self.assertRegex(replay["id"], "^rpl_")
        self.assertEqual(replay.headers["Location"], f"/v2/replays/{replay['id']}")
        self.assertEqual((replay["state"], replay["sink"], replay["types"], replay["only"], replay["reason"]),
                         ("running", {"endpoint_id": endpoint["id"], "pipeline_id": None, "product": None}, ["project.*"], None, None))
        again = self.taken(5)
        self.assertEqual({event for event, _ in again}, {event for event, _ in live})
        self.assertEqual({tag for _, tag in again}, {replay["id"]})
        done = self.until_state(replay, "completed")
        self.assertEqual({name: done["progress"][name] for name in ("fraction", "succeeded", "pending", "failing", "exhausted", "skipped")},
                         {"fraction": 1, "succeeded": 5, "pending": 0, "failing": 0, "exhausted": 0, "skipped": 0})
        # Of its own: the endpoint's deliveries and its cursor stand as they did.
        after = self.owner.get(f"/v2/webhooks/endpoints/{endpoint['id']}")
        self.assertEqual((after["deliveries"]["succeeded"], after["version"]), (5, before["version"]))
        rows = self.deliveries_of(replay)
        self.assertEqual([(row["replay_id"], row["endpoint_id"], row["state"]) for row in rows],
                         [(replay["id"], endpoint["id"], "succeeded")] * 5)
        self.assertEqual({row["replay_id"] for row in self.deliveries(endpoint)}, {None})
        types = [event["type"] for event in self.owner.get(f"/v2/replays/{replay['id']}/events")["data"]]
        self.assertEqual(types, ["replay.requested", "replay.completed"])
        # What came behind its end is not of it.
        self.project("later")
        self.assertEqual([tag for _, tag in self.taken(1)], [None])

    def test_from_is_inclusive_and_to_is_exclusive(self):
        endpoint = self.endpoint(start="now")
        ids = [self.project(f"P{n}") for n in range(4)]
        self.taken(4)
        events = list(self.owner.events("type=project.created"))
        marks = [event["mark"] for event in events]
        replay = self.replay(endpoint, **{"from": marks[0], "to": marks[2]})  # a mark is behind its event
        got = [json.loads(body)["subject"] for _, _, body in self.receiver.take(2)]
        self.assertCountEqual(got, ids[1:3])
        self.until_state(replay, "completed")
        times = [event["recordedtime"] for event in events]
        replay = self.replay(endpoint, **{"from": times[1], "to": times[3]})
        wanted = [id for id, at in zip(ids, times) if times[1] <= at < times[3]]
        got = [json.loads(body)["subject"] for _, _, body in self.receiver.take(len(wanted))]
        self.assertCountEqual(got, wanted)
        self.assertEqual(self.until_state(replay, "completed")["progress"]["succeeded"], len(wanted))
        for members in ({"from": marks[2], "to": marks[0]}, {"from": times[3], "to": "2020-01-01T00:00:00Z"}):
            self.problem(self.replay(endpoint, expect=422, **members), "invalid-request", pointer="/from")
        self.problem(self.replay(endpoint, expect=422, to="2999-01-01T00:00:00Z"), "invalid-request", pointer="/to", detail="future")
        self.problem(self.replay(endpoint, expect=422, **{"from": "yesterday"}), "invalid-request", pointer="/from")

    def test_a_dry_run_counts(self):
        endpoint = self.endpoint(types=["project.*", "member.*"])
        project = self.project("A")
        self.owner.put(f"/v2/projects/{project}/members/ann", {"role": "owner"})
        self.project("B")
        self.taken(3)
        count = self.replay(endpoint, expect=200, dry_run=True)
        self.assertEqual(count.json, {"events": 3, "types": {"member.added": 1, "project.created": 2}, "complete": True})
        narrower = self.replay(endpoint, expect=200, dry_run=True, filter="event.type == 'project.created' && event.data.name == 'B'")
        self.assertEqual(narrower["events"], 1)
        self.assertEqual(self.request(endpoint, expect=200, dry_run=True, types=["member.*"], products=["projects"]).json,
                         {"events": 1, "types": {"member.added": 1}, "complete": True})
        self.assertEqual(self.owner.get("/v2/replays")["data"], [])

    def test_an_endpoints_own_choice_holds_and_a_request_may_choose_otherwise(self):
        endpoint = self.endpoint(filter="event.data.name.startsWith('W') // only these", start="beginning")
        self.project("Web")
        self.project("Other")
        self.taken(1)
        replay = self.replay(endpoint, filter="event.data.name != 'Web' // but not this")
        self.assertEqual(self.until_state(replay, "completed")["progress"]["succeeded"], 0)
        self.assertEqual(self.request(endpoint, expect=200, dry_run=True)["events"], 1)  # what the endpoint wants
        replay = self.request(endpoint, types=["project.created"], filter="event.data.name == 'Other'")
        (event, tag), = self.taken(1)
        self.assertEqual(tag, replay["id"])
        self.until_state(replay, "completed")

    def test_only_what_failed(self):
        self.receiver.answer = lambda number, headers, body: 200 if b"good" in body else 500
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.05], max_attempts=None))
        for name in ("good 1", "bad 1", "good 2", "bad 2"):
            self.project(name)
        self.until_states(endpoint, succeeded=2, exhausted=2)
        self.receiver.take(6)
        self.assertEqual(self.replay(endpoint, expect=200, only="failed", dry_run=True)["events"], 2)
        self.receiver.answer = None
        replay = self.replay(endpoint, only="failed")
        names = [json.loads(body)["data"]["name"] for _, _, body in self.receiver.take(2)]
        self.assertCountEqual(names, ["bad 1", "bad 2"])
        self.assertEqual(self.until_state(replay, "completed")["progress"]["succeeded"], 2)
        self.until_states(endpoint, exhausted=2)

    def test_it_is_paused_gone_on_with_and_cancelled(self):
        endpoint = self.endpoint()
        for n in range(20):
            self.project(f"P{n}")
        self.taken(20)
        replay = self.replay(endpoint, rate_per_second=10)
        self.taken(2)
        path = f"/v2/replays/{replay['id']}"
        self.assertEqual(self.owner.post(f"{path}/pause", expect=200)["state"], "paused")
        self.until(lambda: self.read(replay)["progress"]["pending"] == 0)
        time.sleep(0.3)
        held = self.read(replay)["progress"]["succeeded"]
        time.sleep(0.5)
        self.assertEqual(self.read(replay)["progress"]["succeeded"], held)
        self.assertLess(held, 20)
        self.assertEqual(self.owner.post(f"{path}/resume", expect=200)["state"], "running")
        self.until(lambda: self.read(replay)["progress"]["succeeded"] > held + 1)
        cancelled = self.owner.post(f"{path}/cancel", expect=200)
        self.assertEqual((cancelled["state"], cancelled["reason"]), ("cancelled", "cancelled on request"))
        time.sleep(0.3)
        count = self.read(replay)["progress"]["succeeded"]
        self.assertLess(count, 20)
        for action in ("pause", "resume"):
            self.problem(self.owner.request("POST", f"{path}/{action}", expect=409), "invalid-transition")
        self.assertEqual(self.owner.post(f"{path}/cancel", expect=200)["state"], "cancelled")
        self.assertEqual(self.read(replay)["progress"]["succeeded"], count)
        # What it sent it sent once.
        ids = [headers["webhook-id"] for _, headers, _ in self.receiver.take(count - 2)]
        self.assertEqual(len(ids), len(set(ids)))

    def test_its_failures_are_its_own(self):
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.05, 0.05]))
        for n in range(3):
            self.project(f"P{n}")
        self.taken(3)
        self.until_states(endpoint, succeeded=3)
        self.receiver.status = 500
        replay = self.replay(endpoint)
        done = self.until_state(replay, "completed")
        self.assertEqual((done["progress"]["exhausted"], done["progress"]["succeeded"]), (3, 0))
        self.until_states(endpoint, succeeded=3, exhausted=0)
        shown = self.owner.get(f"/v2/webhooks/endpoints/{endpoint['id']}")
        self.assertEqual((shown["state"], shown["deliveries"]["failing_since"]), ("active", None))
        dead = self.deliveries_of(replay, "&state=exhausted")
        self.assertEqual(len(dead), 3)
        self.assertEqual(self.deliveries(endpoint, "&state=exhausted"), [])
        self.problem(self.owner.request("POST", f"/v2/webhooks/deliveries/{dead[0]['id']}/resend", expect=409), "invalid-transition", detail="replay")
        completed = self.owner.get(f"/v2/replays/{replay['id']}/events")["data"][-1]
        self.assertEqual({name: completed["data"][name] for name in ("succeeded", "exhausted", "skipped")}, {"succeeded": 0, "exhausted": 3, "skipped": 0})

    def test_it_waits_while_its_endpoint_is_paused_and_ends_with_it(self):
        endpoint = self.endpoint()
        self.project("A")
        self.taken(1)
        path = f"/v2/webhooks/endpoints/{endpoint['id']}"
        self.owner.post(f"{path}/pause", expect=200)
        replay = self.replay(endpoint)
        time.sleep(0.3)
        shown = self.read(replay)
        self.assertEqual((shown["state"], shown["progress"]["succeeded"]), ("running", 0))
        self.assertIn("endpoint is paused", shown["reason"])
        self.owner.post(f"{path}/resume", expect=200)
        self.assertEqual([tag for _, tag in self.taken(1)], [replay["id"]])
        self.until_state(replay, "completed")
        self.receiver.status = 500
        replay = self.replay(endpoint)
        self.until(lambda: self.read(replay)["progress"]["failing"] == 1)
        self.owner.request("DELETE", path, expect=204)
        shown = self.until_state(replay, "cancelled")
        self.assertEqual(shown["reason"], "its endpoint was deleted")
        self.until(lambda: self.read(replay)["progress"]["skipped"] == 1)

    def test_a_receiver_that_is_gone_disables_the_endpoint(self):
        endpoint = self.endpoint()
        self.project("A")
        self.taken(1)
        self.until_states(endpoint, succeeded=1)
        self.receiver.status = 410
        replay = self.replay(endpoint)
        self.until(lambda: self.owner.get(f"/v2/webhooks/endpoints/{endpoint['id']}")["state"] == "disabled")
        self.assertIn("disabled", self.until(lambda: self.read(replay)["reason"]))

    def test_it_goes_on_after_a_kill(self):
        endpoint = self.endpoint()
        for n in range(200):
            self.project(f"P{n}")
        self.taken(200)
        self.until_states(endpoint, succeeded=200)
        replay = self.replay(endpoint, rate_per_second=200)
        seen = [event for event, _ in self.taken(50)]
        self.server.kill()
        self.server.start()
        done = self.until_state(replay, "completed")
        self.assertEqual(done["progress"]["succeeded"], 200)
        live = [event["id"] for event in self.owner.events("type=project.created")]
        seen += [event for event, _ in self.taken(len(live) - len(set(seen)))]
        while len(set(seen)) < len(live):
            seen += [event for event, _ in self.taken(1)]
        self.assertEqual(set(seen), set(live))

    def test_what_is_refused(self):
        pull = self.owner.post("/v2/webhooks/endpoints", {"kind": "pull", "types": ["project.*"]}, expect=201)
        self.problem(self.replay(pull, expect=409), "invalid-transition", detail="pull")
        self.problem(self.request(pull, expect=422), "invalid-request", pointer="/sink/endpoint_id", detail="pull")
        self.problem(self.request({"id": "we_00000000000000000000000000"}, expect=422), "invalid-request", pointer="/sink/endpoint_id")
        endpoint = self.endpoint()
        self.problem(self.request(endpoint, expect=422, products=["nothing"]), "invalid-request", pointer="/products")
        self.problem(self.request(endpoint, expect=422, only="all"), "invalid-request", pointer="/only")
        self.problem(self.request(endpoint, expect=422, rate_per_second=0), "invalid-request", pointer="/rate_per_second")
        self.problem(self.request(endpoint, expect=422, filter="event."), "invalid-request", pointer="/filter")
        self.problem(self.request(endpoint, expect=422, sink={}), "invalid-request", pointer="/sink/endpoint_id")
        self.problem(self.request(endpoint, expect=422, project_id="proj_00000000000000000000000000"), "invalid-request", pointer="/project_id")
        self.problem(self.owner.request("GET", "/v2/replays/rpl_00000000000000000000000000", expect=404), "not-found")

    def test_whoever_asks_needs_every_permission(self):
        endpoint = self.endpoint()
        needed = ("replays:write", "webhooks:write", "events:read")
        for missing in needed:
            client = self.server.key(self.owner.organization, [one for one in needed if one != missing])
            answer = client.request("POST", "/v2/replays", {"from": "beginning", "sink": {"endpoint_id": endpoint["id"]}}, expect=403)
            self.problem(answer, "forbidden")

    def test_progress_is_told_of_a_range_from_the_beginning(self):
        endpoint = self.endpoint()
        for n in range(4):
            self.project(f"P{n}")
            time.sleep(0.3)
        self.taken(4)
        replay = self.replay(endpoint, rate_per_second=1)
        self.assertIsNone(replay["progress"])
        self.taken(2)
        path = f"/v2/replays/{replay['id']}"
        self.owner.post(f"{path}/pause", expect=200)  # its cursor is recorded then
        seen = self.until(lambda: 0 < (progress := self.read(replay)["progress"])["fraction"] and progress)
        self.assertLess(seen["fraction"], 1)
        self.assertIsNone(seen["remaining_seconds"])
        self.owner.post(f"{path}/cancel", expect=200)

    def test_an_endpoint_that_moves_to_another_project_ends_it(self):
        endpoint = self.endpoint()
        project = self.project("A")
        self.taken(1)
        self.receiver.status = 500
        replay = self.replay(endpoint)
        self.until(lambda: self.read(replay)["progress"]["failing"] == 1)
        self.owner.patch(f"/v2/webhooks/endpoints/{endpoint['id']}", {"project_id": project})
        self.assertEqual(self.until_state(replay, "cancelled")["reason"], "its endpoint was moved to another project")

    def test_what_failed_in_a_replay_is_replayed(self):
        self.receiver.answer = lambda number, headers, body: 200 if b"good" in body or "tidemark-replay" not in headers else 500
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.05]))
        for name in ("good 1", "bad 1", "good 2", "bad 2"):
            self.project(name)
        self.taken(4)
        first = self.replay(endpoint)
        self.assertEqual(self.until_state(first, "completed")["progress"]["exhausted"], 2)
        self.receiver.answer = None
        self.assertEqual(self.replay(endpoint, expect=200, dry_run=True, only="failed", of=first["id"])["events"], 2)
        second = self.replay(endpoint, only="failed", of=first["id"])
        self.assertEqual(self.until_state(second, "completed")["progress"]["succeeded"], 2)
        self.problem(self.replay(endpoint, expect=422, of=first["id"]), "invalid-request", pointer="/of")
        self.problem(self.replay(endpoint, expect=422, only="failed", of="rpl_00000000000000000000000000"), "invalid-request", pointer="/of")

    def test_a_mark_must_name_a_place_of_events(self):
        endpoint = self.endpoint()
        self.project("A")
        self.taken(1)
        mark = self.owner.get(f"/v2/webhooks/deliveries?endpoint_id={endpoint['id']}").mark
        self.problem(self.replay(endpoint, expect=422, **{"from": mark}), "invalid-request", pointer="/from", detail="names no place")
        foreign = self.acme.get("/v2/projects").mark
        self.problem(self.replay(endpoint, expect=400, **{"from": foreign}), "foreign-mark")

    def test_a_suspended_organizations_replays_wait(self):
        endpoint = self.endpoint()
        for n in range(10):
            self.project(f"P{n}")
        self.taken(10)
        replay = self.replay(endpoint, rate_per_second=5)
        self.taken(2)
        self.platform.post(f"/v2/organizations/{self.owner.organization}/suspend", expect=200)
        time.sleep(0.5)
        before = self.receiver.count
        time.sleep(0.6)
        self.assertEqual(self.receiver.count, before)
        self.platform.post(f"/v2/organizations/{self.owner.organization}/resume", expect=200)
        self.assertEqual(self.until_state(replay, "completed")["progress"]["succeeded"], 10)

    def test_whoever_goes_on_with_it_needs_what_whoever_asked_needed(self):
        replay = self.request(self.endpoint(), rate_per_second=1)
        path = f"/v2/replays/{replay['id']}"
        client = self.server.key(self.owner.organization, ["replays:write"])
        self.problem(client.request("POST", f"{path}/resume", expect=403), "forbidden")
        client = self.server.key(self.owner.organization, ["replays:write", "events:read", "webhooks:write"])
        client.request("POST", f"{path}/resume", expect="any")

    def test_keys_of_projects_know_of_replays_to_their_endpoints(self):
        mine, other = self.project("mine"), self.project("other")
        whole, own = self.endpoint(), self.endpoint(project_id=mine)
        permissions = ["replays:*", "webhooks:*", "events:read", "projects:read"]
        client = self.server.key(self.owner.organization, permissions, projects=[mine])
        of_whole = self.request(whole, project_id=mine)
        of_own = self.request(own)
        self.assertEqual(of_own["project_id"], mine)
        self.assertEqual([one["id"] for one in client.get("/v2/replays")["data"]], [of_own["id"]])
        for path, status in ((of_whole["id"], 404), (of_own["id"], 200)):
            client.request("GET", f"/v2/replays/{path}", expect=status)
            client.request("GET", f"/v2/replays/{path}/events", expect=status)
        self.problem(client.request("POST", f"/v2/replays/{of_whole['id']}/cancel", expect=404), "not-found")
        body = {"from": "beginning", "sink": {"endpoint_id": own["id"]}}
        self.assertEqual(client.request("POST", "/v2/replays", {**body, "dry_run": True}, expect=200)["types"], {"project.created": 1})
        self.problem(client.request("POST", "/v2/replays", {**body, "project_id": other}, expect=422), "invalid-request", pointer="/project_id")
        self.problem(client.request("POST", "/v2/replays", {**body, "sink": {"endpoint_id": whole["id"]}}, expect=422), "invalid-request", pointer="/sink/endpoint_id")

    def test_two_conditions_that_are_too_much_together(self):
        many = " || ".join(f"event.data.name.matches('^a{n}$')" for n in range(9))
        endpoint = self.endpoint(filter=many)
        self.problem(self.replay(endpoint, expect=422, filter=many), "invalid-request", pointer="/filter", detail="together")

    def test_a_repeated_request_is_one_replay(self):
        endpoint = self.endpoint()
        self.project("A")
        self.taken(1)
        ask = lambda: self.owner.request("POST", f"/v2/webhooks/endpoints/{endpoint['id']}/replay", {"from": "beginning"}, expect=201,
                                         headers={"Idempotency-Key": "once"})
        first, second = ask(), ask()
        self.assertEqual(first["id"], second["id"])
        self.assertEqual(second.headers["Idempotent-Replayed"], "true")
        self.until_state(first, "completed")
        self.assertEqual(len(self.owner.get("/v2/replays")["data"]), 1)


class CommandLine(ReplayTest):
    def tidemark(self, *arguments, expect=0):
        key = self.owner.key
        environment = {**os.environ, "TIDEMARK_KEY": key, "TIDEMARK_URL": f"http://127.0.0.1:{self.server.port}"}
        return tidemark("replay", *arguments, expect=expect, env=environment)

    def test_to_an_endpoint(self):
        endpoint = self.endpoint()
        for n in range(3):
            self.project(f"P{n}")
        self.taken(3)
        counted = self.tidemark("--endpoint", endpoint["id"], "--dry-run")
        self.assertIn("3 events", counted.stdout)
        self.assertIn("3  project.created", counted.stdout)
        done = self.tidemark("--endpoint", endpoint["id"], "--rate", "100/s")
        self.assertRegex(done.stdout, r"^rpl_\w+ completed: 3 events, 0 failed$")
        self.assertIn("goes on at the server", done.stderr)
        self.assertEqual(len(self.taken(3)), 3)
        id = done.stdout.split()[0]
        self.tidemark("--failed-of", id, expect=2)
        self.assertIn("completed: 0 events", self.tidemark("--endpoint", endpoint["id"], "--failed-of", id).stdout)
        followed = json.loads(self.tidemark("--follow", id, "--json").stdout)
        self.assertEqual((followed["state"], followed["progress"]["succeeded"]), ("completed", 3))

    def test_what_fails_is_told(self):
        self.receiver.status = 500
        endpoint = self.endpoint(retry_policy_id=self.policy(delays_seconds=[0.05]))
        self.project()
        self.taken(2)
        done = self.tidemark("--endpoint", endpoint["id"], expect=1)
        self.assertIn("0 events, 1 failed", done.stdout)
        self.assertIn("state=exhausted", done.stderr)

    def test_what_is_refused(self):
        for arguments in (("--endpoint", ""), ("--into", ""), ("--follow", "../projects"), ("--follow", "rpl_00000000000000000000000000", "--type", "a.*"),
                          ("--endpoint", "we_1", "--into", "b"), ("--endpoint", "we_1", "--kind", "x"), ("--endpoint", "we_1", "--rate", "0.5/s"),
                          ("--only-failed",), ("--json",)):
            self.tidemark(*arguments, expect=2)
        self.assertIn("/sink/endpoint_id", self.tidemark("--endpoint", "we_1", expect=3).stderr)


class Products(ReplayTest):
    """Replays that are written to a declared product."""

    def setUp(self):
        super().setUp()
        self.source, self.target = unique("source"), unique("target")
        for name in (self.source, self.target):
            self.server.declare(name, FILES)

    def write(self, entity, **data):
        self.owner.post(f"/v2/products/{self.source}/file/{entity}/events", {"events": [{"type": "file.added", "data": data}]}, expect=201)

    def replay_to(self, product, **members):
        return self.owner.request("POST", "/v2/replays", {"from": "beginning", "sink": {"product": product}, "products": [self.source], **members}, expect=201)

    def rows(self, product):
        return {row["entity"]: row["state"] for row in self.owner.pages(f"/v2/products/{product}/file")}

    def test_a_products_events_are_written_to_another_one(self):
        for n in range(30):
            self.write(f"f{n % 7}", size=n)
        replay = self.replay_to(self.target)
        self.assertEqual(replay["sink"], {"endpoint_id": None, "pipeline_id": None, "product": self.target})
        done = self.until_state(replay, "completed")
        self.assertEqual((done["progress"]["succeeded"], done["progress"]["exhausted"]), (30, 0))
        self.comes(lambda: self.rows(self.target), self.rows(self.source))
        before = list(self.owner.events(f"product={self.source}"))
        self.comes(lambda: len(list(self.owner.events(f"product={self.target}"))), 30)
        after = list(self.owner.events(f"product={self.target}"))
        self.assertEqual({event["causationid"] for event in after}, {event["id"] for event in before})
        self.assertEqual({(event["replayid"], event["correlationid"], event["actor"]) for event in after}, {(replay["id"], replay["id"], "system")})
        by_id = {event["id"]: event for event in before}
        for event in after:
            of = by_id[event["causationid"]]
            self.assertEqual((event["type"], event["subject"], event["data"], event["time"]), (of["type"], of["subject"], of["data"], of["time"]))
        # Each entity's in its order.
        for entity in self.rows(self.source):
            self.assertEqual([event["data"]["size"] for event in after if event["subject"] == entity],
                             [event["data"]["size"] for event in before if event["subject"] == entity])

    def test_what_the_product_refuses_is_told_and_holds_up_nothing(self):
        strict = unique("strict")
        self.server.declare(strict, {"kinds": {"file": {"events": {"file.added": {
            "fold": "replace", "schema": {"type": "object", "properties": {"size": {"maximum": 9}}}}}}}})
        for n in range(12):
            self.write(f"f{n}", size=n)
        replay = self.replay_to(strict, types=["file.*"])
        done = self.until_state(replay, "completed")
        self.assertEqual((done["progress"]["succeeded"], done["progress"]["exhausted"]), (10, 2))
        dead = self.deliveries_of(replay, "&state=exhausted")
        self.assertEqual({(row["status"], row["endpoint_id"]) for row in dead}, {(422, None)})
        attempt, = self.owner.get(f"/v2/webhooks/deliveries/{dead[0]['id']}")["attempts"]
        self.assertIn("/size", attempt["body"])
        self.comes(lambda: len(self.rows(strict)), 10)

    def test_a_kill_writes_nothing_twice(self):
        for n in range(300):
            self.write(f"f{n % 40}", size=n)
        replay = self.replay_to(self.target, rate_per_second=300)
        for reached in (60, 140, 220):
            self.until(lambda: self.read(replay)["progress"]["succeeded"] >= reached)
            self.server.kill()
            self.server.start()
        done = self.until_state(replay, "completed")
        self.assertEqual(done["progress"]["succeeded"], 300)
        after = lambda: list(self.owner.events(f"product={self.target}"))
        self.comes(lambda: (len(after()), len({event["causationid"] for event in after()})), (300, 300))
        self.comes(lambda: self.rows(self.target), self.rows(self.source))

    def test_what_failed_is_written_once_the_product_takes_it(self):
        strict = unique("strict")
        manifest = lambda most: {"kinds": {"file": {"events": {"file.added": {
            "fold": "replace", "schema": {"type": "object", "properties": {"size": {"maximum": most}}}}}}}}
        self.server.declare(strict, manifest(9))
        for n in range(12):
            self.write(f"f{n}", size=n)
        first = self.replay_to(strict)
        self.assertEqual(self.until_state(first, "completed")["progress"]["exhausted"], 2)
        dead = self.deliveries_of(first, "&state=exhausted")[0]
        self.problem(self.owner.request("POST", f"/v2/webhooks/deliveries/{dead['id']}/resend", expect=409), "invalid-transition")
        changed = manifest(99)
        self.server.declare(strict, changed)
        second = self.replay_to(strict, only="failed", of=first["id"])
        self.assertEqual(self.until_state(second, "completed")["progress"]["succeeded"], 2)
        self.comes(lambda: self.rows(strict), self.rows(self.source))

    def test_without_products_it_takes_all_declared_ones_but_its_own(self):
        self.write("a", size=1)
        self.project("not of a declared product")
        made = self.owner.request("POST", "/v2/replays", {"from": "beginning", "sink": {"product": self.target}, "types": ["file.*"]}, expect=201)
        self.assertIn(self.source, made["products"])
        self.assertNotIn(self.target, made["products"])
        self.assertNotIn("projects", made["products"])
        self.assertEqual(self.until_state(made, "completed")["progress"]["succeeded"], 1)
        for wrong in (self.target, "projects", "deliveries"):
            answer = self.owner.request("POST", "/v2/replays", {"from": "beginning", "sink": {"product": self.target}, "products": [wrong]}, expect=422)
            self.problem(answer, "invalid-request", pointer="/products")

    def test_a_seal_is_not_lost(self):
        sealed = unique("sealed")
        self.server.declare(sealed, {"kinds": {"file": {"sealed": ["/owner"], "events": {"file.added": {"fold": "replace"}}}}})
        for entity, data in (("a", {"owner": "ann@example.com"}), ("b", {"size": 1})):
            self.owner.post(f"/v2/products/{sealed}/file/{entity}/events", {"events": [{"type": "file.added", "data": data}]}, expect=201)
        replay = self.replay_to(self.target, products=[sealed])
        done = self.until_state(replay, "completed")
        self.assertEqual((done["progress"]["succeeded"], done["progress"]["exhausted"]), (1, 1))
        dead, = self.deliveries_of(replay, "&state=exhausted")
        attempt, = self.owner.get(f"/v2/webhooks/deliveries/{dead['id']}")["attempts"]
        self.assertIn("'/owner' is sealed", attempt["body"])
        self.comes(lambda: self.rows(self.target), {"b": {"size": 1}})

    def test_sealed_fields_are_sealed_again(self):
        manifest = {"kinds": {"file": {"sealed": ["/owner"], "events": {"file.added": {"fold": "replace"}}}}}
        sealed, other = unique("sealed"), unique("sealed")
        for name in (sealed, other):
            self.server.declare(name, manifest)
        self.owner.post(f"/v2/products/{sealed}/file/a/events", {"events": [{"type": "file.added", "data": {"owner": "ann@example.com", "n": 1}}]}, expect=201)
        self.until_state(self.replay_to(other, products=[sealed]), "completed")
        self.comes(lambda: self.rows(other), {"a": {"owner": "ann@example.com", "n": 1}})

    def test_what_is_refused(self):
        ask = lambda **body: self.owner.request("POST", "/v2/replays", {"from": "beginning", **body}, expect=422)
        for product in ("projects", "nothing", ""):
            self.problem(ask(sink={"product": product}), "invalid-request", pointer="/sink/product")
        self.problem(ask(sink={}), "invalid-request", pointer="/sink/endpoint_id")
        both = {"product": self.target, "endpoint_id": self.endpoint()["id"]}
        self.problem(ask(sink=both), "invalid-request", pointer="/sink/endpoint_id")
        self.problem(ask(sink={"product": self.target}, only="failed"), "invalid-request", pointer="/of")
        client = self.server.key(self.owner.organization, ["replays:write", "events:read"])
        self.problem(client.request("POST", "/v2/replays", {"from": "beginning", "sink": {"product": self.target}}, expect=403), "forbidden")


if __name__ == "__main__":
    run()
