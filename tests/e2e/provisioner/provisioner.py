"""A provisioner of real PostgreSQL databases: an example, whole, with Python's standard library only.

    TIDEMARK_KEY=le_live_… PGHOST=… PGPORT=… PGUSER=… \\
        python3 provisioner.py --url http://127.0.0.1:8080 --kind postgres --mark mark.txt

A resource becomes a database of the resource's name; its units are the connections that it takes. The key
needs resources:read, resources:report and events:read.

It may be killed anywhere. Three rules make that harmless:
- A database is named by its resource, so to make it twice is to find it there.
- What is to be done is read from the resource, never from the event: events say only where to look. The mark
  is written behind what was done, and everything is looked at once at a start.
- A report names the version that was acted on. Said twice it changes nothing; too late it is refused as
  stale, and the resource is looked at again.
"""
import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

PREFIX = "tm_"
PAUSE_SECONDS = 0.3  # before the server is asked again, when it was not there
QUIET_SECONDS = 1.0  # without events: time to look after health


class Gone(Exception):
    """The server is not there, or closed the stream: begin anew."""


class Refused(Exception):
    def __init__(self, status, problem):
        super().__init__(f"{status} {problem}")
        self.status, self.type = status, problem.get("type", "")


class Tidemark:
    """The few requests that a provisioner makes."""

    def __init__(self, url, key):
        self.address, self.headers = urlsplit(url), {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.connection = None

    def ask(self, method, path, body=None):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=10)
            self.connection.request(method, path, None if body is None else json.dumps(body), self.headers)
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as failure:
            self.close()
            raise Gone(str(failure)) from failure
        if answer.status in (429, 503):
            raise Gone(f"{answer.status}: try again")
        if answer.status >= 400:
            raise Refused(answer.status, json.loads(content))
        return json.loads(content), answer.headers["Tidemark"]

    def resources(self, kind):
        """Every resource of the kind, and a mark from which on to follow."""
        found, cursor, first_mark = [], "", None
        while True:
            page, mark = self.ask("GET", f"/v2/resources?kind={kind}&limit=1000{cursor}")
            first_mark = first_mark or mark
            found += page["data"]
            if page["next_cursor"] is None:
                return found, first_mark
            cursor = f"&cursor={page['next_cursor']}"

    def follow(self, mark):
        """(mark, event) of every event of a resource from the mark on; (None, None) when it is quiet."""
        try:
            stream = socket.create_connection((self.address.hostname, self.address.port), timeout=QUIET_SECONDS)
        except OSError as failure:
            raise Gone(str(failure)) from failure
        with stream:
            head = [f"GET /v2/events/stream?type=resource.*&after={mark} HTTP/1.0", "Accept: text/event-stream",
                    f"Host: {self.address.netloc}", f"Authorization: {self.headers['Authorization']}"]
            buffer = b""
            try:
                stream.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
                while True:
                    try:
                        piece = stream.recv(65536)
                    except TimeoutError:
                        yield None, None
                        continue
                    if not piece:
                        raise Gone("the stream ended")
                    buffer = (buffer + piece).replace(b"\r\n", b"\n")
                    *blocks, buffer = buffer.split(b"\n\n")
                    for block in blocks:
                        fields = dict(line.split(": ", 1) for line in block.decode(errors="replace").split("\n") if ": " in line)
                        if fields.get("event") == "closing":
                            raise Gone("the stream closes")
                        if "data" in fields and "event" not in fields:
                            yield fields["id"], json.loads(fields["data"])
            except OSError as failure:
                raise Gone(str(failure)) from failure

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Databases:
    """PostgreSQL by psql, which reads PGHOST, PGPORT and PGUSER from the environment."""

    def sql(self, statement, database="postgres"):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement],
                              capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.split("\n")

    def names(self):
        """name -> connections allowed, of those that are ours."""
        rows = self.sql(f"select datname || ' ' || datconnlimit from pg_database where datname like '{PREFIX}%'")
        return {name: int(limit) for name, limit in (row.split() for row in rows if row)}

    def make(self, name, connections):
        if name not in self.names():
            self.sql(f'create database "{name}"')
        self.sql(f'alter database "{name}" connection limit {connections}')

    def remove(self, name):
        self.sql(f'drop database if exists "{name}" with (force)')

    def answers(self, name):
        try:
            return self.sql("select 1", name)[0] == "1"
        except (RuntimeError, subprocess.TimeoutExpired):
            return False


