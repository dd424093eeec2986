"""SQLite files of a site: made, counted, copied while they live, checked.

Only a new site's own file is opened here. Whatever a customer could write is read by the processes of
`customer_database`, each time with limits and a deadline.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite

from workers.base.errors import Permanent
from workers.storage import customer_database
from workers.storage.held_database import HeldDatabase, HelperLimits, Unusable, held, must_copy, restless
from workers.storage.site_content import DATABASE

MAGIC = b"SQLite format 3\0"
SMALLEST = 512
"""No SQLite database is smaller; bytes."""

SIDECARS = ("-wal", "-shm", "-journal")
PATIENCE_SECONDS = 10.0
"""So long a copy waits for a lock that another program holds."""

BRIEF_SECONDS = 0.1
"""So long a question waits for one."""

COUNT_SECONDS = 1.25
"""So long a question may take on a machine that is busy with other things."""

COUNT_CPU_SECONDS = 0.25
"""And so long by the processor's clock: it needs a fraction of a millisecond."""

COUNT_BYTES = 64 << 20
"""A database that a dead help desk has left is copied for a question up to this size."""

LONGEST_SECONDS = 3_600.0
MOST_BYTES = 1 << 40
"""The bounds of one act where the caller gives none."""

RESERVE_BYTES = 1 << 30
"""A copy leaves so much of the disk free, or half of what is free where that is little."""

CHECK_SECONDS = 20.0
CHECKED_BYTES = 4 << 20
"""A check may take 20 s and one more for each 4 MiB; an intact database takes a tenth of that."""

TRIES = 4
PAUSE_SECONDS = 0.02

HELPDESK = """
CREATE TABLE agents (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, active INTEGER NOT NULL DEFAULT 1);
CREATE TABLE tickets (id INTEGER PRIMARY KEY, requester TEXT NOT NULL, subject TEXT NOT NULL, open INTEGER NOT NULL);
CREATE TABLE replies (id INTEGER PRIMARY KEY, ticket INTEGER NOT NULL REFERENCES tickets, author TEXT, body TEXT);
"""

FAULTS = {
    "locked": ("locked", "another program keeps it locked", "end that program, or let it close its transaction"),
    "slow": ("slow", "it can't be read in time", "make `agents` a plain table, without costly indexes and columns"),
    "died": ("odd", "reading it ended the process that read it", "restore the site from a backup"),
    "too_much": ("odd", "reading it takes more memory than it may", "simplify its schema, or restore the site"),
    "shape": ("odd", "it is not made as a site's", "make `agents` a table with a column `active`, or restore the site"),
    "damaged": ("damaged", "it is damaged", "restore the site from a backup"),
    "unfinished": ("unfinished", "a help desk died while it wrote", "start the help desk once: it puts it in order"),
    "failed": ("failed", "it can't be read", "look at this database, or restore the site from a backup"),
}
"""By what a reading process says: the code, what is wrong, what helps."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a check found: `damage` in SQLite's words, or why it could not be `checked`; None for what is not so."""

    damage: str | None = None
    unchecked: str | None = None


def make_helpdesk(path: Path, owner: str) -> None:
    """Make the database of a new site, with one agent: its owner."""
    with closing(sqlite.connect(path)) as database:
        database.executescript(HELPDESK)
        with database:
            database.execute("INSERT INTO agents (email) VALUES (?)", (owner,))


def count_agents(folder: int, private: Path, cpu_seconds: float = COUNT_CPU_SECONDS) -> int:
    """Count the active agents of the site whose folder is open.

    `private` is a name on the same disk that nobody else uses. Raises `Unusable`.
    """
    seconds = max(COUNT_SECONDS, 4 * cpu_seconds)
    about = {"verb": "count", "seconds": seconds, "cpu_seconds": cpu_seconds, "wait": BRIEF_SECONDS}
    bounds = HelperLimits(COUNT_BYTES, time.monotonic() + seconds)
    said = _ask_held(customer_database.QUICK, about, folder, DATABASE, private, bounds)
    return int(_answered(said, DATABASE, "agents"))


