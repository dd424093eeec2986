"""Whether a database keeps what it is told: the rules by which start-up refuses and that `tenure doctor` shows."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from models import server
from workers.health.check import Finding, refusal, warning, well

SAFE_SQLITE = (3, 51, 3)
SAFE_POSTGRESQL = 140_004
"""Older lines get no fixes any more, and 14.0 to 14.3 can corrupt an index that is built beside the work."""

DURABLE = ("FULL", "EXTRA")


def judge(tx: Connection, *, test_clock: bool) -> Iterator[Finding]:
    """Judge the database of this session. Under the test clock it is for trying out: a lost commit only warns."""
    said = server.settings(tx)
    if tx.dialect.name == "postgresql":
        yield from postgresql(said, test_clock=test_clock)
    else:
        yield from sqlite(said)


def sqlite(said: dict[str, Any]) -> Iterator[Finding]:
    """The library's version, and what the connection was set to."""
    safe = tuple(int(part) for part in said["version"].split(".")) >= SAFE_SQLITE
    remedy = "before 3.51.3 several writers can corrupt the file: install pysqlite3 as constraints.txt has it"
    yield well("sqlite", said["version"]) if safe else refusal("sqlite", said["version"], remedy)
    mode, sync = said["journal_mode"], said["synchronous"]
    remedy = "its folder can't hold a write-ahead log (a network disk?): name a local one in DATABASE_URL"
    yield well("journal_mode", mode) if mode == "wal" else refusal("journal_mode", mode, remedy)
    remedy = "a power cut may lose the last commits: no program but Tenure may set it"
    yield well("synchronous", sync) if sync in DURABLE else refusal("synchronous", sync, remedy)


def postgresql(said: dict[str, Any], *, test_clock: bool) -> Iterator[Finding]:
    """The server's version and settings, and what this session was given."""
    unsafe = warning if test_clock else refusal
    if int(said["server_version_num"]) >= SAFE_POSTGRESQL:
        yield well("postgresql", said["server_version"])
    else:
        yield warning("postgresql", said["server_version"], "it gets no fixes any more: use 14.4 or newer")
    yield well("encoding", said["server_encoding"])  # another one is refused by the connection itself
    if said["standby"] or said["read_only"] == "on":
        remedy = (
            "nothing can be written there: name the primary in DATABASE_URL, or default_transaction_read_only = off"
        )
        yield refusal("database role", "standby" if said["standby"] else "read-only", remedy)
    else:
        yield well("database role", "primary")
    yield _on("fsync", said, unsafe, "a power cut loses commits or the whole cluster: set `fsync = on`")
    remedy = "a crash of the machine can tear pages unless the disk writes them whole: set `full_page_writes = on`"
    yield _on("full_page_writes", said, warning, remedy)
    remedy = "a crash loses commits that were answered: take it out of the options in DATABASE_URL"
    yield _on("synchronous_commit", said, unsafe, remedy)


def _on(name: str, said: dict[str, Any], otherwise: Any, remedy: str) -> Finding:
    found: Finding = well(name, said[name]) if said[name] != "off" else otherwise(name, said[name], remedy)
    return found