class Provisioner:
    def __init__(self, tidemark, databases, kind, mark_file):
        self.tidemark, self.databases, self.kind, self.mark_file = tidemark, databases, kind, mark_file

    def run(self):
        while True:
            try:
                self.follow(self.look())
            except Gone:
                time.sleep(PAUSE_SECONDS)
            except (Refused, RuntimeError, subprocess.TimeoutExpired) as failure:
                # A killed one's statement may still run beside ours, a resource change under our eyes: look again.
                print(failure, file=sys.stderr, flush=True)
                time.sleep(PAUSE_SECONDS)

    def look(self):
        """Everything once: what was asked for meanwhile, and what is left over. The mark to follow from."""
        resources, mark = self.tidemark.resources(self.kind)
        for resource in resources:
            self.act(resource)
        for name in self.databases.names():
            self.act_on(name.removeprefix(PREFIX))
        return self.read_mark() or mark

    def follow(self, mark):
        for mark, event in self.tidemark.follow(mark):
            if event is None:
                self.look_after_health()
            else:
                self.act_on(event["subject"])
                self.write_mark(mark)

    def act_on(self, resource_id):
        try:
            resource, _ = self.tidemark.ask("GET", f"/v2/resources/{resource_id}")
        except Refused as refused:
            if refused.status != 404:
                raise
            self.databases.remove(PREFIX + resource_id)  # its end was reported, or it is nobody's
            return
        if resource["kind"] == self.kind:
            self.act(resource)

    def act(self, resource):
        name, state = PREFIX + resource["id"], resource["state"]
        if state in ("provisioning", "scaling"):
            self.databases.make(name, resource["requested_units"])
            self.report(resource, "active", outputs={"database": name, "host": os.environ["PGHOST"], "port": int(os.environ["PGPORT"])})
        elif state == "deprovisioning":
            self.databases.remove(name)
            self.report(resource, "deprovisioned")

    def report(self, resource, state, **more):
        try:
            self.tidemark.ask("POST", f"/v2/resources/{resource['id']}/reports",
                              {"state": state, "observed_version": resource["version"], **more})
        except Refused as refused:
            if refused.type in ("/problems/stale-report", "/problems/invalid-transition"):
                self.act_on(resource["id"])  # something else was asked for meanwhile
            elif refused.status != 404:
                raise

    def look_after_health(self):
        resources, _ = self.tidemark.resources(self.kind)
        for resource in resources:
            if resource["state"] != "active":
                continue
            health = "healthy" if self.databases.answers(PREFIX + resource["id"]) else "unhealthy"
            if health != resource["health"]:
                self.tidemark.ask("POST", f"/v2/resources/{resource['id']}/health", {"health": health})

    def read_mark(self):
        try:
            with open(self.mark_file, encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            return None

    def write_mark(self, mark):
        """Whole or not at all; one that is too old only means more to look at."""
        with open(self.mark_file + ".next", "w", encoding="ascii") as file:
            file.write(mark)
        os.replace(self.mark_file + ".next", self.mark_file)


def main():
    parser = argparse.ArgumentParser(description="Makes, scales and removes PostgreSQL databases as Tidemark asks.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--mark", required=True, help="file that keeps how far events were followed")
    options = parser.parse_args()
    Provisioner(Tidemark(options.url, os.environ["TIDEMARK_KEY"]), Databases(), options.kind, options.mark).run()


if __name__ == "__main__":
    sys.exit(main())
