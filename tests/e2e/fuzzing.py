"""What schemathesis is told of a server: a module of hooks that `st run` loads (SCHEMATHESIS_HOOKS).

A fuzzer alone is answered 400 and 404 only. So most of what it made up is exchanged for what is there: ids in the path,
marks and cursors, headers, and bodies that the server would take. A request that ends something (a deletion, a
suspension) leaves the next ones without it, so everything is made anew behind it. FUZZING names a file that says where
the server is and who asks; FUZZING_ANSWERS one that is given the answers, counted: {operation: {status: number}}.
"""
import atexit
import collections
import json
import os
import secrets
import zlib

import schemathesis

from client import Client
from harness import PROJECT_FILES, ServerTest

ENDS = {"suspend_organization", "revoke_key", "rotate_key", "delete_project", "archive_project", "delete_environment",
        "remove_member", "delete_secret", "delete_endpoint", "delete_retry_policy", "pause_endpoint", "delete_environment_secret", "delete_resource"}
KNOWN_HEADERS = {"tidemark", "tidemark-organization", "tidemark-space", "prefer", "idempotency-key", "if-match", "if-none-match"}
TIME = "2026-01-01T00:00:00Z"


def unique(word):
    """As the harness has it, which counts in another process."""
    return f"{word}-{secrets.token_hex(6)}"


