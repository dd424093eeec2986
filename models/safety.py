"""Whether time can be trusted: the high-water mark of the machine's clock, and safe mode."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlmodel import Field, SQLModel

from models.upsert import insert_once, upsert


class SafetyRow(SQLModel, table=True):
    """One row: `wall_at` is the latest machine time that a clock process has seen; `why` is set in safe mode."""

    __tablename__ = "safety"

    id: int = Field(primary_key=True)
    wall_at: datetime
    why: str | None = None
    since: datetime | None = None


SAFETY = SafetyRow.__table__  # type: ignore[attr-defined]
_STATE = select(SAFETY)
_MARK = select(SAFETY.c.wall_at)


def state(tx: Connection) -> Row[Any] | None:
    """What is known; None in a new database."""
    return tx.execute(_STATE).one_or_none()


def holds(tx: Connection) -> bool:
    """Whether safe mode holds."""
    known = state(tx)
    return known is not None and known.why is not None


def why(tx: Connection) -> str | None:
    """Why safe mode holds; None when it does not."""
    known = state(tx)
    return None if known is None else known.why


def mark(tx: Connection) -> datetime | None:
    """The latest machine time that was seen; None in a new database."""
    moment: datetime | None = tx.execute(_MARK).scalar_one_or_none()
    return moment


def note(tx: Connection, wall_at: datetime) -> datetime:
    """Raise the high-water mark, and return where it stands; it never falls by itself."""
    insert_once(tx, SAFETY, ("id",), [{"id": 1, "wall_at": wall_at, "why": None, "since": None}])
    tx.execute(SAFETY.update().where(SAFETY.c.wall_at < wall_at, SAFETY.c.why.is_(None)).values(wall_at=wall_at))
    seen: datetime = tx.execute(_MARK).scalar_one()
    return seen


def server_now(tx: Connection) -> datetime | None:
    """The clock of the database's own machine; None where the database is a file of ours."""
    if tx.dialect.name != "postgresql":
        return None
    moment: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def enter(tx: Connection, why: str, at: datetime) -> bool:
    """Begin safe mode; False when it holds already, or somebody else has just begun it."""
    insert_once(tx, SAFETY, ("id",), [{"id": 1, "wall_at": at, "why": None, "since": None}])
    begun = SAFETY.update().where(SAFETY.c.why.is_(None)).values(why=why, since=at)
    return tx.execute(begun).rowcount == 1


def leave(tx: Connection, at: datetime) -> None:
    """An operator has looked: the present moment is the right one."""
    upsert(tx, SAFETY, ("id",), [{"id": 1, "wall_at": at, "why": None, "since": None}])
