"""Connections and transactions. Helpers take an open transaction; only the verbs of workers and clock open one.

A transaction takes its locks in one order, on both databases: sites (by id), then the clock, then everything else.
SQLite has one writer at a time; on PostgreSQL the row of a site stands for all that belongs to the site.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import pysqlite3.dbapi2
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from models import postgresql

POOL = 32
BUSY_MS = 5_000
LOOK_SECONDS = 0.001
LOOKING_SECONDS = 25.0
"""A writer waits for its lock half a minute: so long it looks for itself, and then SQLite does."""
PRAGMAS = (
    *("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"),
    "wal_autocheckpoint=8000",
    "secure_delete=ON",  # what is deleted is overwritten: a forgotten customer is on no free page
)
STATEMENTS = 32
"""Prepared statements that a connection keeps: of more, most are long ones of a batch that never come again."""

READS = {"tenure_reads": True}
LIGHT = {"tenure_light": True}

_writers: WeakKeyDictionary[Engine, Lock] = WeakKeyDictionary()
"""Of each SQLite database of this process, whose turn it is to write."""


def connect(url: str) -> Engine:
    """An engine for `sqlite:///…` or `postgresql://…`; made after the fork, one for each process.

    Raises ValueError for any other database.
    """
    address = make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url)
    if address.get_backend_name() == "postgresql":
        return postgresql.connect(address, POOL)
    if address.get_backend_name() == "sqlite":
        return _connect_sqlite(address)
    shown = address.render_as_string()
    raise ValueError(f"DATABASE_URL {shown!r} is not supported; use sqlite:///path or postgresql://user@host/name")


def _connect_sqlite(address: URL) -> Engine:
    Path(address.database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        address,
        module=pysqlite3.dbapi2,
        pool_size=POOL,
        connect_args={"check_same_thread": False, "cached_statements": STATEMENTS},
        hide_parameters=True,  # an error is logged and shown, and what stands in a row may be about a person
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    _writers[engine] = Lock()
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write; it commits at the end, or leaves nothing behind."""
    with _turn(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """SQLite has one writer: the threads of a process queue here, asleep, and one of them looks for its lock.

    Whoever has waited too long goes on without a turn: SQLite says what is wrong.
    """
    writer = _writers.get(engine)
    is_ours = writer is not None and writer.acquire(timeout=LOOKING_SECONDS)
    try:
        yield
    finally:
        if writer is not None and is_ours:
            writer.release()


@contextmanager
def writing_lightly(engine: Engine) -> Iterator[Connection]:
    """As `writing`, but a power cut may take it back until the next commit: for what may be done twice."""
    with _turn(engine), engine.connect().execution_options(**LIGHT) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            postgresql.commit_lightly(connection)
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads: it sees one moment, and keeps nobody waiting."""
    options = postgresql.SNAPSHOT if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**READS, **options) as connection, connection.begin():
        yield connection


def is_reading(connection: Connection) -> bool:
    """Whether this transaction only reads: then it locks no rows."""
    return bool(connection.get_execution_options().get("tenure_reads", False))


def one_at_a_time(tx: Connection, what: str) -> None:
    """Wait until no other transaction does the same: SQLite has one writer anyway, PostgreSQL is asked for a lock."""
    if tx.dialect.name == "postgresql":
        postgresql.lock(tx, what)


def checkpoint(engine: Engine, how: str = "PASSIVE") -> bool:
    """Carry SQLite's log over into its file; False when somebody stands in the way.

    Whoever has time does it: else the commit that fills the log does, and its caller waits. `TRUNCATE` empties it.
    """
    if engine.dialect.name != "sqlite":
        return True
    pragma = f"PRAGMA wal_checkpoint({how})"
    with engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        try:
            (busy, *_) = raw.execute(pragma).fetchone()
        except pysqlite3.dbapi2.Error as wrong:
            raise OperationalError(pragma, None, wrong) from wrong
    return not busy


def is_for_now(wrong: DBAPIError) -> bool:
    """Whether the same transaction may go well a moment later. SQLite has waited for its lock long enough already."""
    return not isinstance(wrong.orig, pysqlite3.dbapi2.Error) and postgresql.is_for_now(wrong)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """No transaction behind our back; every commit is on the disk before it is said."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock at the start: two that read first could both claim one row."""
    if is_reading(connection):
        connection.exec_driver_sql("BEGIN")
        return
    raw: Any = connection.connection.driver_connection
    light = connection.get_execution_options().get("tenure_light", False)
    raw.execute(f"PRAGMA synchronous={'NORMAL' if light else 'FULL'}").close()
    if not _has_begun_soon(raw):
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # says what is wrong


def _has_begun_soon(raw: Any) -> bool:
    """Look for the write lock every millisecond: SQLite's own waiters sleep up to a tenth of a second between looks."""
    deadline = time.monotonic() + LOOKING_SECONDS
    raw.execute("PRAGMA busy_timeout=0").close()
    try:
        while time.monotonic() < deadline:
            try:
                raw.execute("BEGIN IMMEDIATE").close()
            except pysqlite3.dbapi2.OperationalError as wrong:
                if wrong.sqlite_errorcode != pysqlite3.dbapi2.SQLITE_BUSY:
                    return False
                time.sleep(LOOK_SECONDS)
            else:
                return True
        return False
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_MS}").close()
