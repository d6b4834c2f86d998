"""A broker that asks who comes, for tests: besides its plain listener one with TLS and passwords, one with certificates of
both sides.

    with SecureBroker() as broker:
        broker.passwords        # 127.0.0.1:port: SASL_SSL with SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN
        broker.certificates     # 127.0.0.1:port: SSL, clients show a certificate of broker.authority
        broker.authority        # Authority: .path of its certificate, .issue(name) makes one

USER may log in with PASSWORD.
"""
import os
import subprocess

from brokers import Brokers, free_port

USER, PASSWORD = "tidemark", "geheim-1"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'

SETTINGS = """
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PASSWORDS:SASL_SSL,CERTIFICATES:SSL
ssl.keystore.type=PEM
ssl.keystore.location={keys}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.passwords.scram-sha-512.sasl.jaas.config={scram}
listener.name.passwords.scram-sha-256.sasl.jaas.config={scram}
listener.name.passwords.plain.sasl.jaas.config={plain}
listener.name.certificates.ssl.client.auth=required
"""


class Authority:
    """Certifies hosts and clients; everything in one directory."""

    def __init__(self, directory, name="authority"):
        self.directory, self.name = directory, name
        self.path, self.key = os.path.join(directory, f"{name}.pem"), os.path.join(directory, f"{name}.key")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.path)

    def issue(self, name, host="127.0.0.1"):
        """(certificate, key): paths of PEM files."""
        place = os.path.join(self.directory, f"{self.name}-{name}")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{place}.key", "-out", f"{place}.csr")
        with open(f"{place}.ext", "w", encoding="ascii") as file:
            file.write(f"subjectAltName=IP:{host}\n")
        openssl("x509", "-req", "-in", f"{place}.csr", "-CA", self.path, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                "-extfile", f"{place}.ext", "-out", f"{place}.pem")
        return f"{place}.pem", f"{place}.key"


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class SecureBroker(Brokers):
    def __init__(self, directory, **options):
        self.authority = Authority(directory)
        keys = os.path.join(directory, "broker-keys.pem")
        certificate, key = self.authority.issue("broker")
        with open(keys, "w", encoding="ascii") as file:
            for path in (key, certificate):
                with open(path, encoding="ascii") as part:
                    file.write(part.read())
        self.passwords, self.certificates = (f"127.0.0.1:{free_port()}" for _ in range(2))
        settings = SETTINGS.format(keys=keys, authority=self.authority.path, scram=SCRAM, plain=PLAIN)
        users = [f"--add-scram={mechanism}=[name={USER},password={PASSWORD}]" for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256")]
        super().__init__(1, settings=settings, listeners=[f"PASSWORDS://{self.passwords}", f"CERTIFICATES://{self.certificates}"],
                         format_options=users, **options)
