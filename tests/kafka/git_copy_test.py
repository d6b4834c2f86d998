# TIMEOUT 600
# LABEL soak
# NEEDS broker
"""The git history of Apache Kafka goes to a broker and home again: the same rows; and how long that takes."""
import json
import os
import sys
import time

import lane

sys.path.insert(0, os.path.join(lane.kafka.ROOT, "tests", "e2e"))
from harness import ServerTest, run, tidemark, unique

HISTORY = os.path.join(lane.kafka.ROOT, "tests", "e2e", "git_history")


class GitCopy(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.address = f"kafka://{lane.brokers()}"
        super().setUpClass()

    def copy(self, source, target):
        begun = time.monotonic()
        done = json.loads(tidemark("log", "copy", "--from", source, "--to", target, "--json", "--kafka-topic-prefix",
                                   self.prefix).stdout)
        seconds = time.monotonic() - begun
        print(f"{done['records']} records in {seconds:.1f} s, {done['records'] / seconds:,.0f}/s with the program's start")
        return done["records"]

    def test_there_and_back(self):
        self.prefix = f"{unique('history')}-{os.getpid()}."
        with open(os.path.join(HISTORY, "manifest.json"), encoding="utf-8") as file:
            self.server.declare("git", json.load(file))
        tidemark("import", "--url", f"http://127.0.0.1:{self.server.port}", "--mapping", os.path.join(HISTORY, "mapping.json"),
                 os.path.join(HISTORY, "git-history-apache-kafka.jsonl.zst"), env={**os.environ, "TIDEMARK_KEY": self.acme.key})
        self.server.stop()
        home = os.path.join(self.server.directory, "home")
        there, back = self.copy(self.server.data, self.address), self.copy(self.address, home)
        self.assertGreater(there, 13_400)
        self.assertEqual(there, back)
        hashes = {tidemark("projections", "hash", "--data", data).stdout for data in (self.server.data, home)}
        self.assertEqual(len(hashes), 1, hashes)


if __name__ == "__main__":
    run()
