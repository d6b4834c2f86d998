"""What does the log cost where it is on Apache Kafka, next to librdkafka and Kafka's own producer test on the same brokers?

Method: brokers run with the options of Kafka's start scripts, on the two cores that server and generator use
too: ratios count. They are warmed up for 20 s (three of them for 120, by both ways to write), then questions and
peers take turns. `kafka_producer` sends records
of the same size, key and headers with the log's own settings (acks=all, idempotent, no linger, one batch in flight,
64 outstanding) to a topic of one partition; ProducerPerformance sends as fast as it can, its JVM's start included.
"""
import json
import os
import re
import subprocess
import sys
import time

from figures import Figure
from load import GENERATOR, ROOT, cpu_seconds, status_bytes

sys.path.insert(0, os.path.join(ROOT, "tests", "kafka"))
import brokers as kafka  # noqa: E402, of tests/kafka
from cluster import Cluster  # noqa: E402

RECORD_BYTES = 700
RECORDS = 200_000


def warm_seconds(nodes):
    return 20 if nodes == 1 else 60


class Brokers(kafka.Brokers):
    def java(self, megabytes):
        if megabytes < 512:  # one of its tools
            return super().java(megabytes)
        return ["java", "-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35", "-cp", self.classpath, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]

    def create(self, topic, partitions):
        self.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap, "--create", "--topic", topic,
                  "--partitions", str(partitions), "--replication-factor", str(len(self.ports)))


