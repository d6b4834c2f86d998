"""The whole of what a reader of Tidemark's topics must know, from headers alone: which records count.

    for record in follow("127.0.0.1:9092", "tm.git", until_end=True):
        print(record.organization, record.offset, record.type, record.id)

    offset   0          1        2        3              4         5         6
    record   claim 7    event    event    claim 9        event     event     event
    epoch               0:7      0:7      after 0:7      0:7       3:9       3:9
    sequence            0        1                       2         0         2
                        counts   counts   epoch 3:9      void      counts    void: 1 is missing

A claim counts if it names the epoch that is current; its own epoch is its offset and its nonce. Any other record
counts if its epoch is current and its sequence is the next one. All else is void, for every reader, for ever. A record
of a single event is a CloudEvent (binary mode of CloudEvents' Kafka binding); the value, with the event's data and with
records of several events, is Tidemark's own.

Needs confluent-kafka from PyPI; the rule itself needs nothing.
"""
from dataclasses import dataclass, field

NO_EPOCH = "-1:0000000000000000"
POLL_SECONDS = 0.5


@dataclass
class Partition:
    """The rule: what a reader believes after some prefix of one partition."""
    epoch: str = NO_EPOCH
    next_sequence: int = 0

    def judge(self, offset, headers):
        """events, noop, control or claim for what counts, void-… for what does not, foreign for what is not Tidemark's."""
        kind = headers.get("tm_kind")
        if kind == "claim":
            if headers.get("tm_predecessor") != self.epoch:
                return "void-claim"
            self.epoch, self.next_sequence = f"{offset}:{headers.get('tm_claim_nonce')}", 0
            return kind
        if kind is None:
            return "foreign"
        if headers.get("tm_epoch") != self.epoch:
            return "void-epoch"
        if headers.get("tm_sequence") != str(self.next_sequence):
            return "void-sequence"
        self.next_sequence += 1
        return kind


@dataclass
class Record:
    partition: int
    offset: int
    verdict: str
    headers: dict = field(repr=False)
    organization: str | None  # the message's key

    @property
    def counts(self):
        return self.verdict == "events"

    @property
    def sequence(self):
        return int(self.headers["tm_sequence"])

    @property
    def id(self):
        return self.headers.get("ce_id")

    @property
    def type(self):
        return self.headers.get("ce_type")


def judged(messages):
    """Every message with its verdict, in order. `messages` have partition(), offset(), key() and headers()."""
    partitions = {}
    for message in messages:
        headers = {name: value.decode(errors="replace") for name, value in message.headers() or [] if value is not None}
        verdict = partitions.setdefault(message.partition(), Partition()).judge(message.offset(), headers)
        key = message.key()
        yield Record(message.partition(), message.offset(), verdict, headers, key.decode() if key else None)


def messages_of(brokers, topic, until_end, settings):
    from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "none", "enable.auto.commit": False,
                         "auto.offset.reset": "error", "isolation.level": "read_uncommitted",
                         "enable.partition.eof": True, **settings})
    try:
        partitions = sorted(consumer.list_topics(topic, 10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        ended = set()
        while not (until_end and len(ended) == len(partitions)):
            message = consumer.poll(POLL_SECONDS)
            if message is None:
                continue
            if message.error() is None:
                yield message
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                raise KafkaException(message.error())
    finally:
        consumer.close()


def follow(brokers, topic, until_end=False, **settings):
    """The records that count as events, from the beginning on. No consumer group, no offsets but the reader's own."""
    for record in judged(messages_of(brokers, topic, until_end, settings)):
        if record.counts:
            yield record
