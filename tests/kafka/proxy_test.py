"""The proxy between processes and brokers does to connections what it says, and nothing to bytes.

Method: a broker of one line, that remembers each frame and answers with it; a client on a socket. Then a real broker that
advertises the proxy, and a producer whose answers are lost.
"""
import importlib
import os
import random
import socket
import struct
import threading
import time
import unittest

import brokers
import lane
from proxy import Proxy, Who

SECONDS = 5
SILENCE_SECONDS = 0.2


def frame(data):
    return struct.pack(">i", len(data)) + data


def read_frame(connection):
    """A frame's content; None when the connection ended."""
    def take(size):
        data = b""
        while len(data) < size:
            piece = connection.recv(size - len(data))
            if not piece:
                return None
            data += piece
        return data
    try:
        head = take(4)
        return None if head is None else take(struct.unpack(">i", head)[0])
    except ConnectionError:
        return None


class Echo:
    """A broker, as far as a proxy can tell."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.heard = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        while (data := read_frame(connection)) is not None:
            self.heard.append(data)
            try:
                connection.sendall(frame(data))
            except OSError:
                return

    def wait_for(self, data):
        deadline = time.monotonic() + SECONDS
        while data not in self.heard and time.monotonic() < deadline:
            time.sleep(0.01)
        return data in self.heard


class ProxyTest(unittest.TestCase):
    def setUp(self):
        self.broker = Echo()
        self.addCleanup(self.broker.listening.close)
        self.proxy = self.enterContext(Proxy(self.broker.address))

    def connect(self):
        host, port = self.proxy.address.split(":")
        connection = socket.create_connection((host, int(port)), SECONDS)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, data):
        connection.sendall(frame(data))
        return read_frame(connection)

    def assert_silent(self, connection):
        connection.settimeout(SILENCE_SECONDS)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.settimeout(SECONDS)

    def test_bytes_go_through_as_they_are(self):
        connection = self.connect()
        for size in (0, 1, 1000, 3_000_000):
            data = os.urandom(size)
            self.assertEqual(self.ask(connection, data), data)
        self.assertEqual(self.proxy.answers, 4)

    def test_held_requests_are_delivered_later(self):
        connection = self.connect()
        self.proxy.hold()
        connection.sendall(frame(b"late"))
        self.assert_silent(connection)
        self.assertEqual(self.broker.heard, [])
        self.proxy.deliver()
        self.assertEqual(read_frame(connection), b"late")

    def test_held_requests_are_delivered_though_their_client_is_gone(self):
        connection = self.connect()
        self.proxy.hold()
        connection.sendall(frame(b"of a zombie"))
        time.sleep(SILENCE_SECONDS)
        connection.close()
        time.sleep(SILENCE_SECONDS)
        self.assertEqual(self.broker.heard, [])
        self.proxy.deliver()
        self.assertTrue(self.broker.wait_for(b"of a zombie"))

    def test_who_comes_later_is_served_while_others_are_held(self):
        before = self.connect()
        self.assertEqual(self.ask(before, b"1"), b"1")
        self.proxy.hold(Who.connected)
        before.sendall(frame(b"late"))
        self.assertEqual(self.ask(self.connect(), b"2"), b"2")
        self.assertEqual(self.broker.heard, [b"1", b"2"])
        self.proxy.deliver()
        self.assertEqual(read_frame(before), b"late")

    def test_records_that_are_held_are_told_from_questions(self):
        connection = self.connect()
        self.assertEqual(self.ask(connection, b"1"), b"1")
        self.proxy.hold()
        connection.sendall(frame(b"\x00\x01 a question about tm.projects"))
        self.assert_silent(connection)
        self.assertEqual(self.proxy.keeps_records("tm.projects"), 0)
        connection.sendall(frame(b"\x00\x00 records of tm.projects"))
        self.assert_silent(connection)
        self.assertEqual((self.proxy.keeps_records("tm.projects"), self.proxy.keeps_records("tm.cluster")), (1, 0))

    def test_dropped_answers_leave_the_work_done(self):
        connection = self.connect()
        self.proxy.drop_answers()
        connection.sendall(frame(b"done"))
        self.assertTrue(self.broker.wait_for(b"done"))
        self.assert_silent(connection)
        self.proxy.pass_answers()
        self.assertEqual(self.ask(connection, b"more"), b"more")
        self.assertEqual((self.proxy.dropped, self.proxy.answers), (1, 1))

    def test_connections_end_after_so_many_answers(self):
        before = self.connect()
        self.assertEqual(self.ask(before, b"0"), b"0")
        self.proxy.cut_after(2)
        for connection in (before, self.connect()):
            self.assertEqual(self.ask(connection, b"1"), b"1")
            self.assertEqual(self.ask(connection, b"2"), b"2")
            lost = b"lost %d" % random.randrange(1 << 30)
            self.assertIsNone(self.ask(connection, lost))
            self.assertTrue(self.broker.wait_for(lost))
        self.proxy.cut_after(None)
        connection = self.connect()
        self.assertEqual([self.ask(connection, b"x") for _ in range(5)], [b"x"] * 5)
        self.assertEqual(self.proxy.cuts, 2)

    def test_a_cut_ends_connections_and_new_ones_work(self):
        connection = self.connect()
        self.assertEqual(self.ask(connection, b"a"), b"a")
        self.proxy.cut()
        self.assertIsNone(read_frame(connection))
        self.assertEqual(self.ask(self.connect(), b"b"), b"b")

    def test_refused_connections_end_at_once_and_old_ones_go_on(self):
        old = self.connect()
        self.assertEqual(self.ask(old, b"a"), b"a")
        self.proxy.refuse()
        self.assertIsNone(read_frame(self.connect()))
        self.assertEqual(self.ask(old, b"b"), b"b")
        self.proxy.accept()
        self.assertEqual(self.ask(self.connect(), b"c"), b"c")
        self.assertEqual(self.proxy.refused, 1)

    def test_without_a_broker_connections_end(self):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            self.proxy.broker = nobody.getsockname()
        self.assertIsNone(read_frame(self.connect()))


class RealBrokerTest(unittest.TestCase):
    def test_a_producer_that_hears_no_answers_writes_once(self):
        if reason := lane.missing():
            self.skipTest(reason)
        kafka = lane.confluent_kafka()
        proxy = Proxy()
        started = self.enterContext(brokers.Brokers(1, advertised=[proxy.address]))
        proxy.broker = ("127.0.0.1", started.ports[0])
        self.enterContext(proxy)
        connect = {"bootstrap.servers": proxy.address}
        admin = importlib.import_module("confluent_kafka.admin")
        administrator = admin.AdminClient(connect)
        administrator.create_topics([admin.NewTopic("t", 1, 1)])["t"].result(30)
        offsets = []
        producer = kafka.Producer({**connect, "enable.idempotence": True, "linger.ms": 0,
                                   "on_delivery": lambda error, message: offsets.append(error or message.offset())})
        producer.produce("t", b"first")
        self.assertEqual(producer.flush(30), 0)
        proxy.drop_answers()
        for number in range(20):
            producer.produce("t", b"%d" % number)
        producer.poll(1)
        self.assertEqual(len(offsets), 1)
        proxy.cut()
        proxy.pass_answers()
        self.assertEqual(producer.flush(30), 0)
        self.assertEqual(offsets, list(range(21)))
        self.assertGreater(proxy.dropped, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
