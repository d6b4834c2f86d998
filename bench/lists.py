"""What does a page cost: of a list with a filter among a million entities, and of a list of the past among a million versions?

Method: bulk requests fill one organization. A million entities have three declared indexes: a value of
/rare has 10 of them, of /group 1 %, of /half half. Two more products have a million versions each, a
thousand or ten thousand entities changed in turn. When the server has come to rest, one connection asks
for one page after the other, other values each time; a latency is from the request's first byte to the
answer's last. Next pages go on at the cursors, through what nobody has read before; lists of the past
are of forty moments within a tenth of the history. An empty reply over the same connection stands in the
notes, with the server's processor time, which other load on the machine hardly moves. What pages hold is
counted.
"""
import http.client
import json
import socket
import statistics
import time

from figures import Figure
from load import cpu_seconds, serving

ENTITIES = VERSIONS = 1_000_000
IN_RECORD, IN_REQUEST = 1000, 20
SEED = 2654435761
PAGES = 300  # a round, of lists by filter
PAST_PAGES = 40  # a round, of lists of the past
FILTERED_MS, PAST_MS = 5, 50
TEXT = "".join(f"{i * SEED % 2**32:08x}" for i in range(10))
FILTERS = {"rare": (ENTITIES // 10, 10), "group": (100, ENTITIES // 100), "half": (2, ENTITIES // 2)}  # values, entities of each
SHAPES = {"deep": 1000, "broad": 10_000}  # product: entities


class Probe:
    """One connection that times whole answers."""

    def __init__(self, server, key):
        self.connection = socket.create_connection(("127.0.0.1", server.port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.key = key

    def get(self, path):
        """(body, milliseconds)."""
        request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.key}\r\n\r\n".encode()
        begun = time.perf_counter()
        self.connection.sendall(request)
        answer = self.connection.recv(1 << 20)
        while b"\r\n\r\n" not in answer:
            answer += self.connection.recv(1 << 20)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")))
        parts, size = [body], len(body)
        while size < length:
            parts.append(self.connection.recv(1 << 20))
            size += len(parts[-1])
        taken = (time.perf_counter() - begun) * 1e3
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {answer[:1000]!r}")
        return b"".join(parts), taken

    def page(self, path, rows, fields=None):
        """A page of as many rows; (its JSON, milliseconds)."""
        body, taken = self.get(path)
        page = json.loads(body)
        if len(page["data"]) != rows or (fields and any(set(row) != set(fields) for row in page["data"])):
            raise RuntimeError(f"{path}: {len(page['data'])} rows, not {rows}: {body[:500]!r}")
        return page, taken


def fill(server, client, product, events):
    """Bulk requests of an iterator's events, a thousand a record; the mark of each record."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    marks, lines, record = [], [], []

    def send():
        connection.request("POST", f"/v2/products/{product}/events", "".join(lines), {
            "Content-Type": "application/x-ndjson", "Authorization": f"Bearer {client.key}"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200 or b'"problem"' in said:
            raise RuntimeError(f"{answer.status}: {said[-500:]!r}")
        marks.extend(json.loads(line)["mark"] for line in said.splitlines())
        lines.clear()

    for event in events:
        record.append(event)
        if len(record) == IN_RECORD:
            lines.append('{"events":[' + ",".join(record) + "]}\n")
            record.clear()
            if len(lines) == IN_REQUEST:
                send()
    if lines:
        send()
    return marks


def manifest(*pointers):
    return {"description": "what benches list", "kinds": {"item": {"events": {"item.set": {"fold": "replace"}}, "indexes": list(pointers)}}}


def items():
    """A million entities; their values have nothing to do with the order of their names."""
    for number in range(ENTITIES):
        place = number * SEED % ENTITIES  # every number below once
        values = ",".join(f'"{name}":"{name[0]}{place % count}"' for name, (count, _) in FILTERS.items())
        yield f'{{"kind":"item","entity":"item-{number:07}","type":"item.set","data":{{{values},"text":"{TEXT}"}}}}'


def versions(entities):
    for number in range(VERSIONS):
        yield (f'{{"kind":"item","entity":"item-{number % entities * SEED % entities:07}","type":"item.set",'
               f'"data":{{"turn":{number // entities},"text":"{TEXT}"}}}}')


def rest(server):
    """Waits until the server has folded and compacted what it was given."""
    quiet = 0
    while quiet < 3:
        before = cpu_seconds(server.process.pid)
        time.sleep(1)
        quiet = quiet + 1 if cpu_seconds(server.process.pid) - before < 0.05 else 0


def unborn_pages(probe, mark):
    """Pages from the end of a list of the past when nearly nothing was there: they end early."""
    path = f"/v2/products/wide/item?limit=1000&order=desc&as_of={mark}"
    page, taken = None, []
    for _ in range(PAST_PAGES):
        body, one = probe.get(path + (f"&cursor={page['next_cursor']}" if page else ""))
        page = json.loads(body)
        if page["data"] or not page["next_cursor"]:
            raise RuntimeError(f"{path}: {body[:500]!r}")
        taken.append(one)
    return taken


def share(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def first_pages(probe, name, limit, turn, fields=None):
    count, each = FILTERS[name]
    more = f"&limit={limit}" + (f"&fields={','.join(fields)}" if fields else "")
    picks = ((number + turn * PAGES) * 7919 % count for number in range(PAGES))
    return [probe.page(f"/v2/products/wide/item?/{name}={name[0]}{pick}{more}", min(limit, each), fields)[1] for pick in picks]


def next_pages(probe, name, limit, turn):
    count, each = FILTERS[name]
    path = f"/v2/products/wide/item?/{name}={name[0]}{turn * 17 % count}&limit={limit}"
    page, _ = probe.page(path, limit)
    taken = []
    for number in range(1, min(PAGES, each // limit)):
        page, one = probe.page(f"{path}&cursor={page['next_cursor']}", limit)
        taken.append(one)
    return taken


def both_filters(probe, turn):
    """A filter that has half of all before one that has ten of those."""
    picks = ((number + turn * PAGES) * 7919 % FILTERS["rare"][0] for number in range(PAGES // 10))
    return [probe.page(f"/v2/products/wide/item?/half=h{pick % 2}&/rare=r{pick}", 10)[1] for pick in picks]


def past_pages(probe, product, moments, limit=1000, fields=None):
    """One page each of several moments: (turn, mark)."""
    taken = []
    for turn, mark in moments:
        path = f"/v2/products/{product}/item?limit={limit}&as_of={mark}" + (f"&fields={','.join(fields)}" if fields else "")
        page, one = probe.page(path, limit, fields)
        if not fields and any(row["state"]["turn"] != turn for row in page["data"]):
            raise RuntimeError(f"{path}: rows of another time than {turn}")
        taken.append(one)
    return taken


def past_next_pages(probe, product, mark, limit=1000):
    path = f"/v2/products/{product}/item?limit={limit}&as_of={mark}"
    page, _ = probe.page(path, limit)
    taken = []
    while page["next_cursor"]:
        page, one = probe.page(f"{path}&cursor={page['next_cursor']}", limit)
        taken.append(one)
    return taken


def filtered(probe):
    """Measures of lists by filter; a measure is given the round's number."""
    found = {}
    for name, (_, each) in FILTERS.items():
        what = f"{each:,} of {ENTITIES:,} match"
        for limit in (50, 100):
            found[f"{what}, first page of {limit}"] = lambda turn, name=name, limit=limit: first_pages(probe, name, limit, turn)
            if each > limit:
                found[f"{what}, next pages of {limit}"] = lambda turn, name=name, limit=limit: next_pages(probe, name, limit, turn)
        found[f"{what}, first page of 100, ?fields="] = lambda turn, name=name: first_pages(probe, name, 100, turn, ["entity", "state"])
    found["one that half have and one that 10 have"] = lambda turn: both_filters(probe, turn)
    return found


def past(probe, marks):
    """The same of lists of the past: at PAST_PAGES moments within a tenth of the history, near and far from each other."""
    found = {f"as of the first record, {ENTITIES:,} made later, empty pages": lambda _: unborn_pages(probe, marks["wide"][0])}
    for product, entities in SHAPES.items():
        turns = VERSIONS // entities
        for when, begin in (("beginning", 0), ("middle", turns * 9 // 20), ("end", turns - turns // 10)):
            moments = [(turn, marks[product][(turn + 1) * entities // IN_RECORD - 1])
                       for turn in (begin + number * 37 % (turns // 10) for number in range(PAST_PAGES))]
            what = f"as of the {when}, {entities:,} × {turns:,}, first page of 1,000"
            found[what] = lambda _, product=product, moments=moments: past_pages(probe, product, moments)
            if when == "middle":
                found[what + ", ?fields="] = lambda _, product=product, moments=moments: past_pages(probe, product, moments, fields=["entity", "version"])
            if when == "middle" and entities > 1000:
                found[what.replace("first page", "next pages")] = lambda _, product=product, mark=moments[0][1]: past_next_pages(probe, product, mark)
    return found


def measure(options):
    with serving() as server:
        client, marks = server.organization(), {}
        for product, pointers, events in [("wide", [f"/{name}" for name in FILTERS], items()),
                                          *((product, [], versions(entities)) for product, entities in SHAPES.items())]:
            server.declare(product, manifest(*pointers))
            begun = time.monotonic()
            marks[product] = fill(server, client, product, events)
            yield Figure(f"load of {product}", "events/s", [ENTITIES / (time.monotonic() - begun)])
        rest(server)
        probe = Probe(server, client.key)
        for measures, target in ((filtered(probe), FILTERED_MS), (past(probe, marks), PAST_MS)):
            for what, ask in measures.items():
                taken, empty, cpu = [], [], 0
                for turn in range(options.rounds):
                    empty.append(statistics.median(probe.get("/healthz")[1] for _ in range(100)))
                    before = cpu_seconds(server.process.pid)
                    taken.append(ask(turn))
                    cpu += cpu_seconds(server.process.pid) - before
                yield Figure(f"{what}, p99", "ms", [share(one, 0.99) for one in taken], at_most=target,
                             note=f"p50 {statistics.median(share(one, 0.5) for one in taken):.2f} ms, {len(taken[0])} pages a round, "
                                  f"server CPU {cpu / sum(map(len, taken)) * 1e3:.1f} ms each, an empty reply {statistics.median(empty):.2f} ms")
