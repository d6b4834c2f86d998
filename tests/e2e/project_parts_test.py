# TIMEOUT 120
"""What belongs to a project: environments, members, settings. API.md, "Projects"."""
from client import NO_BODY
from harness import ServerTest, run, unique

STARTING = ["development", "production", "staging"]


class ProjectParts(ServerTest):
    def setUp(self):
        made = self.project()
        self.id, self.path = made["id"], f"/v2/projects/{made['id']}"

    def names(self, path="", **options):
        return [environment["name"] for environment in self.acme.get(f"{self.path}/environments{path}", **options)["data"]]

    def subjects(self, kind):
        return [(event["type"], event["subject"], event["entityversion"]) for event in self.acme.events(f"kind={kind}")
                if event["subject"].startswith(self.id)]

    # ---- environments ----

    def test_three_environments_exist_from_the_start(self):
        self.assertEqual(self.names(), STARTING)
        one = self.acme.get(f"{self.path}/environments/staging")
        self.assertEqual((one["project_id"], one["name"], one["version"], one.etag), (self.id, "staging", 1, '"1"'))
        self.assert_time(one["created_at"])

    def test_an_environment_of_ones_own(self):
        made = self.acme.post(f"{self.path}/environments", {"name": "qa"}, expect=201)
        self.assertEqual(made.headers["Location"], f"{self.path}/environments/qa")
        self.assertEqual((made["name"], made["version"], made.etag), ("qa", 1, '"1"'))
        self.assertEqual(self.acme.get(made.headers["Location"]).json, made.json)
        self.problem(self.acme.post(f"{self.path}/environments", {"name": "qa"}, expect=409), "slug-taken", pointer="/name")
        self.problem(self.acme.post(f"{self.path}/environments", {"name": "Q A"}, expect=422), "invalid-request", pointer="/name")
        self.acme.delete(made.headers["Location"], headers={"If-Match": '"1"'}, expect=204)
        self.problem(self.acme.get(made.headers["Location"], expect=404), "not-found")
        self.problem(self.acme.delete(made.headers["Location"], expect=404), "not-found")
        self.assertEqual(self.names(), STARTING)
        self.assertEqual(self.names(f"?as_of={made.mark}"), sorted([*STARTING, "qa"]))
        self.assertEqual(self.subjects("environment"), [("environment.created", f"{self.id}/environments/qa", 1),
                                                        ("environment.deleted", f"{self.id}/environments/qa", 2)])

    def test_environments_come_in_pages(self):
        first = self.acme.get(f"{self.path}/environments?limit=2")
        rest = self.acme.get(f"{self.path}/environments?limit=2&cursor={first['next_cursor']}")
        self.assertEqual([one["name"] for one in first["data"] + rest["data"]], STARTING)
        self.assertIsNone(rest["next_cursor"])
        self.assertEqual(self.names("?order=desc"), STARTING[::-1])

    # ---- what became of it ----

    def changes(self, query, client=None):
        answer = (client or self.acme).get(f"{self.path}/diff?{query}")
        self.assertFalse(answer["truncated"])
        return answer, [(one["kind"], one["subject"].removeprefix(self.id), one["change"]) for one in answer["changes"]]

    def test_what_became_of_a_project_between_two_moments(self):
        begun = self.acme.put(f"{self.path}/members/ann", {"role": "owner"}).mark
        self.acme.put(f"{self.path}/secrets/OLD", {"value": "x"})
        self.acme.patch(self.path, {"name": "Renamed"})
        self.acme.patch(f"{self.path}/settings", {"a": 1})
        self.acme.delete(f"{self.path}/environments/staging")
        middle = self.acme.put(f"{self.path}/members/ann", {"role": "owner"}).mark
        self.acme.patch(f"{self.path}/settings", {"a": 2})
        answer, seen = self.changes(f"from={begun}&to={middle}")
        self.assertEqual(seen, [("project", "", "changed"), ("environment", "/environments/staging", "deleted"), ("settings", "/settings", "created"),
                                ("secret", "/secrets/OLD", "created")])
        project, environment, settings, secret = answer["changes"]
        self.assertEqual((project["from"]["version"], project["to"]["name"], environment["to"], settings["to"], secret["to"]["name"]),
                         (1, "Renamed", None, {"a": 1}, "OLD"))
        self.assertNotIn("value", secret["to"])
        self.assertEqual(self.changes(f"from={middle}")[1], [("settings", "/settings", "changed")])
        self.assertEqual(self.changes(f"from={middle}&to={middle}")[1], [])
        self.assertEqual(self.changes(f"from={answer['from']}&to={answer['to']}")[0].json, answer.json)
        self.acme.delete(self.path)
        self.assertIn(("project", "", "deleted"), self.changes(f"from={middle}")[1])

    def test_a_diff_shows_what_its_reader_may_read(self):
        begun = self.acme.get(self.path).mark
        self.acme.patch(f"{self.path}/settings", {"a": 1})
        self.acme.put(f"{self.path}/secrets/OLD", {"value": "x"})
        self.acme.put(f"{self.path}/members/ann", {"role": "owner"})
        self.assertEqual(len(self.changes(f"from={begun}")[1]), 3)
        some = self.server.key(self.acme.organization, ["projects:read", "members:read"])
        self.assertEqual([kind for kind, _, _ in self.changes(f"from={begun}", some)[1]], ["member"])

    def test_a_diff_that_cannot_be(self):
        mark = self.acme.get(self.path).mark
        later = self.acme.patch(self.path, {"name": "Renamed"}).mark
        self.assertEqual(len(self.changes("")[1]), 4)
        for query in (f"from={later}&to={mark}", "from=yesterday", f"from={mark}&to=x"):
            self.problem(self.acme.get(f"{self.path}/diff?{query}", expect=400), "invalid-parameter")
        self.problem(self.acme.get(f"{self.path}/diff?from=2999-01-01T00:00:00Z", expect=400), "as-of-in-future")
        self.problem(self.acme.get("/v2/projects/proj_01h2xcejqtf2nbrexx3vqjhp41/diff?from=" + mark, expect=404), "not-found")

    # ---- members ----

    def test_members_and_the_last_owner(self):
        ann, bob = f"{self.path}/members/user_ann", f"{self.path}/members/bob%2Fb%C3%B6b@acme.example"
        made = self.acme.put(ann, {"role": "owner"}, expect=201)
        self.assertEqual((made["user_id"], made["role"], made["version"]), ("user_ann", "owner", 1))
        self.assertIn("members:write", made["permissions"])
        self.assertEqual(self.acme.put(ann, {"role": "owner"}, expect=200)["version"], 1)
        self.problem(self.acme.put(ann, {"role": "admin"}, expect=409), "last-owner")
        self.problem(self.acme.delete(ann, expect=409), "last-owner")
        self.assertEqual(self.acme.put(bob, {"role": "viewer"}, expect=201)["user_id"], "bob/böb@acme.example")
        changed = self.acme.put(bob, {"role": "owner"}, headers={"If-Match": '"1"'}, expect=200)
        self.assertEqual((changed["version"], changed.etag), (2, '"2"'))
        self.acme.delete(ann, expect=204)
        self.assertEqual([member["user_id"] for member in self.acme.get(f"{self.path}/members")["data"]], ["bob/böb@acme.example"])
        self.problem(self.acme.put(bob, {"role": "boss"}, expect=422), "invalid-request", pointer="/role")
        self.assertEqual([type for type, subject, _ in self.subjects("member") if "ann" in subject], ["member.added", "member.removed"])
        again = self.acme.put(ann, {"role": "viewer"}, expect=201)
        self.assertEqual((again["version"], again.headers["Location"]), (3, ann))

    def test_what_is_asked_twice_is_answered_as_the_first_time(self):
        for method, path, body, status in (("PUT", "/members/ann", {"role": "owner"}, 201), ("PATCH", "/settings", {"a": 1}, 200),
                                           ("PUT", "/members/bob", {"role": "owner"}, 201), ("PUT", "/members/ann", {"role": "admin"}, 200),
                                           ("POST", "/environments", {"name": "qa"}, 201), ("DELETE", "/environments/qa", NO_BODY, 204)):
            with self.subTest(method=method, path=path):
                headers = {"Idempotency-Key": unique("key")}
                first, second = (self.acme.request(method, self.path + path, body, headers=headers, expect=status) for _ in range(2))
                self.assertEqual((second.body, second.etag, second.headers["Idempotent-Replayed"]), (first.body, first.etag, "true"))

    def test_a_role_holds_what_the_one_below_it_holds(self):
        held = []
        for role in ("viewer", "member", "admin", "owner"):
            held.append(set(self.acme.put(f"{self.path}/members/{role}", {"role": role}, expect=201)["permissions"]))
        for lower, higher in zip(held, held[1:]):
            self.assertLess(lower, higher)

    # ---- settings ----

    def test_settings_are_merged(self):
        path = f"{self.path}/settings"
        self.assertEqual((self.acme.get(path).json, self.acme.get(path).etag), ({}, '"0"'))
        for nothing in ({}, {"a": None}, NO_BODY):
            answer = self.acme.patch(path, nothing, expect=200)
            self.assertEqual((answer.json, answer.etag), ({}, '"0"'))
        self.problem(self.acme.patch(path, {"a": 1, **{f"{number:0400}": None for number in range(700)}}, expect=422), "invalid-request", pointer="")
        set_ = self.acme.patch(path, {"theme": "dark", "limits": {"a": 1, "b": 2}}, expect=200)
        self.assertEqual((set_.json, set_.etag), ({"theme": "dark", "limits": {"a": 1, "b": 2}}, '"1"'))
        self.assertEqual(self.acme.patch(path, {"theme": "dark"}, expect=200).etag, '"1"')
        changed = self.acme.patch(path, {"theme": None, "limits": {"a": 3}}, headers={"If-Match": '"1"'}, expect=200)
        self.assertEqual((changed.json, changed.etag), ({"limits": {"a": 3, "b": 2}}, '"2"'))
        self.assertEqual(self.acme.get(f"{path}?as_of={set_.mark}").json, set_.json)
        self.problem(self.acme.patch(path, {"a": 1}, headers={"If-Match": '"1"'}, expect=412), "precondition-failed")
        self.problem(self.acme.patch(path, {"l": "x" * (256 << 10)}, expect=422), "invalid-request", detail="262144")
        self.assertEqual(self.acme.get(path).json, changed.json)

    def test_settings_of_an_environment_over_those_of_the_project(self):
        self.acme.patch(f"{self.path}/settings", {"theme": "dark", "limits": {"a": 1, "b": 2}})
        path = f"{self.path}/environments/staging/settings"
        self.acme.patch(path, {"limits": {"b": 5}, "debug": True})
        self.assertEqual(self.acme.get(path).json, {"limits": {"b": 5}, "debug": True})
        self.assertEqual(self.acme.get(f"{path}?effective=true").json, {"theme": "dark", "limits": {"a": 1, "b": 5}, "debug": True})
        self.problem(self.acme.get(f"{path}?effective=perhaps", expect=400), "invalid-parameter", parameter="effective")
        self.acme.delete(f"{self.path}/environments/staging", expect=204)
        self.problem(self.acme.get(path, expect=404), "not-found")
        self.acme.post(f"{self.path}/environments", {"name": "staging"}, expect=201)
        self.assertEqual(self.acme.get(path).json, {})

    # ---- all of them ----

    def parts(self):
        return (("GET", "/environments", NO_BODY), ("GET", "/environments/staging", NO_BODY), ("DELETE", "/environments/staging", NO_BODY),
                ("POST", "/environments", {"name": "x"}), ("GET", "/members", NO_BODY), ("PUT", "/members/ann", {"role": "owner"}),
                ("DELETE", "/members/ann", NO_BODY), ("GET", "/settings", NO_BODY), ("PATCH", "/settings", {"a": 1}),
                ("GET", "/environments/staging/settings", NO_BODY), ("PATCH", "/environments/staging/settings", {"a": 1}))

    def test_an_archived_projects_things_are_read_only(self):
        self.acme.post(f"{self.path}/archive")
        for method, path, body in self.parts():
            with self.subTest(method=method, path=path):
                answer = self.acme.request(method, self.path + path, body, expect="any")
                if method == "GET":
                    self.assertEqual(answer.status, 200, answer)
                else:
                    self.problem(answer, "invalid-transition")

    def test_a_deleted_projects_things_are_gone(self):
        before = self.acme.patch(f"{self.path}/settings", {"a": 1}).mark
        self.acme.delete(self.path, expect=204)
        for method, path, body in self.parts():
            with self.subTest(method=method, path=path):
                self.problem(self.acme.request(method, self.path + path, body, expect=404), "not-found")
        self.assertEqual(self.acme.get(f"{self.path}/settings?as_of={before}").json, {"a": 1})
        self.assertEqual(self.names(f"?as_of={before}"), STARTING)

    def test_a_key_of_other_projects_sees_none_of_it(self):
        other = self.project()
        restricted = self.server.key(self.acme.organization, projects=[other["id"]])
        for method, path, body in self.parts():
            with self.subTest(method=method, path=path):
                self.problem(restricted.request(method, self.path + path, body, expect=404), "not-found")
        self.acme.patch(f"{self.path}/settings", {"mine": 1})
        restricted.patch(f"/v2/projects/{other['id']}/settings", {"a": 1}, expect=200)
        self.assertEqual({event["subject"].split("/")[0] for event in restricted.events()}, {other["id"]})

    def test_each_family_has_a_permission_of_its_own(self):
        for family, path in (("projects", "/environments"), ("members", "/members"), ("settings", "/settings")):
            others = [f"{other}:*" for other in ("projects", "members", "settings", "events") if other != family]
            answer = self.server.key(self.acme.organization, permissions=others).get(self.path + path, expect=403)
            self.assertEqual(self.problem(answer, "forbidden")["permission"], f"{family}:read")
            self.server.key(self.acme.organization, permissions=[f"{family}:read"]).get(self.path + path, expect=200)


if __name__ == "__main__":
    run()
