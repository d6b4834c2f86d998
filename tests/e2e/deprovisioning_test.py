# TIMEOUT 200
"""Resources go when their project goes, whenever the server is killed in between: each once, none left over."""
import time
import unittest

from client import SECONDS_MAX
from harness import BROKERS, ServerTest, run, unique

RESOURCES = 120


class Deprovisioning(ServerTest):
    def setUp(self):
        self.kind = unique("postgres")
        self.platform.put(f"/v2/resource-kinds/{self.kind}", {"provisioner": "external"})
        self.project_id = self.project()["id"]

    def create(self, **members):
        return self.acme.post("/v2/resources", {"project_id": self.project_id, "environment": "production", "kind": self.kind, "name": "main", "units": 1,
                                                **members}, expect=202)["id"]

    def states(self, resources):
        return {self.acme.get(f"/v2/resources/{resource}")["state"] for resource in resources}

    def wait_for(self, resources, wanted):
        deadline = time.monotonic() + SECONDS_MAX
        while self.states(resources) != wanted:
            self.assertLess(time.monotonic(), deadline, self.states(resources))
            time.sleep(0.05)

    def steps(self, resource):
        return [(event["type"], event["actor"], event.get("causationid")) for event in self.acme.get(f"/v2/resources/{resource}/events")["data"]]

    def test_a_deleted_projects_resources_are_deprovisioned_because_of_it(self):
        resources = [self.create() for _ in range(5)]
        self.acme.delete(f"/v2/projects/{self.project_id}", expect=204)
        self.wait_for(resources, {"deprovisioning"})
        deleted = self.acme.get(f"/v2/projects/{self.project_id}/events")["data"][-1]
        for resource in resources:
            self.assertEqual(self.steps(resource)[1:], [("resource.deprovision_requested", "system", deleted["id"])])
        for resource in resources:
            self.acme.post(f"/v2/resources/{resource}/reports", {"state": "deprovisioned", "observed_version": 2}, expect=200)
        self.assertEqual(self.acme.get(f"/v2/resources?project_id={self.project_id}")["data"], [])

    def test_those_of_other_projects_stay(self):
        mine, other = self.create(), self.project()["id"]
        self.create(project_id=other)
        self.acme.delete(f"/v2/projects/{other}", expect=204)
        time.sleep(0.3)
        self.assertEqual(self.states([mine]), {"provisioning"})

    @unittest.skipIf(BROKERS, "a killed process of several is replaced by the others")
    def test_killed_between_its_steps_it_goes_on(self):
        unfinished = 0
        for pause in (0, 0, 0.001, 0.002, 0.004, 0.008, 0.016):
            self.project_id = self.project()["id"]
            resources = [self.create() for _ in range(RESOURCES)]
            self.acme.delete(f"/v2/projects/{self.project_id}", expect=204)
            time.sleep(pause)
            self.server.kill()
            for client in (self.acme, self.platform):
                client.close()
            self.server.start()
            unfinished += "provisioning" in self.states(resources)
            self.wait_for(resources, {"deprovisioning"})
            for resource in resources:
                self.assertEqual([step[0] for step in self.steps(resource)], ["resource.requested", "resource.deprovision_requested"])
        print(f"\nkilled before the last step: {unfinished} of 7")


if __name__ == "__main__":
    run()
