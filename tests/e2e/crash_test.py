# TIMEOUT 400
# LABEL slow
"""Kill -9 under mixed load, three hundred times: what was acknowledged is there, once, and nothing else is.

Four tenants write, import, read and follow (mixed_load.py) while the program is killed at random moments,
some of them while it starts. What was never answered is sent again after the restart, with its key. At the
end, and every fiftieth time for the rows, the log is compared with what everyone was told. Then the same
load while the program is stopped and continued. CRASH_CYCLES sets another number of kills.
"""
import os
import random
import signal
import time

from harness import ServerTest, run, tidemark
from mixed_load import World, check

CYCLES = int(os.environ.get("CRASH_CYCLES", "300"))
REBUILD_EVERY = 50
WORKERS = 10


class Crash(ServerTest):
    def setUp(self):
        self.seed = random.randrange(1 << 30)
        self.source = random.Random(self.seed)
        self.world = World(self.server, self.declare_files(), self.seed)

    def test_every_acknowledged_write_is_there_once(self):
        restarts, unknown = [], 0
        for cycle in range(1, CYCLES + 1):
            where = f"cycle {cycle}, seed {self.seed}"
            self.world.start(WORKERS)
            time.sleep(self.source.uniform(0.01, 0.1))
            self.assertEqual(self.world.kill(), [], where)
            if cycle % REBUILD_EVERY == 0:
                self.check_rebuild(where)
            self.kill_starts()
            restarts.append(self.server.start())
            unknown += self.world.settle()
            self.assertEqual(self.world.repeat(self.source, 3), [], where)
        writes = sum(len(tenant.writes) for tenant in self.world.tenants)
        print(f"\n{CYCLES} kills, {writes} writes, {unknown} of them unanswered at first, "
              f"restart median {sorted(restarts)[len(restarts) // 2]:.2f} s, longest {max(restarts):.2f} s")
        self.assertGreater(unknown, CYCLES / 10, "hardly a kill hit a write")
        self.assertEqual(self.world.repeat(self.source, 200), [], f"at the end, seed {self.seed}")
        check(self, self.world, f"seed {self.seed}")
        self.server.stop()
        self.check_rebuild(f"at the end, seed {self.seed}")
        self.server.start()

    def kill_starts(self):
        """Now and then the program does not live to be ready, more than once in a row."""
        while self.source.random() < 0.2:
            self.server.launch()
            time.sleep(self.source.uniform(0, 0.15))
            self.server.kill()

    def check_rebuild(self, where):
        tidemark("log", "verify", "--data", self.server.data)
        before = tidemark("projections", "hash", "--data", self.server.data).stdout
        tidemark("projections", "rebuild", "--data", self.server.data)
        self.assertEqual(tidemark("projections", "hash", "--data", self.server.data).stdout, before, where)

    def test_stopped_for_seconds_and_continued(self):
        """SIGSTOP looks like a machine that was suspended: no write is lost, and connections go on."""
        self.world.start()
        for seconds in (3, 1):
            time.sleep(0.5)
            self.server.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            self.server.process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        self.assertEqual(self.world.stop(), [], f"seed {self.seed}")
        self.assertEqual(self.world.settle(), 0)
        self.assertEqual(self.world.repeat(self.source, 100), [])
        check(self, self.world, f"seed {self.seed}")


if __name__ == "__main__":
    run()
