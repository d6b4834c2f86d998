"""What does a durable create cost where the log is on Apache Kafka, next to Kafka's own producer test on the same brokers?

Method: a manager and one broker, then three brokers with three replicas of which two must be in sync, all on
the two cores that the generator uses too: ratios count. 64 connections create projects as fast as they are
answered, then at a fixed rate in open loop. ProducerPerformance sends records of the same size to a topic of
one partition with acks=all and no linger, as fast as it can; its rate includes the start of its JVM.
"""
import json
import os
import re
import subprocess
import sys

from figures import Figure
from load import GENERATOR, ROOT

RECORD_BYTES = 700
RECORDS = 200_000


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


def producer_performance(brokers):
    said = brokers.tool("org.apache.kafka.tools.ProducerPerformance", "--topic", "raw", "--num-records", str(RECORDS),
                        "--record-size", str(RECORD_BYTES), "--throughput", "-1", "--producer-props",
                        f"bootstrap.servers={brokers.bootstrap}", "acks=all", "linger.ms=0")
    return float(re.search(r"([\d.]+) records/sec", said.splitlines()[-1])[1])


def measure(options):
    sys.path.insert(0, os.path.join(ROOT, "tests", "kafka"))
    from cluster import Cluster
    for nodes, rate, p99 in ((1, 2_000, 15), (3, 1_000, 30)):
        with Cluster(nodes=nodes, processes=1, partitions=64, arguments=["--log-level", "warning"]) as cluster:
            cluster.brokers.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", cluster.bootstrap, "--create",
                                 "--topic", "raw", "--partitions", "1", "--replication-factor", str(nodes))
            made = cluster.clients[0].post("/v2/organizations", {"name": "Bench", "slug": "bench"})["id"]
            client = cluster.clients[0].with_headers(Tidemark_Organization=made)
            generate(cluster.ports[0], client, 3)
            producer_performance(cluster.brokers)
            closed, opened, raw = [], [], []
            for _ in range(options.rounds):
                closed.append(generate(cluster.ports[0], client, options.seconds))
                raw.append(producer_performance(cluster.brokers))
                opened.append(generate(cluster.ports[0], client, options.seconds, rate))
        brokers = "1 broker" if nodes == 1 else f"{nodes} brokers, 3 replicas"
        yield Figure(f"create on Kafka, {brokers}", "/s", [run["rate"] for run in closed], raw, "ProducerPerformance",
                     is_peer=True, at_least=10_000 if nodes == 1 else None,
                     note=f"p50 {closed[0]['latency_ms']['0.5']:.1f} ms, p99 {closed[0]['latency_ms']['0.99']:.1f} ms")
        yield Figure(f"create on Kafka, {brokers}, {rate:,}/s offered, p99", "ms",
                     [run["latency_ms"]["0.99"] for run in opened], at_most=p99,
                     note=f"p50 {opened[0]['latency_ms']['0.5']:.2f} ms")
