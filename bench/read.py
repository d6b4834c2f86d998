"""What does a read cost over HTTP, next to the same server's empty reply?

Method: wrk, 64 connections, against an organization with some ten thousand projects: single projects
in turn over a thousand ids, pages of a list over forty cursors, and single projects as of a mark that
lies before their last change. Reads name no mark, so each reflects everything durable when it came.
"""
from create import create
from figures import Figure
from load import Wrk, empty_reply, http_request, serving

ENTITIES = 1000
PAGES = 40
CHANGED = 100


def prepare(server):
    """(name, requests) of each kind of read."""
    client = server.organization()
    create(server, [client], "project", 1)
    ids, pages, cursor = [], [], None
    while len(pages) < PAGES and (cursor or not pages):
        pages.append("/v2/projects?limit=50" + (f"&cursor={cursor}" if cursor else ""))
        answer = client.get(pages[-1])
        ids += [project["id"] for project in answer["data"]]
        cursor = answer["next_cursor"]
    mark = client.get(f"/v2/projects/{ids[0]}").mark
    for entity in ids[:CHANGED]:
        client.patch(f"/v2/projects/{entity}", {"name": "Renamed"})
    paths = {"read one entity": [f"/v2/projects/{entity}" for entity in ids[:ENTITIES]],
             "list, 50 a page": pages,
             "read one entity as of a mark": [f"/v2/projects/{entity}?as_of={mark}" for entity in ids[:CHANGED]]}
    return {name: [http_request("GET", path, client.key) for path in some] for name, some in paths.items()}


def measure(options):
    with serving() as server:
        kinds = prepare(server)
        runs = {name: [] for name in kinds}
        empty = []
        for _ in range(options.rounds):
            empty.append(empty_reply(server, options.seconds))
            for name, requests in kinds.items():
                runs[name].append(Wrk(server, requests, options.seconds))
    for name, some in runs.items():
        yield Figure(name, "/s", [run.rate for run in some], [run.rate for run in empty], "GET /healthz",
                     share_at_least=0.6 if name == "read one entity" else None,
                     note=f"p99 {some[0].p99:.1f} ms, {some[0].bytes_each:.0f} bytes each, server CPU {some[0].cpu:.0f} us each")
