# TIMEOUT 120
"""The list of events: API.md, "Events". Its stream is in stream_test.py."""
import time
from urllib.parse import quote

from harness import ServerTest, run


class Events(ServerTest):
    def setUp(self):
        self.owner = self.server.organization("Owner")

    def test_shape(self):
        made = self.owner.post("/v2/projects", {"name": "Web shop", "slug": "web-shop"},
                               headers={"X-Request-Id": "r-1", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
        event = self.owner.events("type=project.*")[0]
        self.assertEqual({**event, "id": "", "time": "", "recordedtime": "", "mark": "", "correlationid": ""}, {
            "specversion": "1.0", "id": "", "source": "/products/projects", "type": "project.created", "subject": made["id"], "time": "",
            "datacontenttype": "application/json", "organization": self.owner.organization, "space": "live", "kind": "project",
            "entityversion": 1, "recordedtime": "", "actor": self.owner.key_id, "correlationid": "",
            "traceparent": event["traceparent"], "mark": "", "data": {"name": "Web shop", "slug": "web-shop"}})
        self.assert_id("evt", event["id"])
        for name in ("time", "recordedtime"):
            self.assert_time(event[name])
        self.assertIn("4bf92f3577b34da6a3ce929d0e0e4736", event["traceparent"])
        self.assertTrue(event["correlationid"])
        self.assert_mark(event["mark"])
        self.assertEqual(self.owner.get(f"/v2/projects/{made['id']}?as_of={event['mark']}").json, made.json)

    def test_pages_lead_through_all_once_and_in_order(self):
        ids = [self.owner.post("/v2/projects", {"name": f"P{n}"})["id"] for n in range(12)]
        for limit in (1, 5, 12, 1000):
            after, seen = "beginning", []
            for _ in range(50):
                page = self.owner.get(f"/v2/events?after={after}&limit={limit}&type=project.*").json
                seen += [event["subject"] for event in page["data"]]
                after = page["next"]
                if page["caught_up"]:
                    break
            self.assertEqual(seen, ids, limit)
        self.assertEqual(self.owner.get(f"/v2/events?after={after}").json["data"], [])
        late = self.owner.post("/v2/projects", {"name": "late"})["id"]
        self.assertEqual([event["subject"] for event in self.owner.get(f"/v2/events?after={after}").json["data"]], [late])

    def test_next_moves_past_what_the_filter_drops(self):
        for n in range(5):
            self.owner.post("/v2/projects", {"name": f"P{n}"})
        page = self.owner.get("/v2/events?after=beginning&type=project.deleted").json
        self.assertEqual((page["data"], page["caught_up"]), ([], True))
        self.assertEqual(self.owner.get(f"/v2/events?after={page['next']}").json["data"], [])

    def test_filters(self):
        product = self.declare_files()
        project = self.owner.post("/v2/projects", {"name": "P"})["id"]
        self.owner.patch(f"/v2/projects/{project}", {"name": "Q"})
        self.owner.post(f"/v2/products/{product}/events", {"events": [{"kind": "file", "entity": "a/b", "type": "file.added", "data": {}}]})

        def types(query):
            return [event["type"] for event in self.owner.events(query)]

        self.assertEqual(types("type=project.*"), ["project.created", "project.changed"])
        self.assertEqual(types("type=project.created"), ["project.created"])
        self.assertEqual(sorted(types("type=project.created&type=file.*")), ["file.added", "project.created"])
        self.assertEqual(types(f"product={product}"), ["file.added"])
        self.assertEqual(types("kind=file"), ["file.added"])
        self.assertEqual(types("subject=a%2Fb"), ["file.added"])
        self.assertEqual(types(f"subject={project}"), ["project.created", "project.changed"])
        self.assertEqual(types("product=projects&kind=file"), [])
        self.assertIn("key.created", types(""))

    def test_a_condition_in_cel(self):
        product = self.declare_files()
        files = [{"kind": "file", "entity": f"src/{n}.cpp", "type": "file.added", "data": {"size": n, "tags": ["hot"] * (n % 3)}} for n in range(40)]
        self.owner.post(f"/v2/products/{product}/events", {"events": files})

        def sizes(condition, more=""):
            return [event["data"]["size"] for event in self.owner.events(f"filter={quote(condition)}{more}")]

        self.assertEqual(sizes("event.data.size >= 37"), [37, 38, 39])
        self.assertEqual(sizes("event.type == 'file.added' && event.data.size % 20.0 == 7.0"), [], "% takes no doubles")
        self.assertEqual(sizes("has(event.data.size) && event.data.size % 20 == 7"), [7, 27])
        self.assertEqual(sizes("event.subject.matches('/1[0-2][.]') && size(event.data.tags) > 0"), [10, 11])
        self.assertEqual(sizes("event.data.tags.exists(t, t == 'hot') && event.data.size < 5"), [1, 2, 4])
        self.assertEqual(sizes("timestamp(event.recordedtime) > timestamp('2026-01-01T00:00:00Z') && event.data.size < 2"), [0, 1])
        self.assertEqual(sizes("true", f"&product={product}"), list(range(40)))
        self.assertEqual(sizes("event.data.size < 3", "&type=project.*"), [])
        self.assertEqual(sizes("has(event.mark)"), [], "a mark is the reader's place, no part of the event")
        self.assertEqual(self.owner.events(f"filter={quote('event.colour == 7')}"), [])
        self.assertEqual(self.owner.events(f"filter={quote('event.data')}"), [])
        page = self.owner.get(f"/v2/events?order=desc&limit=2&filter={quote('event.data.size % 2 == 0')}")
        self.assertEqual([event["data"]["size"] for event in page["data"]], [38, 36])
        rest = self.owner.get(f"/v2/events?order=desc&limit=2&after={page['next']}&filter={quote('event.data.size % 2 == 0')}")
        self.assertEqual([event["data"]["size"] for event in rest["data"]], [34, 32])

    def test_a_condition_that_costs_much_takes_pages_and_not_time(self):
        product = self.declare_files()
        data = {"list": list(range(150))}
        files = [{"kind": "file", "entity": str(n), "type": "file.added", "data": data} for n in range(400)]
        self.owner.post(f"/v2/products/{product}/events", {"events": files})
        costly = quote("has(event.data.list) && event.data.list.all(a, event.data.list.exists(b, b == a && b < 30) || a >= 30)")
        page = self.owner.get(f"/v2/events?after=beginning&limit=1000&type=file.*&filter={costly}")
        self.assertFalse(page["caught_up"])
        self.assertLess(len(page["data"]), 400)
        over = quote("event.data.list.all(a, event.data.list.all(b, event.data.list.all(c, true)))")
        self.assertEqual(self.owner.events(f"type=file.*&filter={over}"), [], "more than an event may cost")

    def test_wrong_conditions(self):
        for condition, detail in (("event.data.size >", "ends too early"), ("size > 3", "nothing is called 'size'"),
                                  ("event.type.startswith('x')", "no method 'startswith'"), ("event.a.matches('(')", "regular expression"),
                                  ("", "ends too early"), ("1 + 1", "is int whatever"), ("(" * 200, "too deep")):
            for path in ("/v2/events", "/v2/events/stream"):
                refused = self.owner.get(f"{path}?filter={quote(condition)}", expect=400)
                self.problem(refused, "invalid-parameter", parameter="filter", detail=detail)

    def test_order_descending(self):
        for n in range(7):
            self.owner.post("/v2/projects", {"name": f"P{n}"})
        rising = [event["id"] for event in self.owner.events("type=project.*")]
        page = self.owner.get("/v2/events?type=project.*&order=desc&limit=1000").json
        self.assertEqual([event["id"] for event in page["data"]], rising[::-1])

    def test_from_is_inclusive_and_to_exclusive(self):
        for n in range(5):
            self.owner.post("/v2/projects", {"name": f"P{n}"})
            time.sleep(0.005)
        events = self.owner.events("type=project.*")
        at = [event["recordedtime"] for event in events]
        self.assertEqual([e["id"] for e in self.owner.events(f"type=project.*&from={at[1]}&to={at[3]}")], [events[1]["id"], events[2]["id"]])
        marks = [event["mark"] for event in events]
        self.assertEqual([e["id"] for e in self.owner.events(f"type=project.*&from={marks[1]}&to={marks[3]}")], [events[1]["id"], events[2]["id"]])

    def test_a_mark_may_stand_inside_a_record(self):
        product = self.declare_files()
        self.owner.post(f"/v2/products/{product}/events",
                        {"events": [{"kind": "file", "entity": f"f{n}", "type": "file.added", "data": {}} for n in range(5)]})
        events = self.owner.events(f"product={product}")
        self.assertEqual(len({event["mark"] for event in events}), 5)
        rest = self.owner.get(f"/v2/events?product={product}&after={events[1]['mark']}").json["data"]
        self.assertEqual([event["subject"] for event in rest], ["f2", "f3", "f4"])

    def test_of_another_organization_none(self):
        self.owner.post("/v2/projects", {"name": "P"})
        self.assertEqual({event["organization"] for event in self.acme.events()}, {self.acme.organization})

    def test_wrong_parameters(self):
        for query, name in [("limit=0", "limit"), ("limit=1001", "limit"), ("order=up", "order"), ("from=x", "from"), ("to=x", "to"),
                            ("colour=red", "colour"), ("type=", "type"), ("type=*x", "type")]:
            with self.subTest(query=query):
                self.problem(self.owner.get(f"/v2/events?after=beginning&{query}", expect=400), "invalid-parameter", parameter=name)
        for after in ("now", "x", "", "2026-11-21T07:00:00Z"):
            self.problem(self.owner.get(f"/v2/events?after={after}", expect=400), "invalid-parameter", parameter="after", detail="beginning or a mark")
        self.problem(self.owner.get("/v2/events?after=tm1_x", expect=400), "foreign-mark", parameter="after")
        for products in ("product=nothing", "product=projects&product=nothing"):
            self.problem(self.owner.get(f"/v2/events?{products}", expect=400), "invalid-parameter", parameter="product")

    def test_keys_and_organizations_have_events_of_their_own(self):
        key = self.server.key(self.owner.organization)
        path = f"/v2/auth/keys/{key.key_id}"
        within = self.platform.with_headers(Tidemark_Organization=self.owner.organization)
        within.delete(path)
        self.assertEqual([event["type"] for event in within.get(f"{path}/events")["data"]], ["key.created", "key.revoked"])
        organization = self.platform.get(f"/v2/organizations/{self.owner.organization}/events")["data"]
        self.assertEqual([event["type"] for event in organization], ["organization.created"])
        self.assertNotIn(key.key, str(within.events()))


if __name__ == "__main__":
    run()
