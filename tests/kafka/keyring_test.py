# TIMEOUT 120
# NEEDS broker
"""A keyring on Kafka gets a new root key: while a process runs it is refused; afterwards what was sealed opens with the
new one, and a process that has the old one says so and serves what needs no sealed field."""
import os
import subprocess
import sys
import unittest

import lane

sys.path.insert(0, os.path.join(lane.kafka.ROOT, "tests", "e2e"))
from harness import PROGRAM, Server, run, tidemark, unique


class Rotation(unittest.TestCase):
    def test_a_new_root_key(self):
        log = ("--log", f"kafka://{lane.brokers()}", "--kafka-topic-prefix", f"{unique('keys')}-{os.getpid()}.")
        server = Server(*log, "--partitions", "2")
        self.addCleanup(server.close)
        server.start()
        acme = server.organization()
        path = f"/v2/projects/{acme.post('/v2/projects', {'name': 'Web'})['id']}/secrets/TOKEN"
        acme.put(path, {"value": "hunter2"})
        key = os.path.join(server.data, "root.key")
        refused = subprocess.run([PROGRAM, "keyring", "rotate", "--data", server.data, *log], capture_output=True, text=True, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("stop all of them first", refused.stderr)
        server.stop()
        told = tidemark("keyring", "rotate", "--data", server.data, *log).stdout
        self.assertIn("copy it to every process", told)
        self.assertIn("data  2 active", tidemark("keyring", "verify", "--data", server.data, *log).stdout)
        server.start()
        self.assertEqual(acme.post(f"{path}/reveal")["value"], "hunter2")
        acme.put(path, {"value": "hunter3"})
        self.assertEqual(acme.post(f"{path}/reveal")["value"], "hunter3")
        server.stop()
        old = next(name for name in os.listdir(server.data) if name.startswith("root.key."))
        os.rename(key, key + ".away")
        os.rename(os.path.join(server.data, old), key)
        server.start()
        self.assertIn("another root key", server.output())
        self.assertEqual(acme.post(f"{path}/reveal", expect=503)["type"], "/problems/root-key-missing")
        self.assertEqual(acme.get(path)["value_version"], 3)
        server.stop()
        os.rename(key + ".away", key)
        server.start()
        self.assertEqual(acme.post(f"{path}/reveal")["value"], "hunter3")


if __name__ == "__main__":
    run()
