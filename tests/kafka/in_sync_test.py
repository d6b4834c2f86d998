"""Two of three brokers stand still while their controller lives: the leader alone has what is written now, and no process
shows it before it is acknowledged. (Kafka before 3.7 lets readers see it: pitfall 11.)

Method: one controller beside three brokers, so that the other two are put out of the in-sync replicas; writers go on
asking; what each process shows is compared with what was acknowledged until then.
"""
# TIMEOUT 400
import signal
import time
import unittest

import brokers as kafka
import lane
from cluster import Cluster
from load import FaultTest, Load
from client import Client
from harness import run

OUT_OF_SYNC_SECONDS = 6  # broker.session.timeout.ms is 3 s
LOOKS = 10


class InSync(FaultTest):
    @classmethod
    def setUpClass(cls):
        if reason := lane.missing():
            raise unittest.SkipTest(reason)
        cls.library = lane.confluent_kafka()
        cls.brokers = cls.enterClassContext(kafka.Brokers(3, voters=1))
        cls.cluster = cls.enterClassContext(Cluster(processes=3, brokers=cls.brokers))
        cls.table = []
        cls.addClassCleanup(cls.print_table)

    def in_sync(self):
        admin = self.library.Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": "none", "log_level": 0})
        try:
            topic = admin.list_topics(f"{self.cluster.prefix}projects", timeout=10).topics[f"{self.cluster.prefix}projects"]
            return {partition.id: (partition.leader, partition.isrs) for partition in topic.partitions.values()}
        finally:
            admin.close()

    def shown_and_not_acknowledged(self, load):
        """What some process shows; what was acknowledged is looked up behind that."""
        shown = [(writer, slug) for writer in load.writers for port in self.cluster.ports
                 for slug, _ in self.projects(Client(port, self.cluster.key).with_headers(Tidemark_Organization=writer.organization))]
        time.sleep(1)  # an answer on its way
        return [slug for writer, slug in shown if slug not in writer.written]

    def test_what_one_broker_alone_has_is_shown_by_nobody(self):
        with Load(self.cluster) as load:
            stopped = (1, 2)
            with load.held():  # what a broker has committed and not answered when it stops is shown, and rightly
                for node in stopped:
                    self.addCleanup(self.brokers.signal, node, signal.SIGCONT)
                    self.brokers.signal(node, signal.SIGSTOP)
            time.sleep(OUT_OF_SYNC_SECONDS)
            alone = [partition for partition, (leader, isrs) in self.in_sync().items() if leader == 1 and isrs == [1]]
            self.assertTrue(alone, "no partition is led by a broker that is alone")
            for _ in range(LOOKS):
                self.assertEqual(self.shown_and_not_acknowledged(load), [], "shown, and not acknowledged")
            for node in stopped:
                self.brokers.signal(node, signal.SIGCONT)
            took = self.go_on(load, 120)
        self.check(load)
        self.seen("two of three brokers stand still, the controller lives", "nothing is shown that is not acknowledged",
                  f"{load.text()}, goes on after {took:.1f} s")


if __name__ == "__main__":
    run()
