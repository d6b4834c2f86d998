# TIMEOUT 1800
# LABEL soak
"""Ten minutes of what chaos_test.py does for two."""
import os

os.environ.setdefault("CHAOS_SECONDS", "600")

from chaos_test import Chaos, run  # noqa: E402, F401  how long is read when it is loaded

if __name__ == "__main__":
    run()
