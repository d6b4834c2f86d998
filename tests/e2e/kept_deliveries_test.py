# TIMEOUT 200
"""Deliveries that have ended are kept for a while (`--keep-deliveries`), and forgotten then: in no list, and not to be sent again."""
import json
import time

from harness import BROKERS, LOOPBACK_ALLOWED, run
from receiver import SECONDS
from webhooks_test import WebhookTest

# A cursor is recorded every ten seconds, and what it has not passed is kept.
SOON = 30


class KeptDeliveries(WebhookTest):
    arguments = (*LOOPBACK_ALLOWED, "--keep-deliveries", "1s")

    def listed(self, endpoint, query=""):
        return {row["event_id"] for row in self.deliveries(endpoint, query)}

    def counts(self, endpoint):
        return self.owner.get(f"/v2/webhooks/endpoints/{endpoint['id']}")["deliveries"]

    def resend(self, delivery, expect):
        return self.owner.post(f"/v2/webhooks/deliveries/{delivery}/resend", {}, expect=expect, headers={"Idempotency-Key": "once"})

    def test_what_a_replay_waits_for_is_kept_until_it_has_gone(self):
        down = self.receive(answer=lambda *_: 500)
        through = self.endpoint()
        given_up = self.endpoint(down, retry_policy_id=self.policy(name="once", final_statuses=[500]))
        for number in range(5):
            self.project(f"P{number}")
        self.until_states(given_up, exhausted=5)
        self.owner.post(f"/v2/webhooks/endpoints/{given_up['id']}/pause")
        replay = self.owner.post("/v2/replays", {"from": "beginning", "sink": {"endpoint_id": given_up["id"]}, "only": "failed"}, expect=201)["id"]
        self.until(lambda: not self.listed(through), SECONDS + SOON)
        time.sleep(3)  # several rounds in which they would go
        failed = self.listed(given_up, "&state=exhausted")
        self.assertEqual(len(failed), 5)
        down.answer = None
        self.owner.post(f"/v2/webhooks/endpoints/{given_up['id']}/resume", {})
        self.until(lambda: self.owner.get(f"/v2/replays/{replay}")["state"] == "completed")
        self.assertEqual(self.owner.get(f"/v2/replays/{replay}")["progress"]["succeeded"], 5)
        self.until(lambda: not self.listed(given_up), SECONDS + SOON)

    def test_what_ended_is_forgotten_and_what_is_open_stays(self):
        down = self.receive(answer=lambda *_: 500)
        through = self.endpoint()
        given_up = self.endpoint(down, retry_policy_id=self.policy(name="once", final_statuses=[500]))
        waiting = self.endpoint(down, retry_policy_id=self.policy(name="patient", delays_seconds=[3600]))
        gone = self.endpoint()
        self.project("P0")
        self.until_states(through, succeeded=1)
        begun = self.owner.get("/v2/webhooks/deliveries").mark  # most have not ended
        first = self.deliveries(through)[0]["id"]
        self.resend(first, expect=202)
        for number in range(1, 5):
            self.project(f"P{number}")
        self.until_states(through, succeeded=5)
        self.until_states(given_up, exhausted=5)
        self.until_states(waiting, failing=5)
        self.until_states(gone, succeeded=5)
        self.owner.delete(f"/v2/webhooks/endpoints/{gone['id']}")
        ended = [row["id"] for row in self.owner.pages("/v2/webhooks/deliveries") if row["endpoint_id"] != waiting["id"]]

        self.until(lambda: not any(map(self.listed, (through, given_up, gone))), SECONDS + SOON)
        self.assertEqual(len(self.listed(waiting)), 5)
        self.assertEqual(len(self.listed(waiting, "&state=failing")), 5)
        self.assertEqual(self.listed(given_up, "&state=exhausted"), set())
        self.assertEqual({row["endpoint_id"] for row in self.owner.pages("/v2/webhooks/deliveries")}, {waiting["id"]})
        self.assertEqual((self.counts(through)["succeeded"], self.counts(given_up)["exhausted"]), (5, 5), "what was counted")
        for name in ended:
            self.owner.get(f"/v2/webhooks/deliveries/{name}", expect=404)
            self.owner.post(f"/v2/webhooks/deliveries/{name}/resend", {}, expect=404)
        self.assertEqual(self.owner.post("/v2/webhooks/deliveries/resend", {"endpoint_id": given_up["id"], "state": "exhausted"})["resent"], 0)

        self.problem(self.resend(first, expect=404), "not-found")
        self.problem(self.owner.get(f"/v2/webhooks/deliveries/{first}?as_of={begun}", expect=410), "history-trimmed")
        for query in ("", f"&endpoint_id={through['id']}", "&state=failing"):
            refused = self.owner.get(f"/v2/webhooks/deliveries?as_of={begun}{query}", expect=410)
            self.problem(refused, "history-trimmed")
            self.owner.get(f"/v2/webhooks/deliveries?as_of={refused['earliest_mark']}{query}")
        if BROKERS:
            return
        self.receiver.take(11)
        self.check_rebuild()
        name = self.project("one more")
        self.until_states(through, succeeded=6)
        (_, _, body), = self.receiver.take(1)
        self.assertEqual(json.loads(body)["subject"], name)
        time.sleep(1)
        self.assertTrue(self.receiver.got.empty(), "nothing is sent again behind a restart")


if __name__ == "__main__":
    run()
