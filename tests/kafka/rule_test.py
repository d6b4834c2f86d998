"""The reference reader's rule, without brokers: what counts and what is void, record by record.

Method: a partition written by hand with what managers that were stopped, killed or replaced leave behind.
"""
import unittest

from reader import judged

ORGANIZATION = "org_01h455vb4pex5vsknk084sn02q"


class Message:
    def __init__(self, partition, offset, headers, key=None):
        self._partition, self._offset, self._key = partition, offset, key
        self._headers = [(name, value.encode()) for name, value in headers.items()] or None

    def partition(self):
        return self._partition

    def offset(self):
        return self._offset

    def key(self):
        return self._key

    def headers(self):
        return self._headers


class Topic:
    """Messages as they came, each at the next offset of its partition."""

    def __init__(self):
        self.messages, self.ends = [], {}

    def add(self, headers, partition=0, key=None):
        offset = self.ends.get(partition, 0)
        self.ends[partition] = offset + 1
        self.messages.append(Message(partition, offset, headers, key))
        return offset

    def claim(self, nonce, after="-1:0000000000000000", partition=0):
        offset = self.add({"tm_kind": "claim", "tm_claim_nonce": f"{nonce:016x}", "tm_predecessor": after}, partition)
        return f"{offset}:{nonce:016x}"

    def event(self, epoch, sequence, partition=0, kind="events"):
        return self.add({"tm_kind": kind, "tm_epoch": epoch, "tm_sequence": str(sequence), "ce_id": f"evt_{sequence}",
                         "ce_type": "file.added"}, partition, ORGANIZATION.encode())


class RuleTest(unittest.TestCase):
    def setUp(self):
        self.topic = Topic()

    def verdicts(self):
        return [record.verdict for record in judged(self.topic.messages)]

    def test_dense_records_under_a_claim_count(self):
        epoch = self.topic.claim(7)
        for sequence, kind in enumerate(["events", "noop", "control", "events"]):
            self.topic.event(epoch, sequence, kind=kind)
        self.assertEqual(self.verdicts(), ["claim", "events", "noop", "control", "events"])

    def test_nothing_counts_before_a_claim(self):
        self.topic.event("0:0000000000000007", 0)
        self.topic.claim(7)
        self.topic.event("1:0000000000000007", 0)
        self.assertEqual(self.verdicts(), ["void-epoch", "claim", "events"])

    def test_a_zombie_goes_on_under_its_old_epoch(self):
        old = self.topic.claim(7)
        self.topic.event(old, 0)
        new = self.topic.claim(9, after=old)
        self.topic.event(old, 1)
        self.topic.event(new, 0)
        self.topic.event(old, 2)
        self.topic.event(new, 1)
        self.assertEqual(self.verdicts(), ["claim", "events", "claim", "void-epoch", "events", "void-epoch", "events"])

    def test_a_hole_makes_all_behind_it_void_until_the_next_claim(self):
        epoch = self.topic.claim(7)
        self.topic.event(epoch, 0)
        for sequence in (2, 3):
            self.topic.event(epoch, sequence)
        epoch = self.topic.claim(8, after=epoch)
        self.topic.event(epoch, 0)
        self.assertEqual(self.verdicts(), ["claim", "events", "void-sequence", "void-sequence", "claim", "events"])

    def test_what_the_broker_wrote_twice_counts_once(self):
        epoch = self.topic.claim(7)
        for sequence in (0, 1, 0, 1, 2):
            self.topic.event(epoch, sequence)
        self.assertEqual(self.verdicts(), ["claim", "events", "events", "void-sequence", "void-sequence", "events"])

    def test_of_two_claims_after_the_same_epoch_the_first_counts(self):
        old = self.topic.claim(7)
        winner = self.topic.claim(8, after=old)
        loser = self.topic.claim(9, after=old)
        self.topic.event(loser, 0)
        self.topic.event(winner, 0)
        self.assertEqual(self.verdicts(), ["claim", "claim", "void-claim", "void-epoch", "events"])

    def test_the_same_offset_with_another_nonce_is_another_epoch(self):
        self.topic.claim(7)
        self.topic.event("0:0000000000000008", 0)
        self.assertEqual(self.verdicts(), ["claim", "void-epoch"])

    def test_a_strangers_message_takes_an_offset_and_nothing_else(self):
        epoch = self.topic.claim(7)
        self.topic.add({})
        self.topic.event(epoch, 0)
        self.assertEqual(self.verdicts(), ["claim", "foreign", "events"])

    def test_partitions_have_nothing_to_do_with_each_other(self):
        first, second = self.topic.claim(7), self.topic.claim(8, partition=1)
        self.topic.event(first, 0)
        self.topic.event(first, 0, partition=1)
        self.topic.event(second, 0, partition=1)
        self.assertEqual(self.verdicts(), ["claim", "claim", "events", "void-epoch", "events"])

    def test_a_record_knows_its_place_and_its_event(self):
        epoch = self.topic.claim(7)
        self.topic.event(epoch, 0)
        record = list(judged(self.topic.messages))[1]
        self.assertEqual((record.organization, record.partition, record.offset, record.sequence, record.type, record.id),
                         (ORGANIZATION, 0, 1, 0, "file.added", "evt_0"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
