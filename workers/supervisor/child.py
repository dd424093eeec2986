"""One process that `tenure up` keeps alive."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from workers.base import parent_death

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
STEADY_SECONDS = 30.0
"""A process that lived this long has recovered: its next death is a first one again."""


@dataclass
class Child:
    """A command, and the process that runs it now. It has a session of its own, so a terminal's Ctrl-C passes it by.

    `is_wanted` says whether it is started again when it ends; then `due_at` (monotonic) is when.
    """

    name: str
    command: list[str]
    environ: Mapping[str, str] = field(repr=False)
    is_wanted: bool = True
    attempt: int = 0
    due_at: float | None = None
    status: int = 0
    started_at: float = 0.0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, tied to this process by the launcher; its output goes to our stderr."""
        self.due_at, self.started_at = None, time.monotonic()
        launcher = [sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid())]
        self.process = subprocess.Popen(  # noqa: S603 - the Procfile is ours
            [*launcher, *self.command],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if sys.stderr is None else 2,
            start_new_session=True,
        )

    def has_ended(self) -> bool:
        """Look whether it died since it was looked at last; if so its group is cleaned up and its restart is set."""
        if self.process is None or self.process.poll() is None:
            return False
        self.status = self.process.returncode
        self.kill()
        self.process = None
        if self.is_wanted:
            self._plan_restart()
        return True

    def is_running(self) -> bool:
        """Whether there is a process, as far as it was looked at."""
        return self.process is not None

    def is_due(self) -> bool:
        """Whether it is to be started again now."""
        return self.is_wanted and self.due_at is not None and time.monotonic() >= self.due_at

    def ask_to_stop(self) -> None:
        """Send TERM to the leader alone: Dramatiq passes it on, and takes a second one for an order to kill."""
        self.is_wanted = False
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """Kill the whole group, whether its leader still lives or not."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def ending(self) -> str:
        """Say how it ended, for the log."""
        if self.status >= 0:
            return f"exited with {self.status}"
        return f"was ended by {signal.Signals(-self.status).name}"

    def _plan_restart(self) -> None:
        if time.monotonic() - self.started_at > STEADY_SECONDS:
            self.attempt = 0
        self.due_at = time.monotonic() + min(FIRST_PAUSE * 2**self.attempt, LONGEST_PAUSE)
        self.attempt += 1
