"""Goal: every fault in schemas/planted.h is caught, by the test that is named here. Method: in the
build that has them, each test is run without a fault, where it passes, and with its fault, where it
must fail. A fault that no test is named for fails this one.

# TIMEOUT 1800
"""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = Path(os.environ["TIDEMARK"]).parent / "tests"
E2E = "e2e"  # a file of tests/e2e and a test there, against the program
LIVES = "lives"  # of the simulation: fail sooner or later, so the number is an upper bound

# fault: (program, tests of it); of the simulation, how many lives at most.
CATCHERS = {
    "skip_commit_sync": (LIVES, 2000),
    "acknowledge_before_sync": (LIVES, 2000),
    "retry_failed_sync": (LIVES, 8000),
    "write_after_failed_sync": (LIVES, 2000),
    "answer_unknown_as_refused": (LIVES, 2000),
    "answer_short_write_as_refused": (LIVES, 4000),
    "skip_directory_sync": (LIVES, 4000),
    "stale_durable_end": ("eventstore", "JournalOpening.*"),
    "keep_open_count": ("eventstore", "JournalOpening.*:StaleFrame.*"),
    "cut_too_much": (LIVES, 2000),
    "take_corruption_for_torn_tail": ("eventstore", "JournalOpening.*"),
    "take_torn_tail_for_corruption": (LIVES, 2000),
    "keep_cut_tail": ("eventstore", "JournalOpening.*"),
    "believe_cached_zeros": ("eventstore", "JournalOpening.a_tail_that_was_cut_stays_cut*"),
    "skip_tail_rewrite": (LIVES, 4000),
    "ignore_epoch": ("projections", "Projection.*"),
    "ignore_sequence": ("projections", "Projection.*"),
    "ignore_chain": ("eventstore", "Claims*.*"),
    "let_time_fall": (LIVES, 2000),
    "drop_organization_from_keys": (LIVES, 2000),
    "drop_space_from_keys": (LIVES, 4000),
    "skip_what_cannot_be_applied": ("projections", "Projection.*"),
    "refuse_to_fold_deletions": (LIVES, 2000),
    "apply_twice_after_crash": (LIVES, 2000),
    "write_position_apart": (LIVES, 4000),
    "forget_first_answers_on_rebuild": (LIVES, 4000),
    "skip_at_page_edge": (LIVES, 2000),
    "answer_refusals_at_once": (LIVES, 2000),
    "keep_failed_overlay": (LIVES, 4000),
    "accept_foreign_marks": ("schemas", "Marks*.*"),
    "seal_nothing": ("eventstore", "Sealed.*"),
    "retry_under_another_id": (E2E, "webhooks_test.py Deliveries.test_what_fails_is_tried_again_under_the_same_id"),
    "lose_order_on_retry": (E2E, "webhooks_test.py Deliveries.test_a_failing_entity_waits_alone_and_in_order"),
    "move_cursor_over_unsettled": (E2E, "delivery_crash_test.py Restart.test_what_was_on_its_way_is_sent_again"),
    "never_release_lanes": (E2E, "webhooks_test.py Deliveries.test_a_failing_entity_waits_alone_and_in_order"),
    "sign_without_time": (E2E, "webhooks_test.py Deliveries.test_secrets_rotate_with_an_overlap"),
    "record_success_whatever_came": (E2E, "webhooks_test.py Deliveries.test_what_fails_is_tried_again_under_the_same_id"),
    "ignore_retry_after": ("webhooks", "Retry*.*"),
    "count_redirects_as_success": ("webhooks", "Retry*.*"),
    "replay_past_its_end": (E2E, "replay_test.py Endpoints.test_from_is_inclusive_and_to_is_exclusive"),
    "make_all_as_it_is_now": (E2E, "pipelines_test.py Versions.test_each_event_is_made_as_the_pipeline_was_where_it_stands"),
    "look_rows_up_as_they_are": (E2E, "pipelines_test.py Republishing.test_rows_are_looked_up_as_they_were_at_the_event"),
    "forget_hops": (E2E, "pipelines_test.py Republishing.test_a_circle_ends"),
    "write_sealed_in_clear": (E2E, "pipelines_test.py Sealed.test_what_is_sealed_is_passed_on_whole_and_stays_sealed"),
    "guard_checks_first_address_only": ("webhooks", "EgressGuard.OneRefusedAddressRefusesAll"),
}


def command_of(program, which):
    if program == LIVES:
        return [TESTS / "simulate", "--brief", "--seeds", str(which)]
    if program == E2E:
        file, test = which.split()
        return [sys.executable, "-B", ROOT / "tests/e2e" / file, test]
    return [TESTS / f"{program}_tests", f"--gtest_filter={which}"]


def run(command, fault=None):
    environment = {k: v for k, v in os.environ.items() if k != "PLANTED_FAULT"}
    if fault:
        environment["PLANTED_FAULT"] = fault
        environment["E2E_SECONDS"] = "5"  # to wait for what does not come
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout + done.stderr


def what_failed(code, output):
    """The failing test or the broken promise, to be told; a test that dies fails too."""
    told = re.search(r"\[  FAILED  \] (\S+)|FAILED (seed .*)|^(?:FAIL|ERROR): (\S+)", output, re.M)
    if told:
        return next(filter(None, told.groups()))
    running = re.findall(r"\[ RUN      \] (\S+)", output)
    return f"{running[-1]} died" if code and running else None


class PlantedFaults(unittest.TestCase):
    def test_every_fault_has_its_catcher(self):
        header = (ROOT / "schemas/planted.h").read_text()
        names = re.search(r"fault_names\{(.*?)\}", header, re.S).group(1)
        faults = set(re.findall(r'"(\w+)"', names)) - {"none"}
        self.assertEqual(faults, set(CATCHERS))
        self.assertGreaterEqual(len(faults), 20)

    def test_without_a_fault_every_catcher_passes(self):
        units = {}
        for program, which in CATCHERS.values():
            if program not in (LIVES, E2E):
                units.setdefault(program, set()).add(which)
        commands = [command_of(program, ":".join(sorted(which))) for program, which in units.items()]
        outside = {which for program, which in CATCHERS.values() if program == E2E}
        for command in [*commands, command_of(LIVES, 500), *(command_of(E2E, which) for which in sorted(outside))]:
            code, output = run(command)
            self.assertEqual(code, 0, output[-2000:])

    def test_an_unknown_fault_is_refused(self):
        code, output = run(command_of(LIVES, 1), "no_such_fault")
        self.assertNotEqual(code, 0, output)

    def test_every_fault_is_caught(self):
        missed = []
        for fault, catcher in CATCHERS.items():
            code, output = run(command_of(*catcher), fault)
            caught = what_failed(code, output) if code else None
            print(f"{fault:34} {caught or 'MISSED'}", file=sys.stderr)
            if not caught:
                missed.append(fault)
        self.assertEqual(missed, [], "no test caught these")


if __name__ == "__main__":
    unittest.main()
