"""How far the removal of old rows has come: one row for each pass over a table, written with what it removes."""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, select, text, update
from sqlmodel import Field, SQLModel

from models.bulk import execute_many
from models.columns import Big, with_moments
from models.upsert import insert_once


class HistoryRow(SQLModel, table=True):
    """A pass: every row up to `seq` was looked at; none that is younger than `since` (engine time) was removed."""

    __tablename__ = "history"

    name: str = Field(primary_key=True)
    seq: int = Field(default=0, sa_type=Big)
    since: datetime | None = None


HISTORY = with_moments(HistoryRow.__table__)  # type: ignore[attr-defined]


def positions(tx: Connection) -> dict[str, int]:
    """Up to which row each pass has looked; one that has never begun is missing."""
    return {row.name: row.seq for row in tx.execute(select(HISTORY))}


def since(tx: Connection) -> dict[str, datetime]:
    """Since when all is kept, by pass; one that has removed nothing is missing."""
    return {row.name: row.since for row in tx.execute(select(HISTORY)) if row.since is not None}


def begin(tx: Connection, name: str) -> None:
    """Let a pass be known; twice changes nothing."""
    insert_once(tx, HISTORY, ("name",), [{"name": name, "seq": 0}])


def move_on(tx: Connection, name: str, seen: int, seq: int, since: datetime) -> bool:
    """Note how far a pass has come; False when another clock has moved it since it stood at `seen`."""
    return tx.execute(_move_on(), {"pass_name": name, "seen": seen, "to": seq, "kept_since": since}).rowcount == 1


@cache
def _move_on() -> Any:
    same = (HISTORY.c.name == bindparam("pass_name"), HISTORY.c.seq == bindparam("seen"))
    return update(HISTORY).where(*same).values(seq=bindparam("to"), since=bindparam("kept_since"))


@cache
def removal(table: Table) -> Any:
    """The removal of a row by its number."""
    return delete(table).where(table.c.seq == bindparam("removed_seq"))


def remove(tx: Connection, statement: Any, seqs: list[int]) -> int:
    """Remove rows by their numbers; how many were there."""
    return execute_many(tx, statement, [{"removed_seq": seq} for seq in seqs]) if seqs else 0


def count(tx: Connection, table: Table) -> int:
    """How many rows a table has; PostgreSQL's own estimate where it has one, for counting reads all of them."""
    if tx.dialect.name == "postgresql":
        known = text("SELECT reltuples::bigint FROM pg_class WHERE oid = CAST(:name AS regclass)")
        estimate = int(tx.execute(known, {"name": table.name}).scalar_one())
        if estimate > 0:
            return estimate
    return int(tx.execute(select(func.count()).select_from(table)).scalar_one())
