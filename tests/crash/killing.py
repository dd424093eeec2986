"""The processes of production, each of which kills itself where a token lies: `python -m tests.crash.killing ROLE`.

A folder holds the tokens of a death: as many `<point>~<number>` as times that the point is reached until then. Whoever
takes the last one is gone at once, as by `kill -9`; the next process finds none and lives.
"""

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from uuid import UUID

from workers.base.fault_points import hooks

TOKENS = "CRASH_TOKENS"
PROCFILE = Path(__file__).with_name("Procfile")
SITE = UUID(int=7)
"""The id of the only site: the hour of its nights follows from it."""


def lay(folder, point, occurrence):
    """Let somebody die at the n-th time that a point is reached."""
    for number in range(occurrence):
        (folder / f"{point}~{number}").touch()


def take(folder, point):
    """Take a token of a point, and die with the last one."""
    tokens = sorted(folder.glob(f"{point}~*"))
    if not tokens:
        return
    with suppress(FileNotFoundError):
        tokens[-1].unlink()
        if len(tokens) == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def hook(point):
    if point == "queue.fetched":
        vars(sys.modules["workers.commands.batch"])["uuid7"] = lambda: SITE
    take(Path(os.environ[TOKENS]), point)


def up():
    """`tenure up` with these processes."""
    run = import_module("workers.supervisor.up").run
    sys.exit(run(import_module("workers.base.settings").load(), procfile=PROCFILE))


def main():
    role = sys.argv.pop()
    hooks.append(hook)
    return import_module("workers.__main__" if role == "workers" else "schedules.clock").main()


if __name__ == "__main__":
    sys.exit(main())
