# TIMEOUT 900
# LABEL slow
"""Kill -9 during delivery, three hundred times: every event arrives, what arrives twice has the same id and the same
bytes, and no entity's events arrive out of order.

Four writers change twenty projects, and the receiver fails now and then, while the program is killed at random
moments, some of them while it starts. In the end the rows are deleted and made anew: the same hash, and nothing is tried
again that is through. DELIVERY_KILLS sets another number of kills.
"""
import collections
import http.client
import json
import os
import random
import threading
import time

from harness import LOOPBACK_ALLOWED, ServerTest, run
from receiver import Receiver

KILLS = int(os.environ.get("DELIVERY_KILLS", "300"))
PROJECTS = 20
WRITERS = 4
BACKLOG = 500  # writers wait when the receiver is so many events behind


class Taken:
    """What a receiver has been sent, told apart by `webhook-id`."""

    def __init__(self):
        self.bodies, self.wrong, self.again, self.lock = {}, [], 0, threading.Lock()
        self.versions = collections.defaultdict(int)  # the newest of each entity
        self.random = random.Random(7)

    def answer(self, _, headers, body):
        event = json.loads(body)
        with self.lock:
            if headers["webhook-id"] != event["id"]:
                self.wrong.append(f"the id {headers['webhook-id']} of {event['id']}")
            if self.bodies.setdefault(event["id"], body) != body:
                self.wrong.append(f"{event['id']} with other bytes")
            if event["entityversion"] < self.versions[event["subject"]]:
                self.wrong.append(f"{event['subject']} version {event['entityversion']} behind {self.versions[event['subject']]}")
            self.again += event["entityversion"] == self.versions[event["subject"]]
            self.versions[event["subject"]] = event["entityversion"]
            return 500 if self.random.random() < 0.02 else 200


class DeliveryCrash(ServerTest):
    arguments = LOOPBACK_ALLOWED

    def setUp(self):
        self.seed = random.randrange(1 << 30)
        self.source = random.Random(self.seed)
        self.taken = Taken()
        self.receiver = Receiver(answer=self.taken.answer)
        self.addCleanup(self.receiver.close)
        self.ending, self.written = False, 0

    def write(self, projects, number):
        """Changes names until the end; what was not answered is asked again with its key."""
        client = self.server.key(self.acme.organization)
        for turn in range(1 << 30):
            while self.written > len(self.taken.bodies) + BACKLOG and not self.ending:
                time.sleep(0.01)
            if self.ending:
                return
            project, key = projects[turn % len(projects)], f"{number}-{turn}"
            while True:
                try:
                    answer = client.patch(f"/v2/projects/{project}", {"name": f"N{key}"}, headers={"Idempotency-Key": key}, expect="any", timeout=10)
                    if answer.status == 200:
                        self.written += 1  # about: who counts at the same time loses one
                        break
                except (OSError, http.client.HTTPException):
                    client.close()
                if self.ending:
                    return
                time.sleep(0.01)

    def kill_and_start(self):
        self.server.kill()
        while self.source.random() < 0.2:
            self.server.launch()
            time.sleep(self.source.uniform(0, 0.15))
            self.server.kill()
        self.server.start()

    def test_every_event_arrives_in_order(self):
        policy = self.acme.post("/v2/webhooks/retry-policies", {"name": "p", "delays_seconds": [0.05] * 40, "timeout_seconds": 5})["id"]
        endpoint = self.acme.post("/v2/webhooks/endpoints", {"url": self.receiver.url, "types": ["project.changed"], "retry_policy_id": policy})["id"]
        projects = [self.acme.post("/v2/projects", {"name": "P"})["id"] for _ in range(PROJECTS)]
        writers = [threading.Thread(target=self.write, args=(projects[n::WRITERS], n)) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        for kill in range(KILLS):
            time.sleep(self.source.uniform(0.02, 0.25))
            self.kill_and_start()
            self.assertEqual(self.taken.wrong, [], f"kill {kill}, seed {self.seed}")
        self.ending = True
        for writer in writers:
            writer.join()
        expected = {event["id"] for event in self.acme.events("type=project.changed")}
        self.until_through(endpoint, len(expected))
        self.assertEqual(set(self.taken.bodies), expected)
        self.assertEqual(self.taken.wrong, [], f"seed {self.seed}")
        through = self.receiver.count
        self.check_rebuild()
        last = self.acme.patch(f"/v2/projects/{projects[0]}", {"name": "last"})
        self.until_through(endpoint, len(expected) + 1)
        self.assertEqual(self.receiver.count, through + 1, "something was sent again that was through")
        self.assertEqual(self.taken.versions[last["id"]], last["version"])
        print(f"\n{KILLS} kills, {len(expected)} events, {through} sent, {self.taken.again} of them once more")
        self.assertGreater(self.taken.again, KILLS / 20, "hardly a kill hit a delivery")

    def until_through(self, endpoint, count):
        deadline = time.monotonic() + 240
        while True:
            told = self.acme.get(f"/v2/webhooks/endpoints/{endpoint}")["deliveries"]
            if told["succeeded"] == count and not told["failing"] and not told["pending"]:
                return
            self.assertLess(time.monotonic(), deadline, f"{told}, {count} expected, seed {self.seed}\n{self.server.output()[-2000:]}")
            time.sleep(0.05)


class Restart(ServerTest):
    """The cursor is recorded every ten seconds: not over what is still on its way then."""

    arguments = LOOPBACK_ALLOWED

    def test_what_was_on_its_way_is_sent_again(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        self.acme.post("/v2/webhooks/endpoints", {"url": receiver.url, "types": ["project.created"]}, expect=201)
        receiver.delay = 13
        project = self.acme.post("/v2/projects", {"name": "P"})["id"]
        time.sleep(11.5)
        self.server.kill()
        receiver.delay = 0
        self.server.start()
        (_, _, body), = receiver.take(1)
        self.assertEqual(json.loads(body)["subject"], project)
        (_, _, again), = receiver.take(1)
        self.assertEqual(again, body)


if __name__ == "__main__":
    run()