class World:
    """One of everything; what is made anew keeps the place of what was there."""

    def __init__(self):
        with open(os.environ["FUZZING"], encoding="utf-8") as file:
            told = json.load(file)
        self.caller, self.organization, self.product = told["caller"], told["organization"], unique("git")
        self.platform = Client(told["port"], told["platform"])
        self.within = self.platform.with_headers(Tidemark_Organization=self.organization)
        self.kinds = {provisioner: unique(provisioner) for provisioner in ("none", "external")}
        self.changing_kind, self.changing_product = unique("changing"), unique("changing")
        for provisioner, kind in (*self.kinds.items(), ("none", self.changing_kind)):
            self.platform.put(f"/v2/resource-kinds/{kind}", {"provisioner": provisioner})
            self.within.put(f"/v2/quotas/{kind}", {"count": 1_000_000, "units": 1_000_000})
        self.pulled = self.within.post("/v2/webhooks/endpoints", {"kind": "pull", "types": ["endpoint.tested"]})["id"]
        self.paused = self.within.post("/v2/webhooks/endpoints", {"url": "http://127.0.0.1:9/paused"})["id"]
        self.within.post(f"/v2/webhooks/endpoints/{self.paused}/pause")
        self.replay = None
        self.pipeline = None
        self.mark, self.event_mark = None, None
        self.cursors, self.hooks = {}, {}
        self.platform.put(f"/v2/products/{self.product}", PROJECT_FILES)
        self.make()
        self.within.post(f"/v2/products/{self.product}/events", self.body_of("append_events"))

    def make(self):
        self.ids = {"organization_id": self.organization, "user_id": "ann", "environment": "staging", "secret": "TOKEN",
                    "product": self.product, "entity": "file", "name": "not-found",
                    "project_id": self.within.post("/v2/projects", {"name": "Fuzzed"})["id"], "key_id": self.key()}
        place = f"/v2/projects/{self.ids['project_id']}"
        for user in ("ann", "bob"):
            self.within.put(f"{place}/members/{user}", {"role": "owner"})
        self.within.patch(f"{place}/settings", {"theme": "dark"})
        self.within.patch(f"{place}/environments/staging/settings", {"theme": "light"})
        for inner in ("", "/environments/staging"):
            self.within.put(f"{place}{inner}/secrets/TOKEN", {"value": "hidden"})
        self.ids["resource_id"] = self.resource("none")
        if not self.hooks or any(self.within.get(path, expect="any").status != 200 for path in self.hooks):
            endpoint, _, delivery = ServerTest.delivery(None, self.within, unique("hook"))
            for row in list(self.within.pages("/v2/webhooks/retry-policies")):  # those that were made up: there may be a hundred
                self.within.request("DELETE", f"/v2/webhooks/retry-policies/{row['id']}", expect="any")
            policy = self.within.post("/v2/webhooks/retry-policies", {"name": "unused", "delays_seconds": [1]})["id"]
            self.hooks = {f"/v2/webhooks/endpoints/{endpoint}": endpoint, f"/v2/webhooks/retry-policies/{policy}": policy,
                          f"/v2/webhooks/deliveries/{delivery}": delivery}
        self.replay = self.replay or self.waiting_replay()
        self.ids["replay_id"] = self.replay
        self.ids["endpoint_id"], self.ids["retry_policy_id"], self.ids["delivery_id"] = self.hooks.values()
        if not self.pipeline or self.within.get(f"/v2/pipelines/{self.pipeline}", expect="any").status != 200:
            self.pipeline = ServerTest.idle_pipeline(None, self.within, self.paused)
        self.ids["pipeline_id"] = self.pipeline
        self.within.post(f"/v2/webhooks/endpoints/{self.ids['endpoint_id']}/resume", {})
        self.mark = self.within.get("/v2/projects").mark
        self.event_mark = self.within.get("/v2/events?after=beginning&limit=1")["data"][0]["mark"]

    def key(self):
        return self.within.post("/v2/auth/keys", {"name": unique("key"), "permissions": ["projects:read"]})["id"]

    def resource(self, provisioner):
        return self.within.post("/v2/resources", self.new_resource(provisioner))["id"]

    def new_resource(self, provisioner):
        return {"project_id": self.ids["project_id"], "environment": "production", "kind": self.kinds[provisioner],
                "name": unique("resource"), "units": 1}

    def before(self, operation):
        """What an operation needs to succeed, besides what is there always; ids that differ for it."""
        if operation == "restore_project":
            other = self.within.post("/v2/projects", {"name": "Other"})["id"]
            self.within.post(f"/v2/projects/{other}/archive")
            return {"project_id": other}
        if operation == "declare_product":
            return {"product": self.changing_product}
        if operation == "report_resource":
            return {"resource_id": self.resource("external")}
        if operation in ("suspend_organization", "resume_organization"):
            other = self.platform.post("/v2/organizations", {"name": "Other", "slug": unique("other")})["id"]
            if operation == "resume_organization":
                self.platform.post(f"/v2/organizations/{other}/suspend")
            return {"organization_id": other}
        if operation in ("lease_deliveries", "ack_deliveries", "nack_deliveries", "extend_leases"):
            self.within.post(f"/v2/webhooks/endpoints/{self.pulled}/test")
            return {"endpoint_id": self.pulled}
        if operation in ("pause_replay", "resume_replay", "cancel_replay"):
            self.within.post(f"/v2/replays/{self.replay}/cancel", expect="any")
            self.replay = self.waiting_replay()
            return {"replay_id": self.replay}
        return {}

    def waiting_replay(self):
        return ServerTest.waiting_replay(None, self.within, self.paused)

    def path_of(self, case):
        """Ids of the path, by the parameter's name; a kind is one of resources or of the declared product."""
        of_resources = case.path.startswith(("/v2/quotas", "/v2/resource-kinds"))
        ids = {**self.ids, "kind": self.changing_kind if of_resources else "file", **self.before(name_of(case))}
        return {name: ids[name] for name in case.path_parameters or {}}

    def query_of(self, case, made_up):
        """The parameters that were made up, with values that are taken; those that cannot be known are left out."""
        good = {"at_least": self.mark, "as_of": self.mark, "fields": "id,version", "cursor": self.cursors.get(name_of(case)),
                "project_id": self.ids["project_id"], "from": self.event_mark, "to": self.mark, "month": "2026-01",
                "endpoint_id": self.ids["endpoint_id"], "replay_id": self.ids["replay_id"], "pipeline_id": self.ids["pipeline_id"], "after": self.event_mark, "version": 1, "type": "project.*",
                "environment": "production", "entity": "file"}
        given = {name: good.get(name, value) for name, value in made_up.items()}
        if name_of(case) == "diff_project":
            given |= {"from": self.event_mark, "to": self.mark}
        return {name: value for name, value in given.items() if value not in (None, "") and not name.startswith("/")}

    def body_of(self, operation):
        """A body that is taken; None where what the description says of it is enough."""
        event = {"type": "file.added", "data": {"project_id": self.ids["project_id"], "size": 1}}
        line = {"events": [{**event, "kind": "file", "entity": "file"}]}
        return {
            "create_organization": {"name": "Other", "slug": unique("other")}, "change_organization": {"name": unique("Changed")},
            "create_key": {"name": "other", "permissions": ["projects:read"]}, "rotate_key": {"overlap_seconds": 60},
            "create_project": {"name": "Other"}, "change_project": {"name": unique("Changed")},
            "create_environment": {"name": unique("environment")}, "put_member": {"role": "admin"},
            "change_settings": {"theme": unique("theme")}, "change_environment_settings": {"theme": unique("theme")},
            "put_secret": {"value": "other"}, "put_environment_secret": {"value": "other"},
            "reveal_secret": {}, "reveal_environment_secret": {"version": 1},
            "put_resource_kind": {"provisioner": "external"}, "put_quota": {"count": 1_000_000, "units": 1_000_000},
            "create_resource": self.new_resource("none"), "change_resource": {"spec": {"size": unique("size")}},
            "scale_resource": {"units": 2}, "report_resource": {"state": "active", "observed_version": 1},
            "report_health": {"health": "degraded"},
            "record_cost": {"amount": "1.00", "currency": "EUR", "from": TIME, "to": "2026-01-02T00:00:00Z"},
            "create_endpoint": {"url": "http://127.0.0.1:9/hook"}, "change_endpoint": {"types": [unique("type")]}, "resume_endpoint": {},
            "lease_deliveries": {"wait_seconds": 5}, **{what: {"deliveries": [self.ids["delivery_id"]]} for what in ("ack_deliveries", "nack_deliveries", "extend_leases")},
            "rotate_endpoint_secret": {"overlap_seconds": 60}, "resend_deliveries": {"endpoint_id": self.ids["endpoint_id"], "state": "failing"},
            "replay_to_endpoint": {"from": "beginning", "filter": "false"},
            "request_replay": {"from": "beginning", "filter": "false", "sink": {"endpoint_id": self.ids["endpoint_id"]}},
            "create_pipeline": {"name": "other", "source": {"types": ["nothing.at_all"]}, "sink": {"endpoint_id": self.ids["endpoint_id"]}},
            "change_pipeline": {"name": unique("Changed")}, "resume_pipeline": {}, "dry_run_pipeline": {"change": {"condition": "true"}},
            "create_retry_policy": {"name": "other", "delays_seconds": [1, 2]}, "change_retry_policy": {"jitter": 0.5},
            "declare_product": PROJECT_FILES, "dry_run_product": PROJECT_FILES,
            "append_events": line, "append_entity_events": {"events": [event]},
        }.get(operation)


