"""`tidemark serve` logs in to brokers that ask who comes, believes only brokers that prove who they are, and checks the
topics that it finds; what does not fit is refused at once, in words that name the setting and what to do.

Method: one broker with TLS listeners for passwords and for certificates (security.py); the program as a user starts it.
"""
# TIMEOUT 300
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lane
from brokers import VERSION
from harness import Server, run, tidemark, unique
from security import PASSWORD, USER, Authority, SecureBroker

WRONG = "falsch-2"


def scram_fits():
    """librdkafka before 2.6.1 and brokers from 4.0 on do not agree on SCRAM (confluentinc/librdkafka#4895)."""
    ours = subprocess.run(["pkg-config", "--modversion", "rdkafka"], check=True, capture_output=True, text=True).stdout
    return int(VERSION.split(".")[0]) < 4 or [int(part) for part in ours.split(".")] >= [2, 6, 1]


class SecurityTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := lane.missing():
            raise unittest.SkipTest(reason)
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.broker = cls.enterClassContext(SecureBroker(cls.directory))
        cls.ca = cls.broker.authority.path
        cls.foreign = Authority(cls.directory, "foreign")
        cls.certificate = cls.broker.authority.issue("client")

    def settings(self, address, protocol, **more):
        """Flags of `serve`; `_` in a name stands for `-`."""
        given = {"log": f"kafka://{address}", "kafka-security-protocol": protocol, "kafka-topic-prefix": unique("t") + ".", "partitions": 2,
                 **{name.replace("_", "-"): value for name, value in more.items()}}
        return [part for name, value in given.items() for part in (f"--{name}", str(value))]

    def password_file(self, password):
        path = os.path.join(self.directory, f"password-{password}")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{password}\n")
        return path

    def by_password(self, password=PASSWORD, mechanism="SCRAM-SHA-512", **more):
        return self.settings(self.broker.passwords, "sasl_ssl", **{"kafka_sasl_mechanism": mechanism, "kafka_username": USER,
                                                                   "kafka_password_file": self.password_file(password),
                                                                   "kafka_ca": self.ca, **more})

    def by_certificate(self, certificate, key):
        return self.settings(self.broker.certificates, "ssl", kafka_ca=self.ca, kafka_certificate=certificate, kafka_key=key)

    def serves(self, arguments, environment=None):
        """A project made through one run of the program is there in the next."""
        server = Server(*arguments, environment=environment)
        self.addCleanup(server.close)
        server.start()
        acme = server.organization()
        made = acme.post("/v2/projects", {"name": "Web", "slug": "web"}, expect=201)
        server.stop()
        server.start()
        again = server.client(acme.key).get(f"/v2/projects/{made['id']}")
        self.assertEqual(again["name"], "Web")
        server.stop()

    def refusal(self, arguments):
        with tempfile.TemporaryDirectory() as data:
            told = tidemark("serve", "--data", data, "--listen", "127.0.0.1:0", *arguments, expect=1).stderr
        for secret in (PASSWORD, WRONG):
            self.assertNotIn(secret, told)
        return told

    def test_scram_lets_in_over_tls(self):
        for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256"):
            with self.subTest(mechanism):
                if scram_fits():
                    self.serves(self.by_password(mechanism=mechanism))
                else:
                    self.assertRegex(self.refusal(self.by_password(mechanism=mechanism)), "cannot log in by SCRAM: use PLAIN")

    def test_plain_lets_in_over_tls_with_a_password_from_the_environment(self):
        arguments = self.by_password(mechanism="PLAIN")
        place = arguments.index("--kafka-password-file")
        del arguments[place:place + 2]
        self.serves(arguments, {"TIDEMARK_KAFKA_PASSWORD": PASSWORD})

    def test_certificates_of_both_sides_let_in(self):
        self.serves(self.by_certificate(*self.certificate))

    def test_a_wrong_password_is_told(self):
        told = self.refusal(self.by_password(WRONG))
        self.assertRegex(told, r"invalid credentials.*kafka_username, the password and kafka_sasl_mechanism")

    def test_brokers_of_another_authority_are_not_believed(self):
        told = self.refusal(self.by_password(kafka_ca=self.foreign.path))
        self.assertRegex(told, r"certificate verify failed.*kafka_ca of who certified them")

    def test_brokers_with_a_certificate_of_another_host_are_not_believed(self):
        port = self.broker.passwords.split(":")[1]
        told = self.refusal(self.by_password(log=f"kafka://localhost:{port}"))
        self.assertRegex(told, r"certificate verify failed.*must name the hosts in log")

    def test_a_certificate_that_the_brokers_do_not_trust_is_told(self):
        told = self.refusal(self.by_certificate(*self.foreign.issue("client")))
        self.assertRegex(told, r"kafka_certificate, where they ask for one, must be of who they trust")

    def test_topics_that_could_lose_records_are_refused_with_the_command_that_mends_them(self):
        arguments = self.settings(self.broker.bootstrap, "plaintext")
        server = Server(*arguments)
        self.addCleanup(server.close)
        server.start()
        server.kill()
        topic = arguments[arguments.index("--kafka-topic-prefix") + 1] + "log"
        self.configure("--bootstrap-server", self.broker.bootstrap, "--alter", "--entity-type", "topics", "--entity-name", topic,
                       "--add-config", "retention.ms=1000,cleanup.policy=compact")
        told = tidemark("serve", "--data", server.data, *arguments, expect=1).stderr
        self.assertIn(f"topic {topic} could lose", told)
        self.assertIn("retention.ms is 1000, must be -1", told)
        self.assertIn("cleanup.policy is compact, must be delete", told)
        command = shlex.split(re.search(r"^ *(kafka-configs.sh .*)$", told, re.M)[1])
        self.configure(*command[1:])
        server.start()
        server.kill()

    def configure(self, *arguments):
        """What kafka-configs.sh runs."""
        self.broker.tool("kafka.admin.ConfigCommand", *arguments)


if __name__ == "__main__":
    run()
