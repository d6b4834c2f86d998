# TIMEOUT 60
"""Live and test: an organization's data comes twice, and neither sees the other."""
from harness import ServerTest, run


class Spaces(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.trial = cls.server.key(cls.acme.organization, space="test")

    def test_projects(self):
        live, test = (client.post("/v2/projects", {"name": "P"})["id"] for client in (self.acme, self.trial))
        for client, mine, foreign in ((self.acme, live, test), (self.trial, test, live)):
            self.assertIn(mine, [project["id"] for project in client.pages("/v2/projects")])
            self.assertNotIn(foreign, [project["id"] for project in client.pages("/v2/projects")])
            for method, path, body in (("GET", "", {}), ("PATCH", "", {"name": "X"}), ("DELETE", "", {}), ("POST", "/archive", {}), ("GET", "/events", {})):
                self.problem(client.request(method, f"/v2/projects/{foreign}{path}", body, expect=404), "not-found")

    def test_declared_rows_and_their_versions(self):
        product = self.declare_files()
        path = f"/v2/products/{product}/file/a"
        body = {"events": [{"type": "file.added", "data": {"n": 1}}]}
        for _ in range(3):
            self.acme.post(f"{path}/events", body)
        self.problem(self.trial.get(path, expect=404), "not-found")
        self.assertEqual(self.trial.post(f"{path}/events", {**body, "expected_version": "no_stream"}, expect=201)["version"], 1)
        self.assertEqual(self.acme.get(path)["version"], 3)
        self.assertEqual(len(list(self.trial.pages(f"{path}/events"))), 1)

    def test_events(self):
        self.acme.post("/v2/projects", {"name": "Live"})
        self.trial.post("/v2/projects", {"name": "Test"})
        self.assertEqual({event["space"] for event in self.trial.events("type=project.*")}, {"test"})
        self.assertEqual({event["space"] for event in self.acme.events("type=project.*")}, {"live"})

    def test_keys(self):
        live, test = (set(key["id"] for key in client.pages("/v2/auth/keys")) for client in (self.acme, self.trial))
        self.assertIn(self.acme.key_id, live)
        self.assertIn(self.trial.key_id, test)
        self.assertFalse(live & test)
        self.problem(self.trial.get(f"/v2/auth/keys/{self.acme.key_id}", expect=404), "not-found")
        self.problem(self.trial.delete(f"/v2/auth/keys/{self.acme.key_id}", expect=404), "not-found")

    def test_who_asks_says_which(self):
        self.assertEqual(self.trial.get("/v2/auth/whoami")["space"], "test")
        self.assertEqual(self.acme.get("/v2/auth/whoami")["space"], "live")
        self.assertTrue(self.trial.key.startswith("le_test_"))

    def test_a_test_key_does_not_become_live_by_a_header(self):
        moved = self.trial.with_headers(Tidemark_Space="live")
        self.problem(moved.get("/v2/projects", expect=403), "forbidden")


if __name__ == "__main__":
    run()
