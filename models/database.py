"""Connections and transactions. Helpers take an open transaction; only the verbs of workers and clock open one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

BUSY_MS = 30_000
PRAGMAS = (
    *("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"),
    "secure_delete=ON",  # what is deleted is overwritten: a forgotten customer is on no free page
)


def connect(url: str) -> Engine:
    """An engine for `sqlite:///…` or `postgresql://…`; made after the fork, one for each process."""
    if make_url(url).get_backend_name() != "sqlite":
        raise ValueError(f"DATABASE_URL {make_url(url).render_as_string()!r} is not supported; use sqlite:///path")
    Path(make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        module=pysqlite3.dbapi2,
        pool_size=32,
        connect_args={"check_same_thread": False},
        hide_parameters=True,  # an error is logged and shown, and what stands in a row may be about a person
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write; it commits at the end, or leaves nothing behind."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads: it sees one moment, and keeps nobody waiting."""
    with engine.connect().execution_options(tenure_reads=True) as connection, connection.begin():
        yield connection


def is_reading(connection: Connection) -> bool:
    """Whether this transaction only reads: then it locks no rows."""
    return bool(connection.get_execution_options().get("tenure_reads", False))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """No transaction behind our back; every commit is on the disk before it is said."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock at the start: two that read first could both claim one row."""
    reads = connection.get_execution_options().get("tenure_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
