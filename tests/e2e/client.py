"""How tests talk to a server: one kept-alive connection per client, and a reader of event streams."""
import http.client
import json
import socket

SECONDS_MAX = 20  # for anything that a healthy server does at once; generous for sanitized builds
NO_BODY = object()


class Answer:
    """What came back: status, headers (names in any case), body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def mark(self):
        return self.headers["Tidemark"]

    @property
    def etag(self):
        return self.headers["ETag"]

    def __getitem__(self, name):
        return self.json[name]

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body[:2000]!r}"


class Client:
    """Who asks: one key (or none) and headers sent with everything, over one kept-alive connection."""

    def __init__(self, port, key=None, headers=None):
        self.port, self.key = port, key
        self.headers = dict(headers or {})
        self.connection = None

    def with_headers(self, **headers):
        """The same caller with more headers; `_` in a name stands for `-`."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client(self.port, self.key, {**self.headers, **more})

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def request(self, method, path, body=NO_BODY, expect=None, headers=None, timeout=SECONDS_MAX):
        """`body`: bytes as they are, anything else as JSON. `expect`: a status, or None for any below 400,
        or "any"."""
        sent = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        sent.update(self.headers)
        if body is NO_BODY:
            content = None
        else:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        answer = self._send(method, path, content, sent, timeout)
        good = expect == "any" or (answer.status < 400 if expect is None else answer.status == expect)
        if not good:
            raise AssertionError(f"{method} {path}: expected {expect or 'success'}, got {answer}")
        return answer

    def _send(self, method, path, content, headers, timeout):
        for attempt in (1, 2):
            fresh = self.connection is None
            if fresh:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            try:
                self.connection.request(method, path, content, headers)
                response = self.connection.getresponse()
                body = response.read()
                if response.will_close:
                    self.close()
                return Answer(response.status, response.headers, body)
            except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError, http.client.CannotSendRequest):
                # A kept connection may have been closed by the server in between; a new one may not.
                self.close()
                if fresh or attempt == 2:
                    raise
            except Exception:
                self.close()
                raise

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=NO_BODY, **options):
        return self.request("POST", path, body, **options)

    def patch(self, path, body=NO_BODY, **options):
        return self.request("PATCH", path, body, **options)

    def put(self, path, body=NO_BODY, **options):
        return self.request("PUT", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def pages(self, path, limit=None):
        """Every entry of a list, page by page."""
        joint = "&" if "?" in path else "?"
        first = f"{path}{joint}limit={limit}" if limit else path
        answer = self.get(first)
        while True:
            yield from answer["data"]
            if answer["next_cursor"] is None:
                return
            joint = "&" if "?" in first else "?"
            answer = self.get(f"{first}{joint}cursor={answer['next_cursor']}")

    def events(self, query=""):
        """Every event that this caller sees, oldest first."""
        after, found = "beginning", []
        while True:
            page = self.get(f"/v2/events?after={after}&limit=1000{'&' + query if query else ''}")
            found += page["data"]
            after = page["next"]
            if page["caught_up"]:
                return found

    def stream(self, query="", headers=None, timeout=SECONDS_MAX):
        return Stream(self, query, headers or {}, timeout)


class StreamClosed(Exception):
    """The server ended the stream."""


class Stream:
    """A reader of /v2/events/stream, one event at a time."""

    def __init__(self, client, query, headers, timeout):
        self.socket = socket.create_connection(("127.0.0.1", client.port), timeout=timeout)
        self.file = self.socket.makefile("rb")
        lines = [f"GET /v2/events/stream{'?' + query if query else ''} HTTP/1.1", f"Host: 127.0.0.1:{client.port}",
                 "Accept: text/event-stream"]
        if client.key:
            lines.append(f"Authorization: Bearer {client.key}")
        lines += [f"{name}: {value}" for name, value in {**client.headers, **headers}.items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.status = int(self.file.readline().split()[1])
        self.headers = http.client.parse_headers(self.file)
        self.chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        self.buffer = b""

    def _more(self):
        if not self.chunked:
            piece = self.file.read1(65536)
        else:
            line = self.file.readline()
            size = int(line.split(b";")[0] or b"0", 16) if line else 0
            piece = self.file.read(size)
            self.file.readline()
        if not piece:
            raise StreamClosed()
        self.buffer += piece

    def raw(self):
        """The next block of fields, comments left out: {"id","event","data","retry"}, data joined."""
        while True:
            while b"\n\n" not in self.buffer:
                self._more()
            block, self.buffer = self.buffer.split(b"\n\n", 1)
            fields = {}
            for line in block.decode().split("\n"):
                name, _, value = line.partition(":")
                if name:
                    fields[name] = (fields[name] + "\n" if name == "data" and name in fields else "") + value.removeprefix(" ")
            if "data" in fields:
                return fields

    def control(self, name):
        """The next control event of this name; domain events before it are a failure."""
        fields = self.raw()
        while fields.get("event") == "position" and name != "position":
            fields = self.raw()
        if fields.get("event") != name:
            raise AssertionError(f"expected the control event {name}, got {fields}")
        return fields

    def next(self):
        """The next domain event as (id, CloudEvent); positions are passed over."""
        fields = self.raw()
        while fields.get("event") == "position":
            fields = self.raw()
        if "event" in fields:
            raise AssertionError(f"expected a domain event, got {fields}")
        return fields["id"], json.loads(fields["data"])

    def take(self, count):
        return [self.next() for _ in range(count)]

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
