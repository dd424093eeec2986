"""SQLite files of a site: made, counted, copied while they live, checked."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite

from workers.errors import Permanent, Temporary

MAGIC = b"SQLite format 3\0"
SMALLEST = 512
"""No SQLite database is smaller; bytes."""

SIDECARS = ("-wal", "-shm", "-journal")
PATIENCE_SECONDS = 10.0
LOCKED = {sqlite.SQLITE_BUSY, sqlite.SQLITE_LOCKED}
BROKEN = ("file is not a database", "database disk image is malformed")
"""SQLite's own words for damage: the online backup raises the same error for everything and gives no code."""

HELPDESK = """
CREATE TABLE agents (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, active INTEGER NOT NULL DEFAULT 1);
CREATE TABLE tickets (id INTEGER PRIMARY KEY, requester TEXT NOT NULL, subject TEXT NOT NULL, open INTEGER NOT NULL);
CREATE TABLE replies (id INTEGER PRIMARY KEY, ticket INTEGER NOT NULL REFERENCES tickets, author TEXT, body TEXT);
"""


def make_helpdesk(path: Path, owner: str) -> None:
    """Make the database of a new site, with one agent: its owner."""
    with closing(sqlite.connect(path)) as database:
        database.executescript(HELPDESK)
        with database:
            database.execute("INSERT INTO agents (email) VALUES (?)", (owner,))


def count_agents(path: Path) -> int:
    """Count the active agents; raises `Temporary` when the database can't be asked."""
    try:
        with closing(_connect(path)) as database:
            return int(database.execute("SELECT count(*) FROM agents WHERE active").fetchone()[0])
    except sqlite.Error as wrong:
        raise Temporary(f"{path}: the agents can't be counted: {wrong}; look at this database") from wrong


def is_database(path: Path) -> bool:
    """Whether a file says of itself that it is a SQLite database."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def is_sidecar(path: Path) -> bool:
    """Whether a file belongs to a live database beside it, and has no meaning without that very one."""
    names = (path.name.removesuffix(end) for end in SIDECARS if path.name.endswith(end))
    return any(name and is_database(path.with_name(name)) for name in names)


def copy_live(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment while others write to it.

    Raises `Temporary` when it stays locked, `Permanent` when it is damaged or no database at all.
    """
    try:
        with closing(_connect(source)) as live, closing(sqlite.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")
            live.backup(copy, progress=_give_up_when_locked)
    except sqlite.Error as wrong:
        kind = Permanent if str(wrong) in BROKEN else Temporary
        raise kind(f"{ascii(str(source))[1:-1]}: this database can't be copied: {wrong}") from wrong


def _give_up_when_locked(status: int, _remaining: int, _total: int) -> None:
    """Stop a copy that can't begin; the connection has waited already."""
    if status in LOCKED:
        raise Temporary(f"another program has kept the database locked for {PATIENCE_SECONDS:.0f} s; it is tried again")


def faults(path: Path) -> list[str]:
    """Check a copy that nobody writes to, leaving nothing beside it; empty means whole."""
    try:
        with closing(_connect(path, "mode=ro&immutable=1")) as database:
            rows = [str(row[0]) for row in database.execute("PRAGMA integrity_check(5)")]
    except sqlite.Error as wrong:
        return [str(wrong)]
    return [] if rows == ["ok"] else rows


def _connect(path: Path, how: str = "mode=rw") -> Any:
    """Open an existing database; writing is needed to finish what a crashed writer left."""
    uri = f"{path.absolute().as_uri()}?{how}"
    return sqlite.connect(uri, uri=True, timeout=PATIENCE_SECONDS, isolation_level=None)
