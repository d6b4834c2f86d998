# TIMEOUT 1800
# LABEL soak
"""A backup every ten seconds for two minutes of load, each restored: backup_test.py, ten times as long."""
import os

os.environ.setdefault("BACKUP_SECONDS", "120")
os.environ.setdefault("BACKUP_EVERY", "10")
os.environ.setdefault("BACKUP_SERVED", "1")

from backup_test import UnderLoad, run  # noqa: E402, F401  the times are read when it is loaded

if __name__ == "__main__":
    run()
