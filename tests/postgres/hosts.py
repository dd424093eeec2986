"""Hosts of one fleet: the processes of the Procfile side by side, each killed as a machine is, all on one database."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.live_engine import until
from workers.base.settings import load
from workers.context import Context
from workers.health import preflight
from workers.queue import redis_keys

ROLES = {"worker": "workers", "clock": "schedules"}


class Hosts:
    """Processes with the same settings; whoever is started last is at the end of its role's list."""

    def __init__(self, folder: Path, redis_url: str, database_url: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
        self.folder = folder
        self.environ = {
            **clean,
            "TENURE_TEST_CLOCK": "1",
            "TENURE_DATA_DIR": str(folder / "data"),
            "TENURE_REDIS_URL": redis_url,
            "TENURE_DATABASE_URL": database_url,
            "TENURE_WORKER_PROCESSES": "1",
            "TENURE_WORKER_THREADS": "4",
            "TENURE_LEASE_SECONDS": "5",
            "TENURE_LOG_FORMAT": "json",
            "TENURE_DELETIONS_PER_HOUR": "100000",
            "TENURE_DELETIONS_PER_DAY": "100000",
            "TENURE_DELETIONS_SHARE": "1",
        }
        self.running: dict[str, list[subprocess.Popen[bytes]]] = {"worker": [], "clock": []}
        self.context = Context(load(self.environ))
        preflight.migrate(self.context.database, test_clock=True)

    def add(self, role: str) -> None:
        """One more host of a role; it is there when it answers."""
        before = self.beating(role)
        number = len(self.running[role])
        with (self.folder / f"{role}.{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", ROLES[role]],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running[role].append(process)
        until(lambda: self.beating(role) - before, 60)

    def beating(self, role: str) -> set[bytes]:
        """The processes of a role that have answered, the dead ones for a while as well."""
        return set(self.context.redis.scan_iter(match=redis_keys.alive(role, "*", "*")))

    def kill(self, role: str, number: int) -> None:
        """All processes of a host at once."""
        process = self.running[role][number]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def leave(self, role: str, number: int) -> int:
        """A host that is told to stop finishes what it runs."""
        process = self.running[role][number]
        process.terminate()
        return process.wait(60)

    def close(self) -> None:
        for role, processes in self.running.items():
            for number, process in enumerate(processes):
                if process.poll() is None:
                    self.kill(role, number)
        self.context.database.dispose()
