"""A PostgreSQL 15 of our own with postgresql.conf of this folder, and the HTTP server in front of it.

The cluster lies under the benches' data, listens on a socket there only, and is stopped at the end.
PostgreSQL refuses to run as root, so root runs it as the user that Debian's package makes.
"""
import glob
import os
import shutil
import subprocess
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BINARIES = "/usr/lib/postgresql/15/bin"
MESSAGE_DB = "@eventide/message-db@1.3.1"


def missing():
    """Why this peer cannot be measured here, or nothing."""
    if not os.path.exists(f"{BINARIES}/initdb"):
        return "there is no PostgreSQL 15 (apt-get install postgresql-15 libpq-dev, then build the benches again)"
    return None


def can_store(store):
    """message-db comes from npm, which comes with Node.js from wherever the machine has that."""
    return store != "message_db" or shutil.which("npm") is not None


def message_db_package(cache):
    """The directory `database` of the npm package, fetched once by npm itself."""
    unpacked = os.path.join(cache, "message-db")
    if not os.path.exists(unpacked):
        os.makedirs(cache, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as fetched:
            subprocess.run(["npm", "pack", "--silent", MESSAGE_DB], cwd=fetched, check=True, stdout=subprocess.DEVNULL)
            with tarfile.open(glob.glob(fetched + "/*.tgz")[0]) as archive:
                archive.extractall(fetched, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(fetched)
            shutil.move(os.path.join(fetched, "package"), unpacked)
    return os.path.join(unpacked, "database")


class Cluster:
    """A running database server with one database per store."""

    def __init__(self, parent, cache):
        self.directory = tempfile.mkdtemp(prefix="postgres-", dir=parent)
        self.cache = cache
        self.owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        self.process = None

    def __enter__(self):
        if self.owner:
            os.chmod(os.path.dirname(self.directory), 0o755)
            shutil.chown(self.directory, "postgres", "postgres")
        data = os.path.join(self.directory, "data")
        subprocess.run([*self.owner, f"{BINARIES}/initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8",
                        "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd=self.directory)
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen([*self.owner, f"{BINARIES}/postgres", "-D", data, "-k", self.directory,
                                             "-c", f"config_file={HERE}/postgresql.conf",
                                             "-c", f"hba_file={data}/pg_hba.conf"],
                                            stdout=log, stderr=log, cwd=self.directory)
        self.wait_ready()
        return self

    def wait_ready(self):
        for _ in range(300):
            if subprocess.run([f"{BINARIES}/pg_isready", "-q", "-h", self.directory], check=False).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        with open(os.path.join(self.directory, "log"), encoding="utf-8") as log:
            raise RuntimeError("PostgreSQL did not start:\n" + log.read()[-2000:])

    def __exit__(self, *_):
        self.process.terminate()  # a smart shutdown waits for clients; they are gone
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def address(self, database):
        return f"host={self.directory} user=postgres dbname={database}"

    def sql(self, database, text):
        """Runs statements; the last one's rows as text."""
        return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.address(database)],
                              input=text, capture_output=True, text=True, check=True).stdout.strip()

    def create(self, store):
        """A fresh database for the store; its name."""
        name = f"{store}_{time.monotonic_ns()}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        if store == "message_db":
            # install.sh of the package would also make the database; it leaves roles, which outlive it.
            subprocess.run(["bash", "install.sh"], cwd=message_db_package(self.cache), check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env={**os.environ, "DATABASE_NAME": name, "PGHOST": self.directory,
                                                           "PGUSER": "postgres", "CREATE_DATABASE": "off"})
        else:
            with open(f"{HERE}/event_table.sql", encoding="utf-8") as file:
                self.sql(name, file.read())
        return name

    def count(self, database, store):
        return int(self.sql(database, f"SELECT count(*) FROM {'message_store.messages' if store == 'message_db' else 'events'}"))

    def processes(self):
        """The ids of the server and of everything it started."""
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [self.process.pid, *map(int, children.stdout.split())]


class Front:
    """postgres_http over a fresh database of a cluster."""

    def __init__(self, program, cluster, store, backends=16, categories=1):
        from harness import free_port
        self.cluster, self.store = cluster, store
        self.database = cluster.create(store)
        self.port = free_port()
        self.process = subprocess.Popen([program, "--port", str(self.port), "--database", cluster.address(self.database),
                                         "--store", store, "--backends", str(backends), "--categories", str(categories)])
        wait_for_port(self.port, self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def count(self):
        return self.cluster.count(self.database, self.store)

    def processes(self):
        return [self.process.pid, *self.cluster.processes()]


def wait_for_port(port, process):
    import socket
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nobody listens on port {port}")
