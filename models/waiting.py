"""What has waited for too long: timers, effects, events. Asked by those who look, never by those who do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from models.effect import EFFECTS, IS_UNFINISHED
from models.event import EVENTS, UNSENT
from models.timer import TIMERS


@dataclass(frozen=True, slots=True)
class Queue:
    """How many wait, and since when the first of them does, in engine time; None when nobody does."""

    count: int
    since: datetime | None


def timers(tx: Connection, before: datetime) -> Queue:
    """Timers that were to be asked before a moment."""
    return _queue(tx, TIMERS.c.wakes_at, TIMERS.c.wakes_at < before)


def effects(tx: Connection, before: datetime, held: str) -> Queue:
    """Effects that were asked for before a moment and are not done; those that a guard holds wait rightly."""
    is_held = EFFECTS.c.error.startswith(held, autoescape=True)
    return _queue(
        tx,
        EFFECTS.c.asked_at,
        EFFECTS.c.asked_at < before,
        IS_UNFINISHED,
        or_(EFFECTS.c.error.is_(None), ~is_held),
    )


def events(tx: Connection, before: datetime) -> Queue:
    """Events that happened before a moment and that the stream has not got."""
    return _queue(tx, EVENTS.c.at, EVENTS.c.at < before, UNSENT)


def _queue(tx: Connection, moment: Any, *which: Any) -> Queue:
    count, since = tx.execute(select(func.count(), func.min(moment)).where(*which)).one()
    return Queue(count, since)
