"""Apache Kafka for tests: brokers in KRaft mode on free loopback ports, from jars of Maven Central.

    with Brokers(nodes=3) as brokers:
        brokers.bootstrap          # host:port,…
        brokers.kill(1)            # kill -9; start(1) again on its data

By hand: `python3 tests/kafka/brokers.py [nodes]` runs them until Ctrl-C. Needs java and mvn; `missing()` says what is
not there. Jars stay in build/kafka/<version>; `python3 tests/kafka/brokers.py fetch` brings all versions of them.
"""
import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VERSIONS = ("3.9.1", "4.1.1")  # as pom.xml has them; CI runs all tests on the first, some on the second too
VERSION = os.environ.get("KAFKA_VERSION", VERSIONS[0])
START_SECONDS = 60
FETCH_SECONDS, FETCH_ATTEMPTS = 200, 3

SETTINGS = """
process.roles={roles}
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port}{controlling}{more}
advertised.listeners=PLAINTEXT://{advertised}{more}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
unclean.leader.election.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=16777216
message.max.bytes=5242880
replica.fetch.max.bytes=5242880
"""


def directory_of(version):
    if version not in VERSIONS:
        raise ValueError(f"Kafka {version}: these tests know {' and '.join(VERSIONS)}")
    return os.path.join(ROOT, "build", "kafka", version)


def missing(version=VERSION):
    """What is not there, as text; nothing when brokers can run."""
    for program in ("java", "mvn"):
        if not shutil.which(program):
            return f"{program} is not installed"
    if not os.path.exists(os.path.join(directory_of(version), "complete")):
        return f"Kafka's jars are not in build/kafka/{version}: python3 tests/kafka/brokers.py fetch"
    return None


def fetch(*versions):
    """Jars through Maven Central, where they are not there yet. Maven waits half an hour for a connection that says
    nothing, unless told otherwise; what it got remains for the next attempt."""
    for version in versions:
        directory = directory_of(version)
        if os.path.exists(os.path.join(directory, "complete")):
            continue
        for attempt in range(FETCH_ATTEMPTS):
            try:
                subprocess.run(["mvn", "-q", "-B", "-Dmaven.wagon.rto=20000", "-f", os.path.join(HERE, "pom.xml"), f"-Dkafka={version}",
                                "dependency:copy-dependencies", f"-DoutputDirectory={directory}"], check=True, timeout=FETCH_SECONDS)
            except (OSError, subprocess.SubprocessError) as error:
                print(f"attempt {attempt + 1} of {FETCH_ATTEMPTS}: {error}", file=sys.stderr)
                continue
            with open(os.path.join(directory, "complete"), "w", encoding="utf-8"):
                break


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# What is kept for a look afterwards says what became of the logs (3.9's logger).
LOGGING = """log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{HH:mm:ss.SSS} %p %c{1} %m%n
""" + "".join(f"log4j.logger.{name}={'INFO' if os.environ.get('KEEP_CLUSTERS') else 'WARN'}\n" for name in (
    "kafka.log", "org.apache.kafka.storage", "kafka.cluster.Partition", "kafka.server", "state.change.logger"))


class Brokers:
    def __init__(self, nodes=1, version=VERSION, settings="", advertised=None, listeners=(), format_options=(), voters=None):
        """`advertised`: host:port of each node as clients are told, such as a proxy's (proxy.py). `listeners` are more of
        them (security.py). `settings`: more lines of each node's configuration. `voters`: so many of the nodes are
        controllers, the first ones (all)."""
        self.directory = tempfile.mkdtemp(prefix="kafka-")
        self.classpath = os.path.join(directory_of(version), "*")
        self.ports = [free_port() for _ in range(nodes)]
        self.processes = [None] * nodes
        controllers = [free_port() for _ in range(nodes)]
        votes = range(nodes if voters is None else voters)
        quorum = ",".join(f"{node + 1}@127.0.0.1:{controllers[node]}" for node in votes)
        self.format_options = format_options
        with open(os.path.join(self.directory, "log4j.properties"), "w", encoding="utf-8") as file:
            file.write(LOGGING)
        for node in range(nodes):
            with open(self.settings_of(node), "w", encoding="utf-8") as file:
                file.write(SETTINGS.format(node=node + 1, voters=quorum, port=self.ports[node],
                                           roles="broker,controller" if node in votes else "broker",
                                           controlling=f",CONTROLLER://127.0.0.1:{controllers[node]}" if node in votes else "",
                                           more="".join(f",{listener}" for listener in listeners),
                                           advertised=advertised[node] if advertised else f"127.0.0.1:{self.ports[node]}",
                                           data=self.data_of(node)) + settings)
        self.format()

    def format(self):
        """Makes a new cluster of nodes that have no data."""
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for node in range(len(self.ports)):
            self.tool("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", self.settings_of(node), *self.format_options)

    def data_of(self, node):
        return os.path.join(self.directory, str(node + 1))

    def settings_of(self, node):
        return os.path.join(self.directory, f"{node + 1}.properties")

    def java(self, megabytes):
        return ["java", f"-Xmx{megabytes}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", self.classpath,
                f"-Dlog4j.configuration=file:{self.directory}/log4j.properties", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]

    def tool(self, name, *arguments):
        """Runs a program of Kafka's, by its class; what it prints."""
        return subprocess.run([*self.java(128), name, *arguments], check=True, capture_output=True, text=True).stdout

    @property
    def bootstrap(self):
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def start(self, node):
        with open(os.path.join(self.directory, f"{node + 1}.log"), "ab") as log:
            self.processes[node] = subprocess.Popen([*self.java(1024), "kafka.Kafka", self.settings_of(node)], stdout=log, stderr=log)

    def wait_for(self, node):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.processes[node].poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.ports[node]), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        with open(os.path.join(self.directory, f"{node + 1}.log"), encoding="utf-8", errors="replace") as log:
            raise RuntimeError(f"broker {node + 1} did not start: {log.read()[-2000:]}")

    def signal(self, node, number):
        self.processes[node].send_signal(number)

    def kill(self, node):
        self.signal(node, signal.SIGKILL)
        self.processes[node].wait()

    def stop(self, node):
        """In peace: what it leads is handed over before."""
        self.signal(node, signal.SIGTERM)
        self.processes[node].wait(timeout=START_SECONDS)

    def __enter__(self):
        for node in range(len(self.ports)):
            self.start(node)
        for node in range(len(self.ports)):
            self.wait_for(node)
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        if not os.environ.get("KEEP_CLUSTERS"):
            shutil.rmtree(self.directory, ignore_errors=True)


def main():
    if sys.argv[1:] == ["fetch"]:
        return fetch(*VERSIONS)
    if reason := missing():
        sys.exit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # and the brokers go too
    with Brokers(int(sys.argv[1]) if len(sys.argv) > 1 else 1) as brokers:
        print(brokers.bootstrap, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
