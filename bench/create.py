"""What does a durable create cost over HTTP, next to the same server's empty reply?

Method: wrk keeps 64 connections busy on the server's own cores, first with GET /healthz, then with
POST /v2/projects under names that were never used, of one organization and of 64. Every answer came
after its record was synced; the log's own count is held against wrk's.
"""
from figures import Figure
from load import CONNECTIONS, Wrk, empty_reply, http_request, metric, serving

ORGANIZATIONS = 64


def requests_for(clients, word):
    body = f'{{"name":"{word} @@@@@@@@@@"}}'
    return [http_request("POST", "/v2/projects", client.key, body) for client in clients]


def create(server, clients, word, seconds):
    """One run of wrk; `word` makes its names differ from every other run's."""
    before = metric(server, "tidemark_log_records")
    run = Wrk(server, requests_for(clients, word), seconds)
    written = metric(server, "tidemark_log_records") - before
    # What was under way when wrk stopped is written too, and a partition's first write is a claim.
    if not run.requests <= written <= run.requests + CONNECTIONS + len(clients):
        raise RuntimeError(f"wrk saw {run.requests} answers, but the log has {written:.0f} new records")
    return run


def figures(name, runs, empty, **targets):
    yield Figure(f"create, {name}", "/s", [run.rate for run in runs], [run.rate for run in empty], "GET /healthz",
                 note=f"{runs[0].per_commit:.0f} records a commit, server CPU {runs[0].cpu:.0f} us each, "
                      f"of GET /healthz {empty[0].cpu:.0f} us", **targets)
    yield Figure(f"create, {name}, p99", "ms", [run.p99 for run in runs], at_most=10 if targets else None,
                 note=f"p50 {runs[0].p50:.1f} ms, longest {runs[0].longest:.0f} ms")


def measure(options):
    with serving() as server:
        many = [server.organization() for _ in range(ORGANIZATIONS)]
        create(server, many, "warm up", 1)
        empty, one, spread = [], [], []
        for turn in range(options.rounds):
            empty.append(empty_reply(server, options.seconds))
            for runs, clients in ((one, many[:1]), (spread, many)):
                commits = metric(server, "tidemark_commit_batch_records_count")
                runs.append(create(server, clients, f"{turn} {len(clients)}", options.seconds))
                commits = metric(server, "tidemark_commit_batch_records_count") - commits
                runs[-1].per_commit = runs[-1].requests / commits
    yield from figures("1 organization", one, empty, at_least=20_000, share_at_least=0.3)
    yield from figures(f"{ORGANIZATIONS} organizations", spread, empty, at_least=20_000, share_at_least=0.3)
