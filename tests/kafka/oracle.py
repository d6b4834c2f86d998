"""What really happened, from the topics alone: which records count, whether each was decided on the one before it, and
which commands they hold. And what a reader would believe that looked at epochs only: it is the negative control.

    oracle = Oracle(confluent_kafka, brokers, {"projects": "tm.projects", "files": "tm.git"})
    oracle.read_on()
    faults = check_commands(traffic.commands, oracle)
    faults += check_answers(client, tenant, "projects", oracle, seen)

The rule is reader.py's; the chain is computed anew (LOG.md 2). A command is told by its token, which stands in its
events' bytes.
"""
import collections
import hashlib
import re
import struct
import time

import reader
from traffic import PRODUCT, place_of

HEAD = struct.Struct("<IBBHqQQ16sII")  # eventstore/record.h
KIND_EVENTS, KIND_CLAIM = 1, 2
TOKEN = re.compile(rb"Tk[0-9a-f]{16}Z")
PRODUCTS = {"projects": "projects", "files": PRODUCT}
RECENT = 200   # messages that zombies may send again
READ_SECONDS = 60


class Fold:
    """The chain of one partition, as a reader follows it that takes what it takes."""

    def __init__(self):
        self.chain, self.forks = bytes(16), 0

    def take(self, kind, chain, payload):
        after = hashlib.sha256(self.chain + payload).digest()[:16] if kind == KIND_EVENTS else self.chain
        if chain != after:
            self.forks += 1
        self.chain = chain


class Partition:
    """One partition: the rule, the fold of what counts, and that of who does not look at sequences."""

    def __init__(self):
        self.rule, self.fold, self.weak = reader.Partition(), Fold(), Fold()
        self.next_offset = 0
        self.claims = collections.deque(maxlen=RECENT)
        self.current, self.past = collections.deque(maxlen=RECENT), collections.deque(maxlen=RECENT)  # of the epoch; of those before

    def take(self, message):
        """The verdict over a message, and its payload if it is a record."""
        headers = {name: value.decode(errors="replace") for name, value in message.headers() or [] if value is not None}
        epoch = self.rule.epoch
        verdict = self.rule.judge(message.offset(), headers)
        self.next_offset = message.offset() + 1
        value = message.value() or b""
        if verdict == "foreign" or len(value) < HEAD.size:
            return verdict, b""
        length, kind, _, _, offset, nonce, sequence, chain, _, _ = HEAD.unpack_from(value)
        payload = value[HEAD.size:HEAD.size + length]
        if verdict == "claim":
            self.claims.append(message)
            self.past.extend(self.current)
            self.current.clear()
        elif kind != KIND_CLAIM and f"{offset}:{nonce:016x}" == epoch:
            self.weak.take(kind, chain, payload)
            if not verdict.startswith("void"):
                self.fold.take(kind, chain, payload)
                self.current.append(message)
        if kind != KIND_CLAIM and (f"{offset}:{nonce:016x}", str(sequence)) != (headers["tm_epoch"], headers["tm_sequence"]):
            raise AssertionError(f"offset {message.offset()}: head {offset}:{nonce:016x} {sequence}, headers {headers}")
        return verdict, payload


class Oracle:
    def __init__(self, library, brokers, topics):
        self.library, self.topics = library, topics
        self.consumer = library.Consumer({"bootstrap.servers": brokers, "group.id": "none", "enable.auto.commit": False,
                                          "auto.offset.reset": "error", "isolation.level": "read_uncommitted", "log_level": 0})
        self.partitions = {}   # (topic, partition): Partition
        self.verdicts = collections.Counter()
        self.held = collections.defaultdict(list)    # token: places of records that count, one for each of its events
        self.order = collections.defaultdict(list)   # (organization, topic): (offset, token), as they count
        for name, topic in topics.items():
            for partition in self.consumer.list_topics(topic, 20).topics[topic].partitions:
                self.partitions[name, partition] = Partition()
        self.consumer.assign([library.TopicPartition(topics[name], partition, 0) for name, partition in self.partitions])
        self.names = {topic: name for name, topic in topics.items()}

    def close(self):
        self.consumer.close()

    def read_on(self):
        """Up to what was the end when it was called."""
        ends = {at: self.consumer.get_watermark_offsets(self.library.TopicPartition(self.topics[at[0]], at[1]), timeout=READ_SECONDS)[1]
                for at in self.partitions}
        deadline = time.monotonic() + READ_SECONDS
        while any(self.partitions[at].next_offset < end for at, end in ends.items()):
            for message in self.consumer.consume(500, 0.05):
                if message.error() is None:
                    self.take(message)
                    deadline = time.monotonic() + READ_SECONDS
            if time.monotonic() > deadline:
                raise AssertionError(f"cannot read up to {ends}")

    def take(self, message):
        name = self.names[message.topic()]
        verdict, payload = self.partitions[name, message.partition()].take(message)
        self.verdicts[verdict] += 1
        if verdict != "events":
            return
        key = (message.key().decode(), name)
        for token in TOKEN.findall(payload):
            token = token.decode()
            self.held[token].append((name, message.partition(), message.offset()))
            self.order[key].append((message.offset(), token))

    def forget(self):
        """Drops what is known of commands, and keeps where it stands: for the next schedule."""
        self.held.clear()
        self.order.clear()

    @property
    def forks(self):
        return sum(partition.fold.forks for partition in self.partitions.values())

    @property
    def weak_forks(self):
        return sum(partition.weak.forks for partition in self.partitions.values())

    def voids(self):
        return {verdict: count for verdict, count in sorted(self.verdicts.items()) if verdict.startswith("void") or verdict == "foreign"}


