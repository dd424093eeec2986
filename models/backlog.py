"""What has waited for too long: timers, effects, events. Asked by those who look, never by those who do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, func, or_, select

from models.effect import EFFECTS, IS_UNFINISHED, at, is_blocked, is_ready
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


@dataclass(frozen=True, slots=True)
class ReadyWork:
    """Effects of a queue that could be claimed now, and since when the first of them could, in machine time.

    Those that are not `admitted` wait until others of their own site are done.
    """

    queue: str
    admitted: bool
    count: int
    since: datetime


def ready(tx: Connection, machine_now: datetime, queue_of: Callable[[str], str]) -> list[ReadyWork]:
    """What could be done now and nobody does, by the queue of its kind, the longest wait first."""
    since = func.min(func.coalesce(EFFECTS.c.waits_since, EFFECTS.c.announced_at))
    which = (IS_UNFINISHED, EFFECTS.c.status == "pending", is_ready(), ~is_blocked())
    query = select(EFFECTS.c.kind, EFFECTS.c.admitted, func.count(), since).where(*which)
    found: dict[tuple[str, bool], ReadyWork] = {}
    for kind, admitted, count, first in tx.execute(query.group_by(EFFECTS.c.kind, EFFECTS.c.admitted), at(machine_now)):
        key = (queue_of(kind), bool(admitted))
        known = found.get(key, ReadyWork(*key, 0, first))
        found[key] = ReadyWork(*key, known.count + count, min(known.since, first))
    return sorted(found.values(), key=attrgetter("since"))


def _queue(tx: Connection, moment: Any, *which: Any) -> Queue:
    count, since = tx.execute(select(func.count(), func.min(moment)).where(*which)).one()
    return Queue(count, since)
