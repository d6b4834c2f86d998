# TIMEOUT 120
"""Resources, kinds, quotas and costs over HTTP. API.md, "Resources"."""
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from client import NO_BODY
from harness import ServerTest, run, unique

PRICE = {"amount": "0.02", "currency": "EUR", "per": "hour"}


class Resources(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.within = cls.platform.with_headers(Tidemark_Organization=cls.acme.organization)

    def setUp(self):
        self.made, self.there = unique("postgres"), unique("cache")
        self.kind(self.made, "external")
        self.kind(self.there, "none")
        self.project_id = self.project()["id"]

    def kind(self, name, provisioner, unit_cost=PRICE):
        return self.platform.put(f"/v2/resource-kinds/{name}", {"provisioner": provisioner, "unit_cost": unit_cost}, expect=201)

    def body(self, kind, **members):
        return {"project_id": self.project_id, "environment": "production", "kind": kind, "name": "main", "units": 4, **members}

    def create(self, kind, expect=None, **members):
        return self.acme.post("/v2/resources", self.body(kind, **members), expect=expect)

    def report(self, resource, state, observed, expect=200, **members):
        return self.acme.post(f"/v2/resources/{resource}/reports", {"state": state, "observed_version": observed, **members}, expect=expect)

    # ---- kinds ----

    def test_kinds_are_the_platforms(self):
        name = unique("kind")
        made = self.kind(name, "none", None)
        self.assertEqual((made["kind"], made["provisioner"], made["unit_cost"], made["version"], made.etag), (name, "none", None, 1, '"1"'))
        again = self.platform.put(f"/v2/resource-kinds/{name}", {"provisioner": "none"}, expect=200)
        self.assertEqual(again["version"], 1)
        changed = self.platform.put(f"/v2/resource-kinds/{name}", {"provisioner": "external", "unit_cost": PRICE}, expect=200)
        self.assertEqual((changed["version"], changed["unit_cost"]), (2, PRICE))
        self.assertEqual(self.acme.get(f"/v2/resource-kinds/{name}").json, changed.json)
        self.assertIn(name, [kind["kind"] for kind in self.acme.pages("/v2/resource-kinds")])
        self.assertEqual([event["type"] for event in self.acme.get(f"/v2/resource-kinds/{name}/events")["data"]], ["resource_kind.changed"] * 2)
        self.problem(self.acme.put(f"/v2/resource-kinds/{name}", {"provisioner": "none"}, expect=403), "forbidden")
        for amount in ("0.0000000001", "1e3", "-1", "1000001", "01", "1.", ".5", ""):
            answer = self.platform.put(f"/v2/resource-kinds/{name}", {"provisioner": "none", "unit_cost": {**PRICE, "amount": amount}}, expect=422)
            self.problem(answer, "invalid-request", pointer="/unit_cost/amount")
        self.problem(self.platform.put(f"/v2/resource-kinds/{name}", {"provisioner": "none", "unit_cost": {**PRICE, "currency": "euro"}}, expect=422),
                     "invalid-request", pointer="/unit_cost/currency")

    # ---- the life of a resource ----

    def test_a_provisioner_makes_it(self):
        made = self.create(self.made, expect=202, spec={"size": "small"})
        path = made.headers["Location"]
        self.assert_id("res", made["id"])
        self.assertEqual({name: made[name] for name in ("state", "health", "units", "requested_units", "outputs", "version", "spec", "project_id", "kind")},
                         {"state": "provisioning", "health": "unknown", "units": 0, "requested_units": 4, "outputs": {}, "version": 1, "spec": {"size": "small"},
                          "project_id": self.project_id, "kind": self.made})
        self.assertEqual(self.acme.get(path).json, made.json)
        active = self.report(made["id"], "active", 1, outputs={"host": "db1"}, detail="made")
        self.assertEqual((active["state"], active["units"], active["outputs"], active["detail"], active["version"]), ("active", 4, {"host": "db1"}, "made", 2))
        self.assertEqual(self.report(made["id"], "active", 1, outputs={"host": "db1"})["version"], 2)
        self.assertEqual(self.problem(self.report(made["id"], "failed", 1, expect=409), "stale-report")["current_version"], 2)
        scaling = self.acme.post(f"{path}/scale", {"units": 8}, expect=202)
        self.assertEqual((scaling["state"], scaling["units"], scaling["requested_units"]), ("scaling", 4, 8))
        self.problem(self.acme.post(f"{path}/scale", {"units": 9}, expect=409), "invalid-transition")
        scaled = self.report(made["id"], "active", 3)
        self.assertEqual((scaled["state"], scaled["units"], scaled["outputs"]), ("active", 8, {"host": "db1"}))
        self.assertEqual(self.acme.patch(path, {"spec": {"size": None, "disk": 1}}, expect=200)["spec"], {"disk": 1})
        self.assertEqual(self.acme.patch(path, {}, expect=200)["version"], 5)
        self.assertEqual(self.acme.delete(path, expect=202)["state"], "deprovisioning")
        gone = self.report(made["id"], "deprovisioned", 6)
        self.assertEqual((gone["state"], gone["version"]), ("deprovisioned", 7))
        self.assertEqual(self.report(made["id"], "deprovisioned", 6).json, gone.json)
        self.problem(self.acme.get(path, expect=404), "not-found")
        self.problem(self.acme.delete(path, expect=404), "not-found")
        self.assertEqual(self.acme.get(f"{path}?as_of={scaled.mark}").json, scaled.json)
        events = self.acme.get(f"{path}/events")["data"]
        self.assertEqual([event["type"].split(".")[1] for event in events],
                         ["requested", "activated", "scale_requested", "scaled", "configured", "deprovision_requested", "deprovisioned"])
        self.assertEqual({event["data"]["project_id"] for event in events}, {self.project_id})
        self.assertEqual(events[1]["data"], {"project_id": self.project_id, "observed_version": 1, "outputs": {"host": "db1"}, "detail": "made"})

    def test_without_a_provisioner_all_is_at_once(self):
        made = self.create(self.there, expect=201)
        self.assertEqual((made["state"], made["units"], made["version"]), ("active", 4, 2))
        path = f"/v2/resources/{made['id']}"
        self.assertEqual(self.acme.post(f"{path}/scale", {"units": 6}, expect=200)["units"], 6)
        self.acme.delete(path, expect=204)
        self.problem(self.acme.get(path, expect=404), "not-found")

    def test_what_is_asked_twice_is_answered_as_the_first_time(self):
        headers = {"Idempotency-Key": unique("key")}
        first, second = (self.acme.post("/v2/resources", self.body(self.made), headers=headers, expect=202) for _ in range(2))
        self.assertEqual((second.body, second.headers["Idempotent-Replayed"]), (first.body, "true"))

    def test_lists_and_filters(self):
        made = [self.create(self.made)["id"] for _ in range(2)]
        there = self.create(self.there)["id"]
        ids = sorted([*made, there])  # ids of one millisecond are in no order
        other = self.project()["id"]
        elsewhere = self.create(self.there, project_id=other, environment="staging")["id"]
        listed = lambda query, **options: [one["id"] for one in self.acme.pages(f"/v2/resources?{query}", **options)]
        self.assertEqual(listed(f"project_id={self.project_id}"), ids)
        self.assertEqual(listed(f"project_id={self.project_id}&order=desc", limit=2), ids[::-1])
        self.assertEqual(listed(f"project_id={self.project_id}&kind={self.made}", limit=1), sorted(made))
        self.assertEqual(listed(f"project_id={self.project_id}&project_id={other}&state=active"), sorted([there, elsewhere]))
        self.assertEqual(listed(f"project_id={other}&environment=staging"), [elsewhere])
        self.assertEqual(listed(f"project_id={other}&environment=production"), [])
        mark = self.acme.get("/v2/resources").mark
        self.acme.delete(f"/v2/resources/{there}", expect=204)
        self.assertEqual(listed(f"project_id={self.project_id}"), sorted(made))
        self.assertEqual(listed(f"project_id={self.project_id}&as_of={mark}"), ids)
        self.problem(self.acme.get("/v2/resources?project_id=zzz", expect=400), "invalid-parameter", parameter="project_id")
        self.problem(self.acme.get("/v2/resources?state=deprovisioned", expect=400), "invalid-parameter", parameter="state")

    def test_what_a_request_names_must_be_there(self):
        for members, pointer in (({"project_id": "proj_01h2xcejqtf2nbrexx3vqjhp41"}, "/project_id"), ({"project_id": "x"}, "/project_id"),
                                 ({"environment": "nowhere"}, "/environment"), ({"kind": "nothing"}, "/kind")):
            with self.subTest(**members):
                answer = self.acme.post("/v2/resources", {**self.body(self.made), **members}, expect=404)
                self.problem(answer, "not-found", pointer=pointer)
        for members, pointer in (({"units": 0}, "/units"), ({"units": 1.5}, "/units"), ({"spec": []}, "/spec"), ({"spec": {"a": "x" * 70000}}, "/spec"),
                                 ({"name": ""}, "/name"), ({"kind": "Two Words"}, "/kind")):
            with self.subTest(**{name: str(value)[:20] for name, value in members.items()}):
                answer = self.acme.post("/v2/resources", {**self.body(self.made), **members}, expect=422)
                self.problem(answer, "invalid-request", pointer=pointer)

    def test_an_environment_with_resources_is_in_use(self):
        path = f"/v2/projects/{self.project_id}/environments/production"
        resource = self.create(self.there)["id"]
        self.problem(self.acme.delete(path, expect=409), "in-use")
        self.acme.delete(f"/v2/resources/{resource}", expect=204)
        self.acme.delete(path, expect=204)

    # ---- quotas ----

    def test_quotas_are_set_by_the_platform(self):
        path = f"/v2/quotas/{self.there}"
        made = self.within.put(path, {"count": 2, "units": 10}, expect=201)
        self.assertEqual({name: made[name] for name in ("kind", "count", "units", "used_count", "used_units")},
                         {"kind": self.there, "count": 2, "units": 10, "used_count": 0, "used_units": 0})
        self.create(self.there, units=7)
        over = self.problem(self.create(self.there, expect=409, units=4), "over-quota", detail="7 of 10 units")
        self.assertEqual((over["units"], over["used_units"], over["count"], over["used_count"]), (10, 7, 2, 1))
        self.create(self.there, units=3)
        self.assertEqual(self.acme.get(path)["used_units"], 10)
        self.assertIn((self.there, 2, 10), [(quota["kind"], quota["used_count"], quota["used_units"]) for quota in self.acme.get("/v2/quotas")["data"]])
        self.assertEqual(self.acme.get(f"{path}?as_of={made.mark}")["used_units"], 0)
        self.assertEqual([event["type"] for event in self.acme.get(f"{path}/events")["data"]], ["quota.changed"])
        self.problem(self.acme.put(path, {"count": 9, "units": 9}, expect=403), "forbidden")
        self.problem(self.platform.put(path, {"count": 9, "units": 9}, expect=400), "organization-required")

    def test_sixty_four_at_once_do_not_pass_a_quota(self):
        self.within.put(f"/v2/quotas/{self.made}", {"count": 10, "units": 1000}, expect=201)
        def ask(_):
            return self.server.client(self.acme.key).post("/v2/resources", self.body(self.made), expect="any").status
        with ThreadPoolExecutor(64) as pool:
            statuses = sorted(pool.map(ask, range(64)))
        self.assertEqual(statuses, [202] * 10 + [409] * 54)
        self.assertEqual(self.acme.get(f"/v2/quotas/{self.made}")["used_count"], 10)

    # ---- health and costs ----

    def test_health_is_a_history(self):
        path = f"/v2/resources/{self.create(self.there)['id']}"
        for health, detail in (("healthy", None), ("healthy", None), ("degraded", "slow"), ("unhealthy", "down")):
            answer = self.acme.post(f"{path}/health", {"health": health, "detail": detail}, expect=200)
        self.assertEqual((answer["health"], answer["health_detail"], answer["version"]), ("unhealthy", "down", 5))
        history = list(self.acme.pages(f"{path}/health", limit=2))
        self.assertEqual([(entry["health"], entry["detail"], entry["version"]) for entry in history],
                         [("unhealthy", "down", 5), ("degraded", "slow", 4), ("healthy", None, 3)])
        self.problem(self.acme.post(f"{path}/health", {"health": "unknown"}, expect=422), "invalid-request", pointer="/health")

    def costs(self, query="", **options):
        return self.acme.get(f"/v2/projects/{self.project_id}/costs{query}", **options)

    def record(self, resource, amount, begin, end, currency="EUR", expect=200, **members):
        return self.acme.post(f"/v2/resources/{resource}/costs", {"amount": amount, "currency": currency, "from": begin, "to": end, **members}, expect=expect)

    def test_reported_costs_are_exact(self):
        one, two = (self.create(self.made)["id"] for _ in range(2))
        self.record(one, "12.3400", "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", note="disk")
        self.assertEqual(self.costs("?month=2026-10")["total"], [{"currency": "EUR", "amount": "12.3400"}])
        self.record(two, "0.1", "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z")
        self.record(two, "7", "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", currency="USD")
        self.record(two, "-0.005", "2026-10-05T00:00:00Z", "2026-10-05T00:00:00Z")
        found = self.costs("?month=2026-10")
        self.assertEqual(found["total"], [{"currency": "EUR", "amount": "12.4350"}, {"currency": "USD", "amount": "7"}])
        self.assertEqual(found["by_kind"], [{"kind": self.made, **total} for total in found["total"]])
        by_resource = [{"resource_id": one, "currency": "EUR", "amount": "12.3400"}, {"resource_id": two, "currency": "EUR", "amount": "0.095"},
                       {"resource_id": two, "currency": "USD", "amount": "7"}]
        self.assertEqual(found["by_resource"], sorted(by_resource, key=lambda entry: entry["resource_id"]))
        self.record(one, "3.00", "2026-08-31T00:00:00Z", "2026-09-03T00:00:00Z")
        self.assertEqual([self.costs(f"?month=2026-0{month}")["total"][0]["amount"] for month in (8, 9)], ["1.00", "2.00"])
        for amount in ("1e3", "12,5", "", "1.0123456789", "x"):
            self.problem(self.record(one, amount, "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", expect=422), "invalid-request", pointer="/amount")
        self.problem(self.record(one, "1", "2026-10-02T00:00:00Z", "2026-10-01T00:00:00Z", expect=422), "invalid-request", pointer="/to")
        self.problem(self.record(one, "1", "2025-10-02T00:00:00Z", "2026-10-08T00:00:00Z", expect=422), "invalid-request", pointer="/to")
        for month in ("2026-13", "2026", "26-10", "2026-1"):
            self.problem(self.costs(f"?month={month}", expect=400), "invalid-parameter", parameter="month")

    def test_metered_costs_are_price_times_units_times_time(self):
        made = self.create(self.there, units=1000)
        begun = self.acme.get(f"/v2/resources/{made['id']}/events")["data"][1]["recordedtime"]
        while (running := self.costs())["until"] <= begun:  # its first millisecond costs nothing yet
            pass
        self.assertEqual(running["total"][0]["amount"], self.expected(1000, begun, running["until"]))
        self.acme.delete(f"/v2/resources/{made['id']}", expect=204)
        ended = self.acme.get(f"/v2/resources/{made['id']}/events")["data"][-1]["recordedtime"]
        self.assertEqual(self.costs()["total"][0]["amount"], self.expected(1000, begun, ended))
        self.assertEqual(self.costs(f"?as_of={made.mark}")["total"], [])

    def expected(self, units, begin, end):
        """0.02 an hour, rounded half up to the billionth."""
        milliseconds = lambda text: int(Decimal(text[11:13]) * 3600000 + Decimal(text[14:16]) * 60000 + Decimal(text[17:23]) * 1000)
        billionths = 20_000_000 * units * (milliseconds(end) - milliseconds(begin))
        text = format(Decimal((2 * billionths + 3600000) // (2 * 3600000)).scaleb(-9), ".9f").rstrip("0")
        return text.rstrip(".")

    # ---- who may ----

    def test_a_key_of_other_projects_sees_none_of_it(self):
        mine, foreign = self.create(self.made)["id"], self.project()["id"]
        restricted = self.server.key(self.acme.organization, projects=[foreign])
        path = f"/v2/resources/{mine}"
        for method, where, body in (("GET", "", NO_BODY), ("PATCH", "", {"spec": {"a": 1}}), ("POST", "/scale", {"units": 5}), ("DELETE", "", NO_BODY), ("GET", "/events", NO_BODY),
                                    ("GET", "/health", NO_BODY), ("POST", "/health", {"health": "healthy"}), ("POST", "/reports", {"state": "active", "observed_version": 1}),
                                    ("POST", "/costs", {"amount": "1", "currency": "EUR", "from": "2026-10-02T00:00:00Z", "to": "2026-10-02T00:00:00Z"})):
            with self.subTest(method=method, where=where):
                self.problem(restricted.request(method, path + where, body, expect=404), "not-found")
        self.problem(restricted.get(f"/v2/projects/{self.project_id}/costs", expect=404), "not-found")
        self.problem(restricted.post("/v2/resources", self.body(self.made), expect=404), "not-found")
        self.assertEqual(restricted.get("/v2/resources")["data"], [])
        self.assertEqual(restricted.get("/v2/quotas")["data"], [])
        own = restricted.post("/v2/resources", self.body(self.made, project_id=foreign), expect=202)["id"]
        self.assertEqual([one["id"] for one in restricted.get("/v2/resources")["data"]], [own])
        self.assertEqual({event["subject"] for event in restricted.events("kind=resource")}, {own})
        self.assertEqual(len(restricted.get(f"/v2/resources/{own}/events")["data"]), 1)
        self.assertNotIn(mine, json.dumps(restricted.events()))

    def test_each_family_has_a_permission_of_its_own(self):
        resource = self.create(self.made)["id"]
        key = lambda *permissions: self.server.key(self.acme.organization, permissions=permissions)
        self.problem(key("resources:*").post(f"/v2/resources/{resource}/reports", {"state": "active", "observed_version": 1}, expect=403), "forbidden")
        key("resources:report").post(f"/v2/resources/{resource}/reports", {"state": "active", "observed_version": 1}, expect=200)
        self.problem(key("resources:*").get("/v2/quotas", expect=403), "forbidden")
        key("quotas:read").get("/v2/quotas", expect=200)
        self.problem(key("resources:report").get(f"/v2/resources/{resource}", expect=403), "forbidden")

    def test_an_archived_projects_resources_are_read_only(self):
        resource = self.create(self.made)["id"]
        self.acme.post(f"/v2/projects/{self.project_id}/archive")
        self.problem(self.create(self.made, expect=409), "invalid-transition")
        self.problem(self.acme.delete(f"/v2/resources/{resource}", expect=409), "invalid-transition")
        self.assertEqual(self.report(resource, "active", 1)["state"], "active")
        self.acme.get(f"/v2/resources/{resource}", expect=200)


if __name__ == "__main__":
    run()
