# TIMEOUT 600
# LABEL soak
"""Ten times the sustainable rate for a minute: load_test.py, with its longer load."""
import os

os.environ.setdefault("LOAD_SECONDS", "60")

from load_test import Overload, run  # noqa: E402  the length is read when it is loaded

if __name__ == "__main__":
    run()