def name_of(case):
    return case.operation.definition.raw["operationId"]


world = World()
counted = collections.defaultdict(collections.Counter)


def chance(case, part):
    """A number below 8 that is the same for the same case: what a failure is reduced to stays the same."""
    seen = repr((part, case.path_parameters, case.query, case.headers, case.body))
    return zlib.crc32(seen.encode("utf-8", "surrogatepass")) % 8


def shall_succeed(case):
    """Every other request, until one of the operation has succeeded, is all good."""
    answers = counted[name_of(case)]
    succeeded = any(status < 300 for status in answers)
    return case.method == case.operation.method.upper() and not succeeded and answers.total() % 2 == 0


@schemathesis.hook
def before_call(context, case, **options):
    succeed = shall_succeed(case)
    known = {part: succeed or chance(case, part) < 6 for part in ("path", "query", "headers", "body")}
    if case.path_parameters and known["path"]:
        case.path_parameters = world.path_of(case)
    if known["query"]:
        case.query = world.query_of(case, {} if succeed else case.query or {})
    headers = {} if succeed else dict(case.headers or {})
    if known["headers"]:
        headers = {name: value for name, value in headers.items() if name.lower() not in KNOWN_HEADERS}
        if world.caller == "platform":
            headers["Tidemark-Organization"] = world.organization
    case.headers = headers
    body = world.body_of(name_of(case))
    if body is not None and known["body"] and (succeed or chance(case, "whole body") < 4):
        lines = case.media_type == "application/x-ndjson"
        case.body = "".join(json.dumps({**body, "idempotency_key": unique("line")}) + "\n" for _ in range(3)) if lines else body
    if not succeed and name_of(case) == "lease_deliveries" and isinstance(case.body, dict) and case.body.get("wait_seconds") in range(2, 21):
        case.body = {**case.body, "wait_seconds": 1}  # the fuzzer has a minute for everything


@schemathesis.hook
def after_call(context, case, response):
    operation = name_of(case)
    counted[operation][response.status_code] += 1
    if response.status_code >= 300:
        return
    if operation in ENDS:
        world.make()
    if operation.startswith("list_") and response.status_code == 200:
        world.cursors[operation] = response.json().get("next_cursor")


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return {"data": value.encode() if isinstance(value, str) else json.dumps(value).encode()}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A caller who asks for some members by ?fields= is not given the others, which no schema can say."""
    return not (isinstance(failure, schemathesis.openapi.checks.JsonSchemaError) and (case.query or {}).get("fields"))


@atexit.register
def tell():
    with open(os.environ["FUZZING_ANSWERS"], "w", encoding="utf-8") as file:
        json.dump(counted, file)