def copy_database(
    folder: int, name: str, target: Path, *, seconds: float = LONGEST_SECONDS, most_bytes: int = MOST_BYTES
) -> None:
    """Copy a database of an open folder as it is at one moment while others write to it.

    `target` is a new file in a folder of ours on the same disk. Raises `Permanent` when the database is damaged or none
    at all, else `Unusable`, which is `Temporary`: it is locked, takes too long, is larger than `most_bytes`.
    """
    most_bytes = min(most_bytes, _room(folder, name, target.parent))
    about = {"verb": "copy", "target": str(target), "seconds": seconds, "most_bytes": most_bytes}
    about |= {"wait": PATIENCE_SECONDS}
    private = target.with_name(f"{target.name}.held")
    bounds = HelperLimits(most_bytes, time.monotonic() + seconds)
    said = _ask_held(customer_database.PATIENT, about, folder, name, private, bounds)
    if said.get("wrong") == "damaged":
        raise Permanent(f"{_shown(name)}: this database can't be copied: {_shown(said['error'])}")
    _answered(said, name, "copied")


def _room(folder: int, name: str, where: Path) -> int:
    """How many bytes a copy may take of the disk. A file full of holes says that it is larger than all disks.

    Raises `Unusable` when the database has more.
    """
    free = shutil.disk_usage(where).free
    room = max(free - RESERVE_BYTES, free // 2)
    with suppress(FileNotFoundError):
        size = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
        if size > room:
            what = f"{_shown(name)} has {size} bytes, and a copy may take {room} of this disk"
            raise Unusable("database.too_large", what, "free space on the disk, or make the database smaller")
    return room


def examine(path: Path, seconds: float = LONGEST_SECONDS) -> Health:
    """Check a copy that nobody writes to, leaving nothing beside it: wholly, or quickly where that takes too long."""
    seconds = min(seconds, CHECK_SECONDS + path.stat().st_size / CHECKED_BYTES)
    whole = _check(path, "integrity_check", seconds)
    if "faults" in whole:
        return Health(damage=next(iter(whole["faults"]), None))
    if whole["wrong"] == "damaged":
        return Health(damage=str(whole["error"]))
    quick = _check(path, "quick_check", seconds)
    if quick.get("faults") or quick.get("wrong") == "damaged":
        return Health(damage=str(next(iter(quick.get("faults", [])), quick.get("error"))))
    extent = "its pages are whole, its indexes were not compared" if "faults" in quick else "it was not checked at all"
    _, what, do = FAULTS[whole["wrong"]]
    return Health(unchecked=f"the check was given up: {what}, {_shown(whole['error'])}; {extent}; {do}")


def faults(path: Path, seconds: float = LONGEST_SECONDS) -> list[str]:
    """What is wrong with a copy, one that can't be checked included; empty means whole."""
    found = examine(path, seconds)
    return [text for text in (found.damage, found.unchecked) if text is not None]


def _check(path: Path, how: str, seconds: float) -> dict[str, Any]:
    asked = {"verb": "check", "how": how, "path": str(path.absolute()), "mode": "mode=ro&immutable=1", "wait": 0}
    return customer_database.PATIENT.ask({**asked, "seconds": seconds}, still_seconds=seconds + 1)


def _ask_held(
    helpers: customer_database.Helpers,
    about: dict[str, Any],
    folder: int,
    name: str,
    private: Path,
    bounds: HelperLimits,
) -> dict[str, Any]:
    """Ask about a database that is held; again when it was replaced meanwhile. Raises `Unusable`."""
    for number in range(TRIES):
        with held(folder, name, private) as database:
            said = _ask_once(database, lambda asked: helpers.ask({**about, **asked}), bounds)
            if said.get("wrong") != "unfinished" and database.is_current():
                return said
        time.sleep(PAUSE_SECONDS * number)
    raise restless(name)


def _ask_once(
    database: HeldDatabase, ask: Callable[[dict[str, Any]], dict[str, Any]], bounds: HelperLimits
) -> dict[str, Any]:
    """Read it where it is; one that a dead help desk has left unfinished is put in order aside."""
    if not must_copy(database):
        asked = {"path": str(database.path.absolute()), "mode": "mode=ro"}
        said = ask(asked)
        for _ in range(TRIES):
            if said.get("wrong") != "unfinished":
                return said
            if not database.is_unfinished():
                database.drop_journal()
            time.sleep(PAUSE_SECONDS)  # a help desk that lives begins its next transaction, or ends this one
            said = ask(asked)
    return ask({"path": str(database.copy(bounds).absolute()), "mode": "mode=rw", "most_bytes": bounds.most_bytes})


def _answered(said: dict[str, Any], name: str, what: str) -> Any:
    if what in said:
        return said[what]
    code, fault, do = FAULTS[said["wrong"]]
    raise Unusable(f"database.{code}", f"{_shown(name)}: {fault} ({_shown(said['error'])})", do)


def _shown(text: str) -> str:
    return ascii(text)[1:-1][:200]
