# TIMEOUT 7200
# LABEL soak
"""Kill -9 under mixed load, three thousand times: crash_test.py, ten times as long."""
import os

os.environ.setdefault("CRASH_CYCLES", "3000")

from crash_test import Crash, run  # noqa: E402  the number of cycles is read when it is loaded

del Crash.test_stopped_for_seconds_and_continued  # once is enough

if __name__ == "__main__":
    run()
