"""Another log than before: a topic made anew, a log that was truncated, another cluster under the same address. A process
that runs stops writing and says so, and shows the rows that it has; one that starts refuses to, and touches nothing. So does
one without rows, when topics are gone that were there: what tm.log names is never made anew, nor tm.log beside records.

Method: a broker, and per test two processes: one runs while its log is changed, the other was stopped before and is started
after. What they say must name what happened and what to do. The table at the end: fault, promise, what was seen.
"""
# TIMEOUT 400
import importlib
import os
import shutil
import signal
import time
import unittest

import brokers as kafka
import lane
import table
from cluster import Cluster
from harness import run, tidemark, unique

PROJECTS = 5
TOLD_WITHIN = 30
SETTINGS = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete", "max.message.bytes": "5242880"}
RUNS, STARTS = 0, 1  # which process is which


class WrongLog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := lane.missing():
            raise unittest.SkipTest(reason)
        lane.confluent_kafka()
        cls.brokers = cls.enterClassContext(kafka.Brokers(1))
        cls.table = []
        cls.addClassCleanup(cls.print_table)

    @classmethod
    def print_table(cls):
        table.keep(cls.table, table.name_of_program())

    def founded(self, **more):
        """A log with some projects, and one of its processes stopped."""
        cluster = Cluster(processes=2, brokers=self.brokers, partitions=1, **more)
        self.addCleanup(cluster.__exit__)
        cluster.__enter__()
        self.organization = cluster.clients[RUNS].post("/v2/organizations", {"name": "A", "slug": unique("a")})["id"]
        self.slugs = []
        self.write(cluster, PROJECTS)
        self.shows_all(cluster, STARTS)
        self.leave(cluster)
        return cluster

    def leave(self, cluster):
        cluster.signal(STARTS, signal.SIGTERM)
        self.assertEqual(cluster.processes[STARTS].wait(timeout=20), 0)

    def client(self, cluster, number):
        return cluster.clients[number].with_headers(Tidemark_Organization=self.organization)

    def write(self, cluster, count):
        for _ in range(count):
            slug = unique("p")
            self.client(cluster, RUNS).post("/v2/projects", {"name": slug, "slug": slug})
            self.slugs.append(slug)

    def shows_all(self, cluster, number):
        deadline = time.monotonic() + 20
        while True:
            answer = self.client(cluster, number).get("/v2/projects?limit=100", expect="any")
            shown = {project["slug"] for project in answer.json.get("data", [])}
            if shown == set(self.slugs):
                return
            self.assertLess(time.monotonic(), deadline, f"{shown} are shown")
            time.sleep(0.05)

    def wait_until_told(self, cluster):
        """What the process that runs says of it; it must not write any more, and show what it has."""
        client = self.client(cluster, RUNS)
        deadline = time.monotonic() + TOLD_WITHIN
        while (answer := client.get("/readyz", expect="any")).status == 200:
            self.assertLess(time.monotonic(), deadline, "nobody notices")
            time.sleep(0.1)
        refused = client.post("/v2/projects", {"name": "x", "slug": unique("x")}, expect="any")
        self.assertEqual(refused.status, 503, refused)
        self.shows_all(cluster, RUNS)
        self.assertEqual(answer.status, 503)
        said = " / ".join(answer["reasons"])
        self.assertRegex(said, "(truncated or made anew|brokers are of the cluster).* until the brokers hold this log again and this process is started anew")
        return said

    def start_is_refused(self, cluster):
        """What the process that starts says; its rows and the log stay as they are."""
        with open(cluster.log_of(STARTS), "rb") as log:
            begin = log.seek(0, os.SEEK_END)
            cluster.start(STARTS)
            self.assertEqual(cluster.processes[STARTS].wait(timeout=60), 1)
            log.seek(begin)
            said = log.read().decode().strip()
        self.assertRegex(said, "tidemark: the rows in .* are not of the log at kafka://.* empty --data")
        return said

    def told(self, fault, cluster):
        """To the process that runs, and to the one that starts."""
        self.table.append((fault, "writes stop, and it says why", self.wait_until_told(cluster)))
        self.table.append((f"{fault}, then started", "exit 1, and it says why", self.start_is_refused(cluster)))

    def test_a_topic_made_anew(self):
        cluster = self.founded()
        self.make_anew(cluster.prefix + "projects")
        self.told("a topic made anew", cluster)

    def make_anew(self, topic):
        kafka_admin = importlib.import_module("confluent_kafka.admin")
        administrator = kafka_admin.AdminClient({"bootstrap.servers": self.brokers.bootstrap})
        administrator.delete_topics([topic])[topic].result(30)
        deadline = time.monotonic() + 20
        while True:
            try:
                return administrator.create_topics([kafka_admin.NewTopic(topic, 1, 1, config=SETTINGS)])[topic].result(30)
            except Exception as busy:  # it goes in the background
                self.assertLess(time.monotonic(), deadline, busy)
                time.sleep(0.1)

    def delete(self, cluster, *names):
        administrator = importlib.import_module("confluent_kafka.admin").AdminClient({"bootstrap.servers": self.brokers.bootstrap})
        topics = [cluster.prefix + name for name in names]
        for deleted in administrator.delete_topics(topics).values():
            deleted.result(30)
        self.until(lambda: not set(topics) & set(administrator.list_topics(timeout=10).topics))
        return administrator

    def until(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def fresh_start_is_refused(self, cluster, pattern):
        """Of a process that has rows of nothing; what it says."""
        shutil.rmtree(os.path.join(cluster.directory, str(STARTS + 1)))
        with open(cluster.log_of(STARTS), "rb") as log:
            begin = log.seek(0, os.SEEK_END)
            cluster.start(STARTS)
            self.assertEqual(cluster.processes[STARTS].wait(timeout=60), 1)
            log.seek(begin)
            said = log.read().decode().strip()
        self.assertRegex(said, pattern)
        return said.splitlines()[-1]

    def gone(self, *names, said):
        """Deleted while a process runs: nobody makes them anew, with whatever data directory."""
        cluster = self.founded()
        administrator = self.delete(cluster, *names)
        told = self.fresh_start_is_refused(cluster, said)
        cluster.kill(RUNS)
        self.assertNotEqual(self.copy(cluster).returncode, 0)
        cluster.start(RUNS)
        self.assertEqual(cluster.processes[RUNS].wait(timeout=60), 1, "with its old rows")
        there = administrator.list_topics(timeout=10).topics
        self.assertEqual([name for name in names if name != "keyring" and cluster.prefix + name in there], [], "an empty keyring does no harm")
        self.table.append((f"{' and '.join(names)} deleted, fresh process", "exit 1, made by nobody", told))

    def copy(self, cluster):
        return tidemark("log", "copy", "--from", f"kafka://{cluster.bootstrap}", "--to", os.path.join(cluster.directory, "copy"),
                        "--kafka-topic-prefix", cluster.prefix, expect=None)

    def test_a_topic_deleted(self):
        self.gone("projects", said="there is no topic .*projects among the brokers .* not made anew")

    def test_tm_log_deleted(self):
        self.gone("log", said=r"there is no topic \S*log among the brokers .* not made anew")

    def test_tm_log_and_keyring_deleted(self):
        self.gone("log", "keyring", said="keyring is empty beside a log that has records")

    def test_a_founding_cut_off_behind_the_keyring_goes_on(self):
        cluster = self.founded()
        for number in (RUNS, STARTS):
            if cluster.processes[number].poll() is None:
                cluster.kill(number)
        administrator = self.delete(cluster, "log", "cluster", "identity", "projects", "resources", "webhooks", "deliveries")
        shutil.rmtree(os.path.join(cluster.directory, str(STARTS + 1)))
        cluster.start(STARTS)
        cluster.wait_ready(STARTS)
        self.assertIn(cluster.prefix + "log", administrator.list_topics(timeout=10).topics)
        self.table.append(("only the keyring stands", "the founding goes on", "ready"))

    def aside(self, name):
        return os.path.join(self.brokers.directory, name)

    def restart_broker(self, change):
        """`change`s its data between."""
        self.brokers.kill(0)
        change(self.brokers.data_of(0))
        self.brokers.start(0)
        self.brokers.wait_for(0)

    def test_truncated(self):
        cluster = self.founded()
        self.restart_broker(lambda data: shutil.copytree(data, self.aside("older")))
        cluster.start(STARTS)
        cluster.wait_ready(STARTS)
        self.write(cluster, PROJECTS)
        self.shows_all(cluster, STARTS)
        self.leave(cluster)
        self.restart_broker(lambda data: (shutil.rmtree(data), os.rename(self.aside("older"), data)))
        self.told("truncated", cluster)

    def grow(self, other):
        """Until each of its partitions is longer than those of `founded`."""
        for _ in range(PROJECTS - 1):
            word = unique("b")
            organization = other.clients[RUNS].post("/v2/organizations", {"name": "B", "slug": word})["id"]
            other.clients[RUNS].with_headers(Tidemark_Organization=organization).post("/v2/projects", {"name": "b", "slug": word})
            other.clients[RUNS].put(f"/v2/products/{word}", {"kinds": {"file": {"events": {"file.added": {"fold": "replace"}}}}})

    def test_another_cluster(self):
        other = self.founded()
        other.kill(RUNS)
        other.start(RUNS)  # and claims anew: behind what the right log has claimed
        other.wait_ready(RUNS)
        self.grow(other)
        for number in (RUNS, STARTS):
            other.kill(number)
        self.restart_broker(lambda data: (os.rename(data, self.aside("other")), self.brokers.format()))
        cluster = self.founded(prefix=other.prefix, root_key=other.root_key)
        self.restart_broker(lambda data: (os.rename(data, self.aside("right")), os.rename(self.aside("other"), data)))
        self.told("another cluster under the same address", cluster)
        cluster.kill(RUNS)
        self.restart_broker(lambda data: (shutil.rmtree(data), os.rename(self.aside("right"), data)))
        for number in (RUNS, STARTS):
            cluster.start(number)
        for number in (RUNS, STARTS):
            cluster.wait_ready(number)
            self.shows_all(cluster, number)
        self.write(cluster, 1)
        self.table.append(("the right cluster again, both started", "as if nothing had been", "both ready, all rows shown"))


if __name__ == "__main__":
    run()
