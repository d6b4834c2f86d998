# TIMEOUT 120
# NEEDS broker
"""A reader that knows headers only sees what the API answers, beside records of zombies, holes, doubles and stale claims.

Method: a server writes, is replaced, and writes on, while a producer of ours sends what managers send that do not know of
their end: real records, with another epoch or sequence under a checksum that holds, so that the server must judge them too.
"""
import os
import struct
import sys
import time

import lane
import reader

sys.path.insert(0, os.path.join(lane.kafka.ROOT, "tests", "e2e"))
from harness import ServerTest, run, unique

HEAD_SIZE = 56
TRIES = 20


def crc32c(data):
    """Castagnoli, bit by bit (RFC 3720, B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def changed(message, sequence):
    """The same record at another place of its epoch: value and headers of a message."""
    head = bytearray(message.value()[:HEAD_SIZE])
    head[24:32] = struct.pack("<Q", sequence)
    head[52:56] = struct.pack("<I", crc32c(head[:52]))
    headers = [(name, str(sequence).encode() if name == "tm_sequence" else value) for name, value in message.headers()]
    return bytes(head) + message.value()[HEAD_SIZE:], headers


class ForeignReader(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.brokers = lane.brokers()
        cls.kafka = lane.confluent_kafka()
        cls.prefix = f"{unique('reader')}-{os.getpid()}."
        cls.arguments = ("--log", f"kafka://{cls.brokers}", "--kafka-topic-prefix", cls.prefix, "--partitions", "2")
        super().setUpClass()
        cls.product = unique("git")
        cls.server.declare(cls.product, {"kinds": {"file": {"events": {"file.added": {"fold": "replace"}}}}})
        cls.producer = cls.kafka.Producer({"bootstrap.servers": cls.brokers, "enable.idempotence": True})

    @property
    def topic(self):
        return self.prefix + self.product

    def write(self, client, *numbers):
        for number in numbers:
            self.post(client, f"/v2/products/{self.product}/file/f{number % 3}/events",
                      {"events": [{"type": "file.added", "data": {"number": number}}]})

    def post(self, client, path, body):
        """A server that met a foreign record behind its own claims anew, and says so until then."""
        key = unique("write")
        for _ in range(TRIES):
            answer = client.post(path, body, headers={"Idempotency-Key": key}, expect="any")
            if answer.status != 503:
                break
            time.sleep(float(answer.headers["Retry-After"]) / 10)
        self.assertEqual(answer.status, 201, answer)

    def messages(self):
        return list(reader.messages_of(self.brokers, self.topic, True, {}))

    def send(self, message, value, headers):
        self.producer.produce(self.topic, value, message.key(), message.partition(), headers=headers)
        self.assertEqual(self.producer.flush(30), 0)

    def send_zombies(self, partition):
        """Everything that must not count, as if it came late; how many."""
        mine = [message for message in self.messages() if message.partition() == partition]
        records = list(reader.judged(mine))
        claims = [message for message, record in zip(mine, records) if record.verdict == "claim"]
        self.assertGreaterEqual(len(claims), 2)
        counted = [(message, record) for message, record in zip(mine, records) if record.counts]
        old, old_record = [pair for pair in counted if pair[0].offset() < claims[-1].offset()][-1]
        last, last_record = counted[-1]
        next_sequence = max(record.sequence for record in records if record.verdict in ("events", "noop", "control")
                            and record.headers["tm_epoch"] == last_record.headers["tm_epoch"]) + 1
        self.send(old, *changed(old, old_record.sequence + 1))   # of an epoch that is over
        self.send(last, *changed(last, next_sequence + 1))       # behind a hole
        self.send(last, last.value(), last.headers())            # a second copy
        self.send(claims[0], claims[0].value(), claims[0].headers())  # after a claim that is not the last
        self.send(last, b"somebody else's", [("tm", b"\xff")])
        return ["void-epoch", "void-sequence", "void-sequence", "void-claim", "foreign"]

    def answered(self, client):
        events, after = [], "beginning"
        while True:
            page = client.get(f"/v2/events?after={after}&product={self.product}&limit=1000").json
            events += page["data"]
            if page["caught_up"]:
                return events
            after = page["next"]

    def test_a_reader_sees_what_the_api_answers(self):
        clients = {client.organization: client for client in (self.server.organization(), self.server.organization())}
        for client in clients.values():
            self.write(client, *range(12))
        self.server.stop()
        self.server.start()
        for client in clients.values():
            self.write(client, *range(12, 20))
        sent = {partition: self.send_zombies(partition) for partition in {message.partition() for message in self.messages()}}
        for client in clients.values():
            self.write(client, *range(20, 30))
            self.post(client, f"/v2/products/{self.product}/events", {"events": [
                {"kind": "file", "entity": name, "type": "file.added", "data": {}} for name in "ab"]})

        seen = {}
        for record in reader.follow(self.brokers, self.topic, until_end=True):
            seen.setdefault(record.organization, []).append(record)
        for organization, client in clients.items():
            answered = self.answered(client)
            self.assertEqual(len(answered), 32)
            *single, several = seen[organization]
            self.assertIsNone(several.id)
            self.assertEqual([(record.id, record.type, record.headers["ce_subject"]) for record in single],
                             [(event["id"], event["type"], event["subject"]) for event in answered[:-2]])
            for record, event in zip(single, answered):
                for name, value in event.items():
                    if name not in ("data", "datacontenttype", "mark"):
                        self.assertEqual(record.headers[f"ce_{name}"], str(value))
                self.assertEqual(record.headers["content-type"], "application/vnd.tidemark.record")
        for partition, verdicts in sent.items():
            void = [record.verdict for record in reader.judged(self.messages())
                    if record.partition == partition and record.verdict.startswith(("void", "foreign"))]
            self.assertEqual(void, verdicts)

    def test_a_reader_without_sequences_sees_more(self):
        """Negative control: only epochs looked at, the double counts."""
        class EpochOnly(reader.Partition):
            def judge(self, offset, headers):
                self.next_sequence = int(headers.get("tm_sequence", 0))
                return super().judge(offset, headers)
        client = self.server.organization()
        self.write(client, 1)
        last = [message for message, record in zip(self.messages(), reader.judged(self.messages())) if record.counts][-1]
        self.send(last, last.value(), last.headers())
        strict = [record.id for record in reader.judged(self.messages()) if record.counts]
        self.addCleanup(setattr, reader, "Partition", reader.Partition)
        reader.Partition = EpochOnly
        self.assertGreater(len([record.id for record in reader.judged(self.messages()) if record.counts]), len(strict))


if __name__ == "__main__":
    run()
