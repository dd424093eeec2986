"""Agents in use in the sites of the folder host: a database that has not changed is not read again."""

import os
import re
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock

from workers.base.up_file import is_alive
from workers.storage.site_content import DATABASE
from workers.storage.sqlite_file import count_agents

KEPT_SITES = 10_000
BELIEVED_SECONDS = 30.0
"""So long a number stands at the most, whatever the files' times say."""

RACY_NS = 50_000_000
"""A file that was written so short a time ago may be written again within the same tick of the disk's clock."""

PRIVATE = re.compile(r"\.site_[0-9a-z_-]+\.agents\.([0-9]+)\.[0-9].*")
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Look = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """A number, what the files looked like around the reading, and when that was (monotonic)."""

    agents: int
    look: Look
    at: float


class AgentCounts:
    """Counts agents under one root of sites; belongs to all threads of a process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: OrderedDict[str, Counted] = OrderedDict()
        self._numbers = count(1)
        self._lock = Lock()
        self._is_swept = False

    def count(self, site_id: str, live: Path) -> int | None:
        """Count a site's active agents; None when there is no site. Raises `Unusable` and OSError."""
        try:
            before = _look(f"{live}/{DATABASE}")
        except FileNotFoundError:
            before = ()
            if not os.path.lexists(live):
                return None
        known = self._known.get(site_id)
        if known is not None and known.look == before and time.monotonic() - known.at < BELIEVED_SECONDS:
            return known.agents
        return self._count_anew(site_id, live, before)

    def _count_anew(self, site_id: str, live: Path, before: Look) -> int | None:
        private = self._root / f".{site_id}.agents.{os.getpid()}.{next(self._numbers)}"
        try:
            folder = os.open(live, FOLDER)
        except FileNotFoundError:
            return None
        try:
            self._sweep()
            agents = count_agents(folder, private)
        finally:
            os.close(folder)
        self._keep(site_id, agents, before)
        return agents

    def _keep(self, site_id: str, agents: int, look: Look) -> None:
        if not look or time.time_ns() - _newest(look) < RACY_NS:
            return
        with self._lock:
            self._known[site_id] = Counted(agents, look, time.monotonic())
            self._known.move_to_end(site_id)
            if len(self._known) > KEPT_SITES:
                self._known.popitem(last=False)

    def _sweep(self) -> None:
        """Once: remove what processes have left that were killed while they counted."""
        with self._lock:
            if self._is_swept:
                return
            self._is_swept = True
        with os.scandir(self._root) as found:
            names = [entry.name for entry in found if entry.name.startswith(".")]
        for name in names:
            made_by = PRIVATE.fullmatch(name)
            if made_by is not None and not is_alive(int(made_by[1])):
                (self._root / name).unlink(missing_ok=True)


def _look(path: str) -> Look:
    """A database and its log from outside: which files, their sizes and when they were written last."""
    log: tuple[int, ...] = ()
    with suppress(FileNotFoundError):
        log = _seen(f"{path}-wal")
    return _seen(path) + log


def _seen(path: str) -> tuple[int, ...]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns


def _newest(look: Look) -> int:
    return max(look[4::5])
