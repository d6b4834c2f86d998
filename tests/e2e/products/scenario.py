"""What the tests of the products share: a product declared from its file, written and read by its kinds."""
import json
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(FOLDER))

from harness import ServerTest, percent, run, unique  # noqa: E402,F401


class ProductTest(ServerTest):
    """`product` names the file; every test has a product of its own under another name, and a project."""

    product = None

    def setUp(self):
        if self.product is None:
            self.skipTest("what others build on")
        with open(os.path.join(FOLDER, f"{self.product}.json"), encoding="utf-8") as file:
            self.manifest = json.load(file)
        self.name = unique(self.product)
        self.server.declare(self.name, self.manifest)
        self.path = f"/v2/products/{self.name}"
        self.project_id = self.project()["id"]

    def write(self, *events, expect=201, **more):
        """Events as (entity, type, data); the type's first word is the kind."""
        return self.acme.post(f"{self.path}/events", {"events": [
            {"kind": kind.split(".")[0], "entity": entity, "type": kind, "data": data} for entity, kind, data in events], **more}, expect=expect)

    def refused(self, *events, name="invalid-request", status=422):
        """Pointers of what is wrong with these events."""
        problem = self.problem(self.write(*events, expect=status), name)
        return [error["pointer"] for error in problem.get("errors", [])]

    def entities(self, query, client=None):
        return [row["entity"] for row in (client or self.acme).pages(f"{self.path}/{query}")]

    def state(self, kind, entity, query=""):
        return self.acme.get(f"{self.path}/{kind}/{percent(entity)}{query}")["state"]
