# TIMEOUT 3600
# LABEL soak
# NEEDS broker
"""Half an hour of what contention_test.py does for two minutes."""
import os

os.environ.setdefault("CONTENTION_SECONDS", "1800")

from contention_test import Contention, run  # noqa: E402, F401  how long is read when it is loaded

if __name__ == "__main__":
    run()
