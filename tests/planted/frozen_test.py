# TIMEOUT 120
"""A frozen organization: a build whose fold cannot apply an event freezes that organization's product
and nothing else, says so, and a fixed build goes on by itself. The broken build is this one with the
planted fault refuse_to_fold_deletions."""
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness import ServerTest, run, tidemark  # noqa: E402


class Frozen(ServerTest):
    def start(self, environment, with_rows=True):
        """Another build starts on the same data."""
        if not with_rows:
            shutil.rmtree(os.path.join(self.server.data, "rows"))
        self.server.environment = environment
        self.server.start()

    def test_only_that_organizations_product_stands_still_until_a_fixed_build_comes(self):
        product = self.declare_files()
        path = f"/v2/products/{product}/file"
        other = self.server.organization("Other")
        for client in (self.acme, other):
            for name in ("a", "b"):
                client.post(f"{path}/{name}/events", {"events": [{"type": "file.added", "data": {"n": name}}]}, expect=201)
        self.acme.post(f"{path}/a/events", {"events": [{"type": "file.deleted", "data": {}}]}, expect=201)
        self.acme.post(f"{path}/b/events", {"events": [{"type": "file.modified", "data": {"m": 1}}]}, expect=201)
        project = self.project()
        self.server.stop()
        whole = tidemark("projections", "hash", "--data", self.server.data).stdout

        self.start({"PLANTED_FAULT": "refuse_to_fold_deletions"}, with_rows=False)
        with self.subTest("readiness lists it and stays 200"):
            frozen = self.acme.get("/readyz")["frozen"]
            self.assertEqual([(f["organization_id"], f["space"], f["product"]) for f in frozen],
                             [(self.acme.organization, "live", product)])
            self.assertIn("file.deleted", frozen[0]["reason"])
        with self.subTest("its reads and writes answer a problem that names the event"):
            self.problem(self.acme.get(path, expect=503), "projection-frozen", detail="file.deleted")
            refused = self.acme.post(f"{path}/c/events", {"events": [{"type": "file.added", "data": {}}]}, expect=503)
            self.problem(refused, "projection-frozen", detail="evt_")
            self.assertTrue(refused.headers["Retry-After"])
        with self.subTest("everything else goes on"):
            self.assertEqual(self.acme.get(f"/v2/projects/{project['id']}")["slug"], project["slug"])
            self.project()
            self.assertEqual(sorted(row["entity"] for row in other.pages(path)), ["a", "b"])
            other.post(f"{path}/c/events", {"events": [{"type": "file.added", "data": {}}]}, expect=201)
        self.server.stop()

        self.start({})
        with self.subTest("a fixed build goes on by itself"):
            self.assertEqual(self.acme.get("/readyz")["frozen"], [])
            rows = list(self.acme.pages(path))
            self.assertEqual([(row["entity"], row["version"], row["state"]) for row in rows], [("b", 2, {"n": "b", "m": 1})])
            self.acme.post(f"{path}/c/events", {"events": [{"type": "file.added", "data": {}}]}, expect=201)
        self.server.stop()
        thawed = tidemark("projections", "hash", "--data", self.server.data).stdout
        tidemark("projections", "rebuild", "--data", self.server.data)
        self.assertEqual(tidemark("projections", "hash", "--data", self.server.data).stdout, thawed)
        self.assertNotEqual(thawed, whole)


if __name__ == "__main__":
    run()
