"""nokuva, AI agents: agents take runs, runs call tools; names are unique in a project, old writers are understood."""
from scenario import ProductTest, run


class Nokuva(ProductTest):
    product = "nokuva"

    def agent(self, entity, name, **more):
        return entity, "agent.registered", {"name": name, "model": "m-2", "project_id": self.project_id, "state": "idle", **more}

    def start(self, entity, agent="writer"):
        return entity, "run.started", {"agent": agent, "project_id": self.project_id, "state": "running", "goal": "tidy the notes"}

    def test_a_run_from_start_to_end(self):
        self.write(self.agent("writer", "writer", tools=["search", "mail"]))
        begun = self.write(("writer", "agent.configured", {"state": "busy"}), self.start("run-1"))
        self.write(("call-1", "call.requested", {"run": "run-1", "tool": "search", "arguments": {"q": "notes"}, "state": "requested"}),
                   ("run-1", "run.progressed", {"steps": 1, "tokens": 812}))
        self.assertEqual(self.entities("call?/run=run-1&/state=requested"), ["call-1"])
        self.write(("call-1", "call.answered", {"state": "done", "result": ["a", "b"], "milliseconds": 12.5}))
        # A worker of the last release still says run.completed.
        self.write(("run-1", "run.completed", {"state": "succeeded", "tokens": 1204}), ("writer", "agent.configured", {"state": "idle"}))
        self.assertEqual(self.state("run", "run-1"), {
            "agent": "writer", "project_id": self.project_id, "state": "succeeded", "goal": "tidy the notes", "steps": 1, "tokens": 1204})
        self.assertEqual([event["type"] for event in self.acme.get(f"{self.path}/run/run-1/events")["data"]],
                         ["run.started", "run.progressed", "run.finished"])
        self.assertEqual(self.entities("run?/state=running"), [])
        self.assertEqual(self.entities(f"run?/state=running&as_of={begun.mark}"), ["run-1"])
        self.assertEqual(self.entities(f"agent?/state=busy&as_of={begun.mark}"), ["writer"])
        self.assertEqual(self.state("run", "run-1", f"?as_of={begun.mark}")["state"], "running")

    def test_what_does_not_fit_is_refused_whole(self):
        self.write(self.agent("writer", "writer"), self.start("run-1"))
        wrong = {
            "/events/0/data/name": self.agent("x", "Not A Name"),
            "/events/0/data/state": self.agent("x", "x", state="busy"),
            "/events/0/data/more": self.agent("x", "x", more=1),
            "/events/0/data/tools": self.agent("x", "x", tools=["mail", "mail"]),
            "/events/0/data/project_id": self.agent("x", "x", project_id="proj_1"),
            "/events/0/data/steps": ("run-1", "run.progressed", {"steps": 0}),
            "/events/0/data/reason": ("run-1", "run.finished", {"state": "failed"}),
            "/events/0/data": ("call-1", "call.answered", {"result": 1, "error": "x"})}
        for pointer, event in wrong.items():
            with self.subTest(pointer=pointer):
                self.assertEqual(self.refused(event), [pointer])
        self.assertEqual(self.refused(self.start("run-2"), ("run-2", "run.exploded", {})), ["/events/1/type"])
        self.assertEqual(self.entities("run"), ["run-1"])

    def test_names_of_agents_are_unique_in_their_project(self):
        self.write(self.agent("a", "writer"))
        self.assertEqual(self.refused(self.agent("b", "writer"), name="unique-taken", status=409),
                         ["/events/0/data/project_id", "/events/0/data/name"])
        elsewhere = self.project()["id"]
        self.write(self.agent("b", "writer", project_id=elsewhere))
        self.write(("a", "agent.retired", {}), self.agent("c", "writer"))
        self.assertEqual(self.entities(f"agent?/project_id={self.project_id}"), ["c"])

    def test_two_workers_take_one_run(self):
        self.write(self.start("run-1"), expected=[{"kind": "run", "entity": "run-1", "version": "no_stream"}])
        expected = [{"kind": "run", "entity": "run-1", "version": 1}]
        self.write(("run-1", "run.progressed", {"steps": 1}), expected=expected)
        late = self.problem(self.write(("run-1", "run.progressed", {"steps": 1}), expected=expected, expect=409), "version-conflict")
        self.assertEqual(late["conflicts"][0]["current_version"], 2)

    def test_a_key_of_one_project_sees_its_agents_and_runs(self):
        other = self.project()["id"]
        self.write(self.agent("mine", "writer"), self.agent("theirs", "writer", project_id=other), self.start("run-1", "mine"))
        limited = self.server.key(self.acme.organization, projects=[self.project_id])
        integration = f"/v2/integrations/{self.name}"
        self.assertEqual([row["entity"] for row in limited.pages(f"{integration}/agent")], ["mine"])
        self.assertEqual([row["entity"] for row in limited.pages(f"{integration}/run?/state=running")], ["run-1"])
        row = limited.get(f"{integration}/agent?include=project&fields=entity,project")["data"][0]
        self.assertEqual((row["entity"], row["project"]["id"], set(row)), ("mine", self.project_id, {"entity", "project"}))
        self.problem(limited.get(f"{integration}/call", expect=404), "not-found")
        self.problem(limited.get(f"{self.path}/agent/mine", expect=404), "not-found")


if __name__ == "__main__":
    run()
