"""Faults between a process and a broker: a TCP proxy that passes bytes on, or does not, and changes none.

    with Proxy(("127.0.0.1", 9092)) as proxy:      # proxy.address: host:port, to be advertised by the broker
        proxy.hold()           # what clients send is kept; proxy.deliver() sends it on, though the client be gone
        proxy.hold(Who.connected)  # the same, but who comes later is served
        proxy.drop_answers()   # the broker does the work, and nobody hears of it; proxy.pass_answers()
        proxy.cut_after(3)     # each connection ends when so many more answers came through
        proxy.cut()            # all connections end now
        proxy.refuse()         # who connects is cut at once; proxy.accept()

Kafka's clients connect to the address that a broker advertises, so that must be the proxy's. A frame is a length of four
bytes and so many more: that much of the protocol is known, to count answers; a connection with TLS is not understood.
One thread runs the loop; methods may be called from any, and have happened when they return.
"""
import asyncio
import enum
import socket
import struct
import threading

PIECE = 64 * 1024
WAIT_SECONDS = 10
PRODUCE = 0  # the key of a request that carries records (Kafka's protocol guide)


class Who(enum.Enum):
    everybody = 1
    connected = 2  # now


class Connection:
    """One client's, and the one to the broker that stands behind it."""

    def __init__(self, proxy, client, broker):
        self.proxy, self.client, self.broker = proxy, client, broker
        self.answers_left = proxy.answers_max
        self.holding = proxy.holding
        self.kept = []  # what the client sent while it was held

    def keeps_records(self, topic):
        """As far as the beginnings of pieces tell: a frame's length, the key of the request in it, and names."""
        return any(piece[4:6] == struct.pack(">h", PRODUCE) and topic.encode() in piece for piece in self.kept)

    def close(self):
        for _, writer in (self.client, self.broker):
            writer.close()

    async def send(self, data):
        self.broker[1].write(data)
        await self.broker[1].drain()

    async def requests(self):
        while data := await self.client[0].read(PIECE):
            if self.holding:
                self.kept.append(data)
            else:
                await self.send(data)

    async def answers(self):
        while True:
            head = await self.broker[0].readexactly(4)
            frame = head + await self.broker[0].readexactly(struct.unpack(">i", head)[0])
            if self.answers_left == 0:
                self.proxy.cuts += 1
                return
            if self.proxy.dropping:
                self.proxy.dropped += 1
                continue
            self.proxy.answers += 1
            self.client[1].write(frame)
            await self.client[1].drain()
            if self.answers_left is not None:
                self.answers_left -= 1

    async def run(self):
        """Until one side ends. What is held is not lost with the client: the network has it."""
        ways = [asyncio.ensure_future(self.requests()), asyncio.ensure_future(self.answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if self.kept and not ways[1].done():
                self.client[1].close()
                await self.proxy.delivered.wait()
                await self.flush()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.close()

    async def flush(self):
        try:
            while self.kept:
                await self.send(self.kept.pop(0))
        except OSError:
            self.kept.clear()


class Proxy:
    def __init__(self, broker=None, port=0):
        self.broker = broker
        self.listening = socket.create_server(("127.0.0.1", port))
        self.address = "127.0.0.1:%d" % self.listening.getsockname()[1]
        self.connections = set()
        self.holding = self.dropping = self.refusing = False
        self.answers_max = None
        self.answers = self.dropped = self.cuts = self.refused = 0  # what happened so far

    # ---- from any thread ----

    def hold(self, who=Who.everybody):
        self.call(self._hold(who))

    def deliver(self):
        self.call(self._deliver())

    def keeps_records(self, topic):
        """How many connections hold back records for it."""
        return self.call(self._keeps_records(topic))

    def drop_answers(self):
        self.call(self._set(dropping=True))

    def pass_answers(self):
        self.call(self._set(dropping=False))

    def cut_after(self, answers):
        """Every connection there is and every one to come; None: no more."""
        self.call(self._cut_after(answers))

    def cut(self):
        self.call(self._cut())

    def refuse(self):
        self.call(self._set(refusing=True))

    def accept(self):
        self.call(self._set(refusing=False))

    def __enter__(self):
        started = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve(started)), name="proxy", daemon=True)
        self.thread.start()
        started.wait(WAIT_SECONDS)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.thread.join(WAIT_SECONDS)

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(WAIT_SECONDS)

    # ---- in the loop ----

    async def serve(self, started):
        self.loop, self.stopped, self.delivered = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        server = await asyncio.start_server(self.connected, sock=self.listening)
        started.set()
        await self.stopped.wait()
        server.close()
        self.delivered.set()
        await self._cut()

    async def connected(self, reader, writer):
        if self.refusing:
            self.refused += 1
            writer.close()
            return
        try:
            broker = await asyncio.open_connection(*self.broker)
        except OSError:
            writer.close()
            return
        connection = Connection(self, (reader, writer), broker)
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)

    async def _hold(self, who):
        self.holding = who is Who.everybody
        self.delivered.clear()
        for connection in self.connections:
            connection.holding = True

    async def _deliver(self):
        self.holding = False
        for connection in list(self.connections):
            await connection.flush()
            connection.holding = False  # not before, or what comes meanwhile overtakes
        self.delivered.set()

    async def _keeps_records(self, topic):
        return sum(connection.keeps_records(topic) for connection in self.connections)

    async def _set(self, **changed):
        vars(self).update(changed)

    async def _cut_after(self, answers):
        self.answers_max = answers
        for connection in self.connections:
            connection.answers_left = answers

    async def _cut(self):
        for connection in list(self.connections):
            self.cuts += 1
            connection.close()