def check_commands(commands, oracle, unsure_before=()):
    """What is wrong: each command is in the log as its answers said. `unsure_before`: tokens of commands of earlier
    schedules, which may have come late."""
    faults, topics = [], {}
    if oracle.forks:
        faults.append(f"{oracle.forks} records count that were not decided on the one before them")
    left = dict(oracle.held)
    for command in commands:
        found = left.pop(command.token, [])
        events = max(1, len(command.touches))
        if command.place:
            number, partition, offset = command.place
            if topics.setdefault(number, command.topic) != command.topic:
                faults.append(f"{command}: its mark names another topic")
            if found != [(command.topic, partition, offset)] * events:
                faults.append(f"acknowledged, {events} events, and found at {found}: {command}")
        elif command.state == "refused" and found:
            faults.append(f"refused, and found at {found}: {command}")
        elif found and (len(found) != events or len(set(found)) != 1):
            faults.append(f"unsure, {events} events, and found at {found}: {command}")
    faults += [f"nobody asked for {token} at {found}" for token, found in left.items() if token not in unsure_before]
    return faults


def token_of(event):
    return event["data"].get("name") or event["data"]["by"]


class Seen:
    """How far one process was read for one organization and topic, and what it showed: versions, and (offset, token) of
    what was not yet held against the log, because one of the two was read a moment before the other."""

    def __init__(self):
        self.after, self.versions, self.tokens = "beginning", {}, {}
        self.shown, self.held = [], []

    def differences(self, held, acknowledged):
        """What is wrong with what was shown, when the log goes on with `held`."""
        self.held += held
        both = min(len(self.shown), len(self.held))
        if self.shown[:both] != self.held[:both]:
            return [f"shows {shown} where the log has {held}" for shown, held in zip(self.shown, self.held) if shown != held][:1]
        del self.shown[:both], self.held[:both]
        if self.held and self.held[0][0] <= acknowledged:
            return [f"does not show {self.held[0]}, and offset {acknowledged} was acknowledged"]
        return []


def check_answers(client, tenant, topic, oracle, seen):
    """What is wrong with what one process shows since the last time, read at the mark of the last acknowledged write."""
    faults = []
    mark = tenant.snapshot(topic)[0]
    headers = {**tenant.headers, "Prefer": "wait=30", **({"Tidemark": mark} if mark else {})}
    while True:
        page = client.get(f"/v2/events?after={seen.after}&limit=1000&product={PRODUCTS[topic]}", headers=headers, timeout=40)
        for event in page["data"]:
            subject, version = event["subject"], event["entityversion"]
            seen.shown.append((place_of(event["mark"])[2], token_of(event)))
            if version != seen.versions.get(subject, 0) + 1:
                faults.append(f"{subject} has {version} after {seen.versions.get(subject, 0)}")
            seen.versions[subject], seen.tokens[subject] = version, token_of(event)
        seen.after = page["next"]
        if page["caught_up"]:
            break
    faults += seen.differences(oracle.order[tenant.organization, topic], place_of(mark)[2] if mark else -1)
    return [f"port {client.port}, {tenant.organization}: {fault}" for fault in faults]


def check_rows(client, tenant, topic, seen):
    """What is wrong with the rows of one process: they are what the events that it showed fold to."""
    path = "/v2/projects" if topic == "projects" else f"/v2/products/{PRODUCT}/file"
    asking = client.with_headers(**{name.replace("-", "_"): value for name, value in tenant.headers.items()}, Prefer="wait=30", Tidemark=seen.after)
    rows = {row.get("id") or row["entity"]: (row["version"], row.get("name") or row["state"]["by"]) for row in asking.pages(path, limit=1000)}
    wanted = {subject: (version, seen.tokens[subject]) for subject, version in seen.versions.items()}
    if rows == wanted:
        return []
    differing = {subject: (rows.get(subject), wanted.get(subject)) for subject in {*rows, *wanted} if rows.get(subject) != wanted.get(subject)}
    return [f"port {client.port}, {tenant.organization}: rows and events differ: {dict(list(differing.items())[:3])}"]
