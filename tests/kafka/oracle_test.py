"""The judge of the random tests, without brokers: each thing that must never happen is planted, and found.

Method: a partition of real record heads with a chain that holds, commands as clients remember them, then one lie.
"""
import base64
import hashlib
import unittest

import oracle
from rule_test import ORGANIZATION, Message
from traffic import MARKED, Command, Tenant


def mark_of(topic, partition, offset):
    raw = bytes(5) + MARKED.pack(topic, partition, offset, 0xFFFFFFFF, bytes(8)) + bytes(8)
    return "tm1_" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Record(Message):
    def __init__(self, offset, headers, value):
        super().__init__(0, offset, headers, ORGANIZATION.encode())
        self.bytes = value

    def value(self):
        return self.bytes

    def topic(self):
        return "tm.projects"


class Memory(oracle.Oracle):
    """An oracle over records of ours."""

    def __init__(self):
        self.partitions = {("projects", 0): oracle.Partition()}
        self.names = {"tm.projects": "projects"}
        self.verdicts = oracle.collections.Counter()
        self.forget()
        self.offset, self.epoch, self.sequence, self.chain = 0, "-1:0000000000000000", 0, bytes(16)

    def forget(self):
        self.held, self.order = oracle.collections.defaultdict(list), oracle.collections.defaultdict(list)

    def add(self, kind, headers, payload, epoch, sequence, chain):
        offset, nonce = epoch.split(":")
        head = oracle.HEAD.pack(len(payload), kind, 1, 0, int(offset), int(nonce, 16), sequence, chain, 0, 0)
        self.take(Record(self.offset, headers, head + payload))
        self.offset += 1
        return self.offset - 1

    def claim(self, nonce):
        at = self.add(oracle.KIND_CLAIM, {"tm_kind": "claim", "tm_claim_nonce": f"{nonce:016x}", "tm_predecessor": self.epoch}, b"claim", self.epoch, 0, self.chain)
        self.epoch, self.sequence = f"{at}:{nonce:016x}", 0

    def event(self, token, epoch=None, sequence=None):
        """By default the next one that counts; its offset."""
        epoch, at, payload = epoch or self.epoch, self.sequence if sequence is None else sequence, f"name {token} slug {token.lower()}".encode()
        chain = hashlib.sha256(self.chain + payload).digest()[:16]
        offset = self.add(oracle.KIND_EVENTS, {"tm_kind": "events", "tm_epoch": epoch, "tm_sequence": str(at)}, payload, epoch, at, chain)
        if (epoch, at) == (self.epoch, self.sequence):
            self.sequence, self.chain = self.sequence + 1, chain
        return offset


def token(number):
    return f"Tk{number:016x}Z"


def command(number, offset=None, tries=()):
    one = Command("projects", token(number), "POST", "/v2/projects", {"name": token(number)}, [])
    one.tries += tries
    if offset is not None:
        one.acknowledge(mark_of(2, 0, offset))
    return one


class OracleTest(unittest.TestCase):
    def setUp(self):
        self.log = Memory()
        self.log.claim(7)
        self.commands = [command(number, self.log.event(token(number))) for number in range(3)]

    def faults(self):
        return oracle.check_commands(self.commands, self.log)

    def test_what_was_told_is_there(self):
        self.assertEqual(self.faults(), [])
        self.assertEqual((self.log.forks, self.log.weak_forks), (0, 0))

    def test_acknowledged_and_lost(self):
        self.commands.append(command(9, 3))
        self.assertRegex(self.faults()[0], "found at \\[\\]")

    def test_acknowledged_and_void(self):
        self.commands.append(command(9, self.log.event(token(9), sequence=17)))
        self.assertRegex(self.faults()[0], "found at \\[\\]")

    def test_acknowledged_and_there_twice(self):
        self.log.event(token(1))
        self.assertEqual(len(self.faults()), 1)

    def test_acknowledged_at_another_place(self):
        self.commands[1].acknowledge(mark_of(2, 0, 3))
        self.assertEqual(len(self.faults()), 1)

    def test_acknowledged_by_the_mark_of_another_topic(self):
        self.commands[1].acknowledge(mark_of(3, 0, 2))
        self.commands[2].topic = "files"
        self.assertRegex("\n".join(self.faults()), "another topic")

    def test_refused_and_there(self):
        self.log.event(token(9))
        self.commands.append(command(9, tries=["refused", "refused"]))
        self.assertRegex(self.faults()[0], "^refused")

    def test_unsure_may_be_there_or_not_but_once(self):
        self.log.event(token(9))
        self.commands += [command(9, tries=["refused", "unsure"]), command(10, tries=["unsure"])]
        self.assertEqual(self.faults(), [])
        self.log.event(token(9))
        self.assertEqual(len(self.faults()), 1)

    def test_nobody_asked_for_it(self):
        self.log.event(token(9))
        self.assertRegex(self.faults()[0], "^nobody")
        self.assertEqual(oracle.check_commands(self.commands, self.log, {token(9)}), [])

    def test_a_record_decided_on_another_state(self):
        self.log.chain = bytes(16)
        self.commands.append(command(9, self.log.event(token(9))))
        self.assertRegex(self.faults()[0], "not decided on the one before")

    def test_what_is_void_forks_only_who_looks_at_epochs_alone(self):
        past = self.log.epoch
        self.log.event(token(2), sequence=2)
        self.log.event(token(20), sequence=20)
        self.log.claim(8)
        self.log.event(token(21), epoch=past, sequence=3)
        self.commands.append(command(22, self.log.event(token(22))))
        self.assertEqual(self.faults(), [])
        self.assertEqual(self.log.voids(), {"void-epoch": 1, "void-sequence": 2})
        self.assertEqual((self.log.forks, self.log.weak_forks), (0, 2))

    def test_what_a_process_shows_is_what_the_log_has(self):
        held = [(1, token(0)), (2, token(1)), (3, token(2))]
        for shown, acknowledged, faults in [(held, 3, 0), (held[:2], 3, 1), (held[:2], 2, 0), (held[::-1], 3, 1), ([held[0], held[0]], 1, 1)]:
            seen = oracle.Seen()
            seen.shown += shown
            self.assertEqual(len(seen.differences(list(held), acknowledged)), faults, shown)

    def test_marks_that_clients_remember_cover_what_they_expect(self):
        tenant = Tenant(ORGANIZATION)
        for one, version in ((self.commands[2], 5), (self.commands[0], 4)):
            tenant.learn(one, [("proj_1", version)])
        self.assertEqual(tenant.snapshot("projects"), (self.commands[2].mark, {"proj_1": 5}))


if __name__ == "__main__":
    unittest.main(verbosity=2)
