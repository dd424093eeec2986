"""Messages that nobody could read or do: kept here with their reason, because Redis forgets them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, true
from sqlmodel import Field, SQLModel
from uuid_utils import uuid7

from models.sequence import COUNTERS, count
from models.upsert import insert_once


class DeadRow(SQLModel, table=True):
    """One message that was put aside; `body` is its text with what is not text escaped. `at` is machine time.

    What is `readable` is a command that could not be done; the rest is what nobody can read. `bytes` are the message's.
    """

    __tablename__ = "dead"

    id: str = Field(primary_key=True)
    queue: str
    reason: str
    body: str
    at: datetime
    readable: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    bytes: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


DEAD = DeadRow.__table__  # type: ignore[attr-defined]
MOST, MOST_BYTES = 1_000, 16 << 20
"""Messages that nobody can read are kept up to so many and so many bytes: anybody may send them without end."""

FORGOTTEN = "dead.forgotten"
BATCH = 500


def add(tx: Connection, queue: str, reason: str, body: str, at: datetime, key: str | None = None) -> str:
    """Keep a message that could not be done, once for each key; the id under which it is found again."""
    return _add(tx, {"queue": queue, "reason": reason, "body": body, "at": at, "readable": True}, key)


def add_unreadable(tx: Connection, queue: str, reason: str, body: str, at: datetime, key: str | None = None) -> str:
    """Keep a message that nobody can read, for as long as there is room for it; its id."""
    return _add(tx, {"queue": queue, "reason": reason, "body": body, "at": at, "readable": False}, key)


def _add(tx: Connection, message: dict[str, Any], key: str | None) -> str:
    dead_id = f"msg_{key or uuid7().hex}"
    insert_once(tx, DEAD, ("id",), [{"id": dead_id, "bytes": len(message["body"].encode()), **message}])
    return dead_id


def make_room(tx: Connection) -> int:
    """Forget the oldest of those that nobody can read, where there are too many; how many went. They are counted."""
    newest = select(DEAD.c.id, DEAD.c.bytes).where(~DEAD.c.readable).order_by(DEAD.c.at.desc(), DEAD.c.id.desc())
    kept, gone = 0, []
    for number, row in enumerate(tx.execute(newest)):
        kept += row.bytes
        if number >= MOST or kept > MOST_BYTES:
            gone.append(row.id)
    for start in range(0, len(gone), BATCH):
        tx.execute(delete(DEAD).where(DEAD.c.id.in_(gone[start : start + BATCH])))
    if gone:
        count(tx, FORGOTTEN, len(gone))
    return len(gone)


def messages(tx: Connection) -> list[Row[Any]]:
    """All that are kept, oldest first."""
    return list(tx.execute(select(DEAD).order_by(DEAD.c.at, DEAD.c.id)))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many could be read, how many could not, and how many of these were forgotten to make room."""

    readable: int
    unreadable: int
    forgotten: int


def counts(tx: Connection) -> Counts:
    """How many messages are kept."""
    numbers = {row[0]: row[1] for row in tx.execute(select(DEAD.c.readable, func.count()).group_by(DEAD.c.readable))}
    forgotten = tx.execute(select(COUNTERS.c.value).where(COUNTERS.c.name == FORGOTTEN)).scalar_one_or_none()
    return Counts(numbers.get(True, 0), numbers.get(False, 0), forgotten or 0)


def take(tx: Connection, dead_id: str) -> Row[Any] | None:
    """Remove a message and hand it out."""
    return tx.execute(delete(DEAD).where(DEAD.c.id == dead_id).returning(*DEAD.c)).one_or_none()
