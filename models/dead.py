"""Messages that nobody could read or do: kept here with their reason, because Redis forgets them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, true
from sqlmodel import Field, SQLModel
from uuid_utils import uuid7

from models.upsert import insert_once


class Dead(SQLModel, table=True):
    """One message that was put aside; `body` is its text with what is not text escaped. `at` is machine time.

    What is `readable` is a command that could not be done; the rest is what nobody can read. `bytes` are the message's.
    """

    id: str = Field(primary_key=True)
    queue: str
    reason: str
    body: str
    at: datetime
    readable: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    bytes: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


DEAD = Dead.__table__  # type: ignore[attr-defined]


def add(tx: Connection, queue: str, reason: str, body: str, at: datetime, key: str | None = None) -> str:
    """Keep a message, once for each key; the id under which it is found again."""
    dead_id = f"msg_{key or uuid7().hex}"
    insert_once(tx, DEAD, ("id",), [{"id": dead_id, "queue": queue, "reason": reason, "body": body, "at": at}])
    return dead_id


def messages(tx: Connection) -> list[Row[Any]]:
    """All that are kept, oldest first."""
    return list(tx.execute(select(DEAD).order_by(DEAD.c.at, DEAD.c.id)))


def take(tx: Connection, dead_id: str) -> Row[Any] | None:
    """Remove a message and hand it out."""
    return tx.execute(delete(DEAD).where(DEAD.c.id == dead_id).returning(*DEAD.c)).one_or_none()
