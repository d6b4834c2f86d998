# TIMEOUT 120
"""Projects, from creation to deletion: API.md, "Projects"."""
from harness import ServerTest, run, unique

SLUG = r"^[a-z0-9](-?[a-z0-9])*$"


class Projects(ServerTest):
    def test_created_read_listed(self):
        made = self.acme.post("/v2/projects", {"name": "Web shop", "slug": "web-shop"}, expect=201)
        self.assertLessEqual({"id", "organization_id", "name", "slug", "state", "created_at", "updated_at", "version"}, set(made.json))
        self.assert_id("proj", made["id"])
        self.assertEqual((made["organization_id"], made["name"], made["slug"], made["state"], made["version"]),
                         (self.acme.organization, "Web shop", "web-shop", "active", 1))
        self.assert_time(made["created_at"])
        self.assertEqual(made["created_at"], made["updated_at"])
        self.assertEqual(made.headers["Location"], f"/v2/projects/{made['id']}")
        self.assertEqual(made.etag, '"1"')
        self.assert_mark(made.mark)
        read = self.acme.get(made.headers["Location"])
        self.assertEqual((read.json, read.etag), (made.json, '"1"'))
        self.assert_mark(read.mark)
        self.assertIn(made.json, list(self.acme.pages("/v2/projects")))

    def test_slug_is_made_from_the_name_with_a_suffix_when_taken(self):
        name = f"Büro  {unique('Grün')}!"
        first = self.acme.post("/v2/projects", {"name": name}, expect=201)["slug"]
        second = self.acme.post("/v2/projects", {"name": name}, expect=201)["slug"]
        self.assertRegex(first, SLUG)
        self.assertRegex(second, SLUG)
        self.assertNotEqual(first, second)
        self.assertTrue(second.startswith(first))
        self.assertRegex(self.acme.post("/v2/projects", {"name": "東京"}, expect=201)["slug"], SLUG)

    def test_slug_is_unique_per_organization_and_space(self):
        slug = unique("shop")
        self.project(slug=slug)
        self.problem(self.acme.post("/v2/projects", {"name": "B", "slug": slug}, expect=409), "slug-taken")
        other = self.server.organization("Other")
        other.post("/v2/projects", {"name": "B", "slug": slug}, expect=201)
        self.server.key(self.acme.organization, space="test").post("/v2/projects", {"name": "B", "slug": slug}, expect=201)
        moved = self.project()
        self.problem(self.acme.patch(f"/v2/projects/{moved['id']}", {"slug": slug}, expect=409), "slug-taken")

    def test_changed(self):
        made = self.project()
        path = f"/v2/projects/{made['id']}"
        changed = self.acme.patch(path, {"name": "Shop"}, expect=200)
        self.assertEqual((changed["name"], changed["slug"], changed["version"], changed.etag), ("Shop", made["slug"], 2, '"2"'))
        self.assertGreaterEqual(changed["updated_at"], made["updated_at"])
        self.assertEqual(changed["created_at"], made["created_at"])
        self.assertEqual(self.acme.get(path).json, changed.json)
        old = made["slug"]
        new = unique("moved")
        self.assertEqual(self.acme.patch(path, {"slug": new}, headers={"Content-Type": "application/merge-patch+json"})["slug"], new)
        self.project(slug=old)  # the old one is free again

    def test_change_that_changes_nothing(self):
        made = self.project()
        path = f"/v2/projects/{made['id']}"
        for body in ({}, {"name": made["name"]}, {"slug": made["slug"], "name": made["name"]}):
            same = self.acme.patch(path, body, expect=200)
            self.assertEqual(same.json, made.json)
        self.assertEqual(len(self.acme.get(f"{path}/events")["data"]), 1)

    def test_archived_and_restored(self):
        made = self.project()
        path = f"/v2/projects/{made['id']}"
        archived = self.acme.post(f"{path}/archive", expect=200)
        self.assertEqual((archived["state"], archived["version"]), ("archived", 2))
        self.problem(self.acme.post(f"{path}/archive", expect=409), "invalid-transition")
        restored = self.acme.post(f"{path}/restore", expect=200)
        self.assertEqual((restored["state"], restored["version"]), ("active", 3))
        self.problem(self.acme.post(f"{path}/restore", expect=409), "invalid-transition")

    def test_deleted(self):
        made = self.project()
        path = f"/v2/projects/{made['id']}"
        self.assertEqual(self.acme.delete(path, expect=204).body, b"")
        for answer in (self.acme.get(path, expect=404), self.acme.patch(path, {"name": "X"}, expect=404),
                       self.acme.post(f"{path}/archive", expect=404), self.acme.delete(path, expect=404)):
            self.problem(answer, "not-found")
        self.assertNotIn(made["id"], [project["id"] for project in self.acme.pages("/v2/projects")])
        self.project(slug=made["slug"])  # its slug is free again
        events = self.acme.get(f"{path}/events")["data"]
        self.assertEqual([event["type"] for event in events], ["project.created", "project.deleted"])
        self.assertEqual(self.acme.get(f"{path}?as_of={made.mark}").json, made.json)

    def test_events_of_one_project(self):
        made = self.project()
        path = f"/v2/projects/{made['id']}"
        self.acme.patch(path, {"name": "Two"})
        self.acme.post(f"{path}/archive")
        events = self.acme.get(f"{path}/events")["data"]
        self.assertEqual([(e["type"], e["entityversion"]) for e in events],
                         [("project.created", 1), ("project.changed", 2), ("project.archived", 3)])
        self.assertEqual(events[0]["data"], {"name": made["name"], "slug": made["slug"]})
        self.assertEqual([e["entityversion"] for e in self.acme.get(f"{path}/events?order=desc")["data"]], [3, 2, 1])
        self.assertEqual([e["entityversion"] for e in self.acme.get(f"{path}/events?after_version=1")["data"]], [2, 3])
        self.assertEqual([e["entityversion"] for e in self.acme.pages(f"{path}/events", limit=1)], [1, 2, 3])

    def test_wrong_bodies(self):
        for body, pointer in [({}, "/name"), ({"name": 5}, "/name"), ({"name": ""}, "/name"), ({"name": None}, "/name"),
                              ({"name": "A", "nam": 1}, "/nam"), ({"name": "A", "slug": "Not A Slug"}, "/slug"),
                              ({"name": "A", "slug": "-a"}, "/slug"), ({"name": "A", "slug": "a--b"}, "/slug"),
                              ({"name": "A", "slug": ""}, "/slug"), ({"name": "A", "slug": 7}, "/slug"),
                              ({"name": "x" * 10_000}, "/name"), ({"name": "A", "slug": "s" * 1000}, "/slug"), ([], ""), ("x", "")]:
            with self.subTest(body=str(body)[:60]):
                self.problem(self.acme.post("/v2/projects", body, expect=422), "invalid-request", pointer=pointer)

    def test_every_wrong_field_is_named(self):
        body = self.problem(self.acme.post("/v2/projects", {"name": 1, "slug": "NO", "nam": 2}, expect=422), "invalid-request")
        self.assertEqual({error["pointer"] for error in body["errors"]}, {"/name", "/slug", "/nam"})
        self.assertEqual(body["detail"], "3 fields are wrong")

    def test_ids_of_wrong_form_are_missing(self):
        for name in ("x", "proj_", "proj_01h2xcejqtf2nbrexx3vqjhp41", "proj_81h2xcejqtf2nbrexx3vqjhp41", "PROJ_01h2xcejqtf2nbrexx3vqjhp41",
                     self.acme.organization, "proj_01h2xcejqtf2nbrexx3vqjhp4I", "%00", "a%2Fb"):
            with self.subTest(name=name):
                self.problem(self.acme.get(f"/v2/projects/{name}", expect=404), "not-found")


if __name__ == "__main__":
    run()
