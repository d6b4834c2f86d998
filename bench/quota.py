"""How many resources can one organization ask for in a second under a quota?

Method: wrk keeps 64 connections of one organization busy with POST /v2/resources of a kind that has a
quota, next to POST /v2/projects of the same organization in the same rounds. What the quota counts is
held against the answers, and so is that it cannot be passed.
"""
from figures import Figure
from load import CONNECTIONS, Wrk, http_request, serving
from create import requests_for

QUOTA = 100_000_000


def resources(server, client, path, body, seconds):
    """One run of wrk; every answer is counted by the quota, and nothing else but what was under way."""
    before = client.get(path)["used_count"]
    run = Wrk(server, [http_request("POST", "/v2/resources", client.key, body)], seconds)
    counted = client.get(path)["used_count"] - before
    if not run.requests <= counted <= run.requests + CONNECTIONS:
        raise RuntimeError(f"wrk saw {run.requests} answers, but the quota counts {counted}")
    return run


def measure(options):
    with serving() as server:
        client, path = server.organization(), "/v2/quotas/postgres"
        server.platform.put("/v2/resource-kinds/postgres", {"provisioner": "external", "unit_cost": {"amount": "0.02", "currency": "EUR", "per": "hour"}})
        within = server.platform.with_headers(Tidemark_Organization=client.organization)
        within.put(path, {"count": QUOTA, "units": QUOTA})
        project = client.post("/v2/projects", {"name": "Web shop"})["id"]
        body = f'{{"project_id":"{project}","environment":"production","kind":"postgres","name":"main @@@@@@@@@@","units":1}}'
        resources(server, client, path, body, 1)
        guarded, plain = [], []
        for turn in range(options.rounds):
            plain.append(Wrk(server, requests_for([client], f"{turn}"), options.seconds))
            guarded.append(resources(server, client, path, body, options.seconds))
        used = client.get(path)["used_count"]
        within.put(path, {"count": used + 1, "units": QUOTA})
        made = [client.post("/v2/resources", {"project_id": project, "environment": "production", "kind": "postgres", "name": "last", "units": 1}, expect="any").status
                for _ in range(2)]
        if made != [202, 409]:
            raise RuntimeError(f"the last one and one more than the quota were answered {made}")
    yield Figure("resources under a quota, 1 organization", "/s", [run.rate for run in guarded], [run.rate for run in plain], "create project",
                 at_least=1_000, note=f"server CPU {guarded[0].cpu:.0f} us each, of a project {plain[0].cpu:.0f} us")
    yield Figure("resources under a quota, p99", "ms", [run.p99 for run in guarded], note=f"p50 {guarded[0].p50:.1f} ms")
