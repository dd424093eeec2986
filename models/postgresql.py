"""PostgreSQL: how we connect, what we refuse, and which of its errors mean that another try may go well."""

import sys
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError

SETTINGS = {
    "timezone": "UTC",
    "synchronous_commit": "on",  # whatever the server is set to: what was answered is on its disk
    "statement_timeout": "60s",  # no statement of ours needs so long; one that hangs gives its place back
    "lock_timeout": "10s",  # transactions are short: who waits longer waits for somebody who hangs
    "idle_in_transaction_session_timeout": "60s",  # a process that stopped in the middle lets go of its locks
}
REACHED = {
    "client_encoding": "utf8",
    "connect_timeout": "10",
    "keepalives_idle": "30",  # a host that vanished is noticed after a minute, not after two hours
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
SNAPSHOT: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""For a transaction that only reads: all its statements see the same moment."""

COPY = "tenure_copy"
"""The option of an execution whose rows may be copied: the table and its columns."""

RECYCLE_SECONDS = 1800
UNDONE = {"40001", "40P01", "55P03"}
"""Serialization failure, deadlock, lock time-out: the transaction is undone, and nobody is to blame."""

AWAY = {"57P01", "57P02", "57P03", "53300"}
"""The server is stopped, has crashed, is starting, or has no place for one more."""


def connect(address: URL, pool: int) -> Engine:
    """An engine with psycopg 3. A connection that broke while it was idle is replaced before it is used."""
    engine = create_engine(
        address.set(drivername="postgresql+psycopg", query=_query(address)),
        pool_size=pool,
        pool_pre_ping=True,
        pool_recycle=RECYCLE_SECONDS,
        hide_parameters=True,  # an error is logged and shown, and what stands in a row may be about a person
    )
    event.listen(engine, "connect", _must_be_utf8, insert=True)
    event.listen(engine, "connect", _must_be_direct)
    event.listen(engine, "handle_error", _name_a_pooler)
    event.listen(engine, "do_executemany", _copy)
    return engine


def _copy(cursor: Any, _statement: str, rows: list[dict[str, Any]], context: Any) -> bool:
    """Send new rows by COPY, at a fifth of the price of as many INSERTs; whether it has done it."""
    into = context.execution_options.get(COPY)
    if into is None:
        return False
    table, names = into
    values = itemgetter(*names)
    with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(values(row))
    return True


def _query(address: URL) -> dict[str, Any]:
    """What the address says itself comes last, and so it wins."""
    name = {"application_name": f"tenure {Path(sys.argv[0]).stem}"}
    ours = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    return {**REACHED, **name, **address.query, "options": f"{ours} {address.query.get('options', '')}".strip()}


def _must_be_utf8(connection: Any, _record: Any) -> None:
    """Refuse a cluster that was made with the C locale: it would take any bytes for text."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding == "UTF8":
        return
    name = connection.info.dbname
    connection.close()
    raise ValueError(
        f"the database {name!r} has the encoding {encoding}, and names and letters need UTF8: "
        f"make another with `createdb --encoding=UTF8 --template=template0 NAME` and name it in DATABASE_URL"
    )


POOLER = (
    "there is a pooler between this process and PostgreSQL: it hands each transaction to another server process, so "
    "prepared statements and time limits of one session reach others; name PostgreSQL itself in DATABASE_URL"
)


def _must_be_direct(connection: Any, _record: Any) -> None:
    """Refuse a pooler: the process that greeted us is not the one that answers."""
    answering = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()[0]
    connection.rollback()
    if answering != connection.info.backend_pid:
        connection.close()
        raise ValueError(POOLER)


def _name_a_pooler(context: ExceptionContext) -> None:
    """PgBouncer refuses our settings before anybody can be asked: say what it is, for no waiting helps."""
    if "unsupported startup parameter" in str(context.original_exception):
        raise ValueError(POOLER) from None


def lock(tx: Connection, what: str) -> None:
    """Wait for a lock that goes with the end of the transaction."""
    key = int.from_bytes(blake2b(f"tenure:{what}".encode(), digest_size=8).digest(), signed=True)
    tx.execute(select(func.pg_advisory_xact_lock(key)))


def commit_lightly(tx: Connection) -> None:
    """Let this transaction be said to be over before it is on the server's disk."""
    tx.execute(text("SET LOCAL synchronous_commit = off"))


def is_for_now(wrong: DBAPIError) -> bool:
    """Whether another try may go well: another transaction stood in the way, or the server was not to be reached.

    If the connection broke at a commit, nobody knows whether it was done.
    """
    state = getattr(wrong.orig, "sqlstate", None)
    never_reached = state is None and isinstance(wrong, OperationalError)
    return wrong.connection_invalidated or never_reached or state in UNDONE or state in AWAY
