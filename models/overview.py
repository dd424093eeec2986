"""The whole fleet in a few numbers. Each is read from an index, however many sites there are."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from models.effect import EFFECTS
from models.event import EVENTS
from models.receipt import RECEIPTS
from models.site import IS_FAULTY, IS_HELD, IS_MISSING, IS_OVER_PLAN, IS_UNPAID, SITES
from models.timer import IS_DELETION, TIMERS

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Some:
    """How many there are, since when (or at which moment, for what is to come) the first, and one of them by its id."""

    count: int
    first_at: datetime | None
    site_id: str | None


def missing_points(tx: Connection) -> Some:
    """Online sites that miss a restore point, by the night on which that was found."""
    return Some(*tx.execute(_missing()).one())


@cache
def _missing() -> Any:
    of_one = select(SITES.c.id).where(IS_MISSING).order_by(SITES.c.night_at).limit(1).scalar_subquery()
    return select(func.count(), func.min(SITES.c.night_at), of_one).where(IS_MISSING)


def states(tx: Connection) -> dict[str, int]:
    """Sites by state."""
    return {row[0]: row[1] for row in tx.execute(_states())}


@cache
def _states() -> Any:
    return select(SITES.c.state, func.count()).group_by(SITES.c.state)


MARKS = {"attention": IS_FAULTY, "held": IS_HELD, "unpaid": IS_UNPAID, "over_plan": IS_OVER_PLAN}
"""What a site may be marked with, by name, each with the predicate of its index."""


def marks(tx: Connection) -> dict[str, int]:
    """How many sites have a fault, are held, owe, or have more agents in use than paid for."""
    return {name: int(tx.execute(_marked(name)).scalar_one()) for name in MARKS}


@cache
def _marked(name: str) -> Any:
    return select(func.count()).select_from(SITES).where(MARKS[name], SITES.c.state != "deleted")


def deletions(tx: Connection, until: datetime) -> Some:
    """The deletions that are due until a moment, and the first of them."""
    return Some(*tx.execute(_deletions(), {"until": until}).one())


@cache
def _deletions() -> Any:
    which = (IS_DELETION, TIMERS.c.due_at <= bindparam("until"))
    first = select(TIMERS.c.site_id).where(*which).order_by(TIMERS.c.due_at).limit(1).scalar_subquery()
    return select(func.count(), func.min(TIMERS.c.due_at), first).where(*which)


def rates(tx: Connection, now: datetime) -> dict[str, int]:
    """What was written in the last minute of engine time: commands answered, effects asked for, events."""
    tables = (("commands", RECEIPTS, "at"), ("effects", EFFECTS, "asked_at"), ("events", EVENTS, "at"))
    return {name: _since(tx, table, column, now - MINUTE) for name, table, column in tables}


def _since(tx: Connection, table: Any, column: str, since: datetime) -> int:
    """Rows written after a moment: their numbers rise with time, so that the first is found by halving."""
    newest: int = tx.execute(_newest(table)).scalar_one() or 0
    low, high = 0, newest
    while low < high:
        middle = (low + high + 1) // 2
        at = tx.execute(_at_or_before(table, column), {"seq": middle}).scalar_one_or_none()
        low, high = (middle, high) if at is None or at <= since else (low, middle - 1)
    return newest - low


@cache
def _newest(table: Any) -> Any:
    return select(func.max(table.c.seq))


@cache
def _at_or_before(table: Any, column: str) -> Any:
    query = select(table.c[column]).where(table.c.seq <= bindparam("seq"))
    return query.order_by(table.c.seq.desc()).limit(1)
