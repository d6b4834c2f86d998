"""Managers that do not know of their end, as what they send: real records, late.

    zombies = Zombies(confluent_kafka, brokers, oracle, seed)
    zombies.run(seconds)           # reads on in the topics, and sends, until then
    zombies.sent                   # how many of each kind

Records of an epoch that is over, copies of records of the current one, records of it far behind a hole, old claims, what
is no record at all; none of them may count. And now and then a claim that does count, by somebody who dies at once: the
owner of the partition has to give way, and to find out what became of all that it had on its way. Nothing is sent that
no manager could send: a record that counts and was not decided on the one before it would be a fork by our own hand.
"""
import collections
import random
import struct
import time

from reader_test import HEAD_SIZE, changed, crc32c

FAR = 1_000_000   # no epoch of a test has so many records
BURST_MAX = 100
KINDS = {"past epoch": 4, "second copy": 5, "behind a hole": 3, "old claim": 2, "foreign": 1, "claim": 2}


def claim_after(epoch, pattern, nonce):
    """A claim on top of `epoch`, made of another one: value and headers."""
    old = dict(pattern.headers())["tm_claim_nonce"].decode()
    payload = pattern.value()[HEAD_SIZE:]
    if payload.count(struct.pack("<Q", int(old, 16))) != 1:
        return None
    payload = payload.replace(struct.pack("<Q", int(old, 16)), struct.pack("<Q", nonce))
    length = struct.unpack_from("<I", pattern.value())[0]
    offset, predecessor = epoch.split(":")
    head = bytearray(pattern.value()[:HEAD_SIZE])
    head[8:24] = struct.pack("<qQ", int(offset), int(predecessor, 16))
    head[48:52] = struct.pack("<I", crc32c(payload[:length]))
    head[52:56] = struct.pack("<I", crc32c(head[:52]))
    new = {"tm_claim_nonce": f"{nonce:016x}".encode(), "tm_predecessor": epoch.encode()}
    return bytes(head) + payload, [(name, new.get(name, value)) for name, value in pattern.headers()]


class Zombies:
    def __init__(self, library, brokers, oracle, seed):
        self.oracle, self.source = oracle, random.Random(f"{seed} zombies")
        self.sent, self.failures = collections.Counter(), []
        self.producer = library.Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 0, "log_level": 0})

    def run(self, over):
        """Until `over` is set: reads on, and sends something somewhere now and then."""
        try:
            self.rise(over)
        except Exception as failure:
            self.failures.append(f"zombies: {failure!r}")
            raise

    def rise(self, over):
        while not over.wait(self.source.uniform(0.02, 0.4)):
            self.oracle.read_on()
            partition = self.source.choice([partition for partition in self.oracle.partitions.values() if partition.claims] or [None])
            if partition:
                kind = self.source.choices(list(KINDS), KINDS.values())[0]
                count = getattr(self, kind.replace(" ", "_"))(partition)
                self.sent[kind] += count
            self.producer.flush(10)

    def send(self, message, value, headers):
        self.producer.produce(message.topic(), value, message.key(), message.partition(), headers=headers)
        self.producer.poll(0)

    def some(self, records):
        """A stretch of them, in their order."""
        first = self.source.randrange(len(records)) if records else 0
        return list(records)[first:first + self.source.randrange(1, BURST_MAX)]

    def past_epoch(self, partition):
        """It goes on where it stood when it was stopped."""
        if not partition.past:
            return 0
        last = partition.past[-1]
        sequence = int(dict(last.headers())["tm_sequence"])
        count = self.source.randrange(1, BURST_MAX)
        for ahead in range(1, count + 1):
            self.send(last, *changed(last, sequence + ahead))
        return count

    def second_copy(self, partition):
        records = self.some(partition.current)
        for record in records:
            self.send(record, record.value(), record.headers())
        return len(records)

    def behind_a_hole(self, partition):
        if not partition.current:
            return 0
        last, count = partition.current[-1], self.source.randrange(1, BURST_MAX)
        for ahead in range(count):
            self.send(last, *changed(last, FAR + ahead))
        return count

    def old_claim(self, partition):
        claims = self.some(partition.claims)
        for claim in claims:
            self.send(claim, claim.value(), claim.headers())
        return len(claims)

    def foreign(self, partition):
        claim = partition.claims[-1]
        self.send(claim, b"somebody else's", [("tm", b"\xff")])
        return 1

    def claim(self, partition):
        made = claim_after(partition.rule.epoch, partition.claims[-1], self.source.getrandbits(64))
        if made is None:
            return 0
        self.send(partition.claims[-1], *made)
        return 1
