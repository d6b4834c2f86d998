"""foltrac, infrastructure guard: hosts are judged by checks, what fails opens incidents that go on until they are resolved."""
from scenario import ProductTest, run


class Foltrac(ProductTest):
    product = "foltrac"

    def host(self, entity, address, **more):
        return entity, "host.enrolled", {"address": address, "port": 22, "health": "unknown", "project_id": self.project_id, **more}

    def incident(self, entity, host, severity=2):
        return entity, "incident.opened", {"host": host, "state": "open", "severity": severity, "checks": ["ssh"]}

    def test_from_a_failed_check_to_a_resolved_incident(self):
        self.write(self.host("web-1", "10.0.0.1"), self.host("web-2", "10.0.0.2"),
                   ("ssh", "check.defined", {"host": "web-1", "kind": "tcp", "every_seconds": 30}))
        self.write(("ssh", "check.succeeded", {"outcome": "passed"}), ("web-1", "host.judged", {"health": "healthy"}))
        before = self.acme.get(f"{self.path}/host").mark
        self.write(("ssh", "check.failed", {"outcome": "failed", "detail": "connection refused"}),
                   ("web-1", "host.judged", {"health": "down"}), self.incident("inc-1", "web-1"))
        self.assertEqual(self.entities("host?/health=down"), ["web-1"])
        self.assertEqual(self.entities("check?/outcome=failed&/host=web-1"), ["ssh"])
        self.assertEqual(self.entities("incident?/state=open&/severity=2"), ["inc-1"])
        self.assertEqual(self.entities(f"host?/health=healthy&as_of={before}"), ["web-1"])
        self.assertEqual(self.entities(f"incident?/state=open&as_of={before}"), [])
        self.write(("inc-1", "incident.acknowledged", {"state": "acknowledged", "by": "ada"}))
        self.write(("inc-1", "incident.resolved", {"state": "resolved"}), ("web-1", "host.judged", {"health": "healthy"}))
        self.assertEqual(self.entities("incident?/state=open&/state=acknowledged"), [])
        self.assertEqual(self.state("incident", "inc-1")["by"], "ada")
        self.assertEqual([event["data"].get("state") for event in self.acme.get(f"{self.path}/incident/inc-1/events")["data"]],
                         ["open", "acknowledged", "resolved"])

    def test_an_address_is_guarded_once(self):
        self.write(self.host("a", "10.0.0.1"))
        self.assertEqual(self.refused(self.host("b", "10.0.0.1"), name="unique-taken", status=409),
                         ["/events/0/data/address", "/events/0/data/port"])
        self.write(self.host("b", "10.0.0.1", port=2222))
        # Both swap in one batch: the first gives its address up before the other takes it.
        self.write(("a", "host.removed", {}), self.host("b", "10.0.0.1"), self.host("a", "10.0.0.1", port=2222))
        self.assertEqual([self.state("host", name)["port"] for name in "ab"], [2222, 22])

    def test_what_does_not_fit_is_refused(self):
        for pointer, event in {
                "/events/0/data/port": self.host("x", "10.0.0.9", port=65536),
                "/events/0/data/health": self.host("x", "10.0.0.9", health="fine"),
                "/events/0/data/path": ("c", "check.defined", {"host": "x", "kind": "http", "every_seconds": 5}),
                "/events/0/data/severity": self.incident("i", "x", severity=4),
                "/events/0/data/outcome": ("c", "check.passed", {"outcome": "failed"})}.items():
            with self.subTest(pointer=pointer):
                self.assertEqual(self.refused(event), [pointer])
        self.assertEqual(self.entities("host"), [])

    def test_a_thousand_hosts_page_by_page_while_they_change(self):
        for part in range(4):
            self.write(*(self.host(f"h{n:04}", f"10.1.{n // 256}.{n % 256}", health="healthy" if n % 3 else "down")
                         for n in range(part * 250, part * 250 + 250)))
        down = [f"h{n:04}" for n in range(1000) if n % 3 == 0]
        pages = self.acme.pages(f"{self.path}/host?/health=down", limit=50)
        found = [next(pages)["entity"]]
        self.write(*((f"h{n:04}", "host.judged", {"health": "healthy"}) for n in range(0, 1000, 3)))
        self.assertEqual(found + [row["entity"] for row in pages], down)
        self.assertEqual(self.entities("host?/health=down"), [])

    def test_keys_of_a_project_see_its_hosts(self):
        self.write(self.host("mine", "10.0.0.1"), self.host("theirs", "10.0.0.2", project_id=self.project()["id"]))
        limited = self.server.key(self.acme.organization, projects=[self.project_id])
        rows = list(limited.pages(f"/v2/integrations/{self.name}/host"))
        self.assertEqual([row["entity"] for row in rows], ["mine"])


if __name__ == "__main__":
    run()