def generate(port, client, seconds, rate=None):
    command = [GENERATOR, "--port", str(port), "--path", "/v2/projects", "--method", "POST", "--connections", "64",
               "--seconds", str(seconds), "--header", f"Authorization: Bearer {client.key}",
               "--header", "Content-Type: application/json", "--body", '{"name":"p{number}"}']
    for name, value in client.headers.items():
        command += ["--header", f"{name}: {value}"]
    if rate:
        command += ["--rate", str(rate)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if result["failed"]:
        raise RuntimeError(f"{result['failed']} requests failed: {result['first_failure']}")
    return result


def produce(brokers, topic, *flags):
    """librdkafka alone."""
    program = os.path.join(os.path.dirname(GENERATOR), "kafka_producer")
    done = subprocess.run([program, "--brokers", brokers.bootstrap, "--topic", topic, "--size", str(RECORD_BYTES), *map(str, flags)],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def producer_performance(brokers):
    said = brokers.tool("org.apache.kafka.tools.ProducerPerformance", "--topic", "raw", "--num-records", str(RECORDS),
                        "--record-size", str(RECORD_BYTES), "--throughput", "-1", "--producer-props",
                        f"bootstrap.servers={brokers.bootstrap}", "acks=all", "linger.ms=0")
    return float(re.search(r"([\d.]+) records/sec", said.splitlines()[-1])[1])


def organization(cluster):
    made = cluster.clients[0].post("/v2/organizations", {"name": "Bench", "slug": "bench"})["id"]
    return cluster.clients[0].with_headers(Tidemark_Organization=made)


def p99(runs):
    return [run["latency_ms"]["0.99"] for run in runs]


def rates(runs):
    return [run["rate"] for run in runs]


def halves(run):
    return f"p50 {run['latency_ms']['0.5']:.2f} ms, p99 {run['latency_ms']['0.99']:.1f} ms"


def measure(options):
    for nodes, rate, worst in ((1, 2_000, 15), (3, 1_000, 30)):
        with Brokers(nodes) as brokers, Cluster(brokers=brokers, processes=1, partitions=64,
                                                arguments=["--log-level", "warning"]) as cluster:
            brokers.create("raw", 1)
            client, port = organization(cluster), cluster.ports[0]
            generate(port, client, warm_seconds(nodes))
            if nodes > 1:
                produce(brokers, "raw", "--seconds", warm_seconds(nodes))
            closed, opened, alone, alone_opened, java = [], [], [], [], []
            for _ in range(options.rounds):
                closed.append(generate(port, client, options.seconds))
                alone.append(produce(brokers, "raw", "--seconds", options.seconds))
                java.append(producer_performance(brokers))
                opened.append(generate(port, client, options.seconds, rate))
                alone_opened.append(produce(brokers, "raw", "--seconds", options.seconds, "--rate", rate))
        where = "1 broker" if nodes == 1 else f"{nodes} brokers, 3 replicas"
        yield Figure(f"create on Kafka, {where}", "/s", rates(closed), rates(alone), "librdkafka alone", is_peer=True,
                     at_least=10_000 if nodes == 1 else None, note=f"{halves(closed[0])}; alone {halves(alone[0])}")
        yield Figure("the same", "/s", rates(closed), java, "ProducerPerformance", is_peer=True)
        yield Figure(f"create on Kafka, {where}, {rate:,}/s offered, p99", "ms", p99(opened), p99(alone_opened), "librdkafka alone",
                     is_peer=True, at_most=worst, note=f"{halves(opened[0])}; alone {halves(alone_opened[0])}")


SETTINGS = {"in flight 1, linger 0, a producer a partition": ("--handles", 16),
            "in flight 1, linger 0, one producer": (),
            "in flight 5, linger 0, one producer": ("--in-flight", 5),
            "in flight 5, linger 1 ms, one producer": ("--in-flight", 5, "--linger", 1)}


def measure_settings(options):
    """Sixteen partitions at a rate, and as fast as 1,000 outstanding records are acknowledged."""
    for nodes, rate in ((1, 5_000), (3, 1_000)):
        runs = {name: ([], []) for name in SETTINGS}
        with Brokers(nodes) as brokers:
            brokers.create("raw", 16)
            produce(brokers, "raw", "--partitions", 16, "--seconds", warm_seconds(nodes), "--outstanding", 1_000)
            for _ in range(options.rounds):
                for name, flags in SETTINGS.items():
                    flags = ("--partitions", 16, "--seconds", options.seconds, *flags)
                    runs[name][0].append(produce(brokers, "raw", "--rate", rate, *flags))
                    runs[name][1].append(produce(brokers, "raw", "--outstanding", 1_000, *flags))
        for name, (opened, closed) in runs.items():
            yield Figure(f"{nodes} broker{'s' * (nodes > 1)}, {name}, {rate:,}/s, p99", "ms", p99(opened),
                         note=f"{halves(opened[0])}; 1,000 outstanding {rates(closed)[0]:,.0f}/s, {halves(closed[0])}")


def measure_transactions(options):
    """The same records acknowledged by the idempotent producer that claims rest on, and as transactions."""
    for nodes in (1, 3):
        with Brokers(nodes) as brokers:
            brokers.create("raw", 1)
            produce(brokers, "raw", "--seconds", warm_seconds(nodes))
            for group in (1, 100):
                claims, transactions = [], []
                for _ in range(options.rounds):
                    flags = ("--seconds", options.seconds, "--group", group)
                    claims.append(produce(brokers, "raw", "--outstanding", 1, *flags))
                    transactions.append(produce(brokers, "raw", "--transactions", *flags))
                yield Figure(f"{nodes} broker{'s' * (nodes > 1)}, {group} record{'s' * (group > 1)} a commit, one at a time", "records/s",
                             rates(claims), rates(transactions), "transactions", is_peer=True,
                             note=f"{halves(claims[0])}; transactions {halves(transactions[0])}")


def measure_rebuild(options):
    """The history of Apache Kafka, folded from the journal and from a broker that it was copied to."""
    from harness import tidemark
    from history import declare, import_history
    from load import serving
    journal, fetched, hashes = [], [], set()
    with Brokers(1) as brokers, serving() as server:
        address = f"kafka://{brokers.bootstrap}"
        declare(server)
        import_history(server, server.organization())
        server.stop()
        tidemark("log", "copy", "--from", server.data, "--to", address)
        with serving("--log", address, "--root-key", os.path.join(server.data, "root.key")) as other:
            other.stop()
            for _ in range(3):  # until the broker has compiled what it does
                tidemark("projections", "rebuild", "--data", other.data, "--log", address)
            for _ in range(options.rounds):
                for source, rates_of in (((server.data,), journal), ((other.data, "--log", address), fetched)):
                    said = tidemark("projections", "rebuild", "--data", *source, "--json").stdout
                    answer = json.loads(said.splitlines()[-1])
                    rates_of.append(answer["events"] / answer["seconds"])
                    hashes.add(answer["state_hash"])
    if len(hashes) != 1:
        raise RuntimeError("rows from Kafka have another hash than those from the journal")
    yield Figure("fold of the Kafka history from Kafka", "events/s", fetched, journal, "from the journal", share_at_least=0.8)


def measure_idle(options):
    """A process that follows 5 topics of 64 partitions in which nothing happens."""
    with Brokers(1) as brokers, Cluster(brokers=brokers, processes=1, partitions=64) as cluster:
        organization(cluster)
        time.sleep(10)
        process, broker = cluster.processes[0].pid, brokers.processes[0].pid
        shares, theirs = [], []
        for _ in range(options.rounds):
            before, begun = (cpu_seconds(process), cpu_seconds(broker)), time.monotonic()
            time.sleep(4 * options.seconds)
            seconds = time.monotonic() - begun
            shares.append((cpu_seconds(process) - before[0]) / seconds * 100)
            theirs.append((cpu_seconds(broker) - before[1]) / seconds * 100)
        memory = status_bytes(process, "RssAnon")
    yield Figure("idle on 5 topics of 64 partitions", "% of a core", shares, at_most=1,
                 note=f"{memory / 2**20:.0f} MiB of its own memory; the broker {theirs[0]:.1f} %")
