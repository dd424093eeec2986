"""What the sweep offers to the workers: effects that could be claimed now and nobody was told of; sites in turn."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, update

from models import admission
from models.effect import BELIEVABLE, EFFECTS, IS_UNFINISHED, at, is_blocked, is_ready, to_come


class Heard(NamedTuple):
    """Since when a wake-up of these kinds may still be on its way: earlier ones are lost. None: none is lost."""

    kinds: list[str]
    since: datetime | None


def overdue(tx: Connection, machine_now: datetime, heard: Iterable[Heard], limit: int) -> list[Row[Any]]:
    """Effects to be offered again; they are marked as announced now, so that the next sweep leaves them alone."""
    again = [row for wake_ups in heard for row in _lost(tx, machine_now, wake_ups, limit)]
    known = [row for row in again if row.turn <= row.places]
    admission.surplus(tx, [row.seq for row in again if row.turn > row.places])
    new = admission.waiting_with_room(tx, machine_now, limit)
    admission.mark(tx, [row.seq for row in (*known, *new)], machine_now)
    return [*known, *new]


def is_anything_overdue(tx: Connection, machine_now: datetime, heard: Iterable[Heard]) -> bool:
    """Whether a sweep would find something; asked first, because most find nothing, and nobody waits for who reads."""
    lost = (_lost(tx, machine_now, wake_ups, 1) for wake_ups in heard)
    return any(lost) or bool(admission.waiting_with_room(tx, machine_now, 1))


def _lost(tx: Connection, machine_now: datetime, heard: Heard, limit: int) -> list[Row[Any]]:
    """It could be claimed now, and was not announced since it can be, or its wake-up is gone; nothing is before it."""
    values = {**at(machine_now), "kinds": heard.kinds, "most": limit}
    if heard.since is None:
        return list(tx.execute(_lost_one(), values))
    since = {"since": heard.since, "since_believable": heard.since + BELIEVABLE}
    return list(tx.execute(_lost_or_unheard(), {**values, **since}))


@cache
def _lost_one() -> Any:
    return _lost_if(_unasked())


@cache
def _lost_or_unheard() -> Any:
    unheard = ~to_come(EFFECTS.c.announced_at, bindparam("since"), bindparam("since_believable"))
    return _lost_if(or_(_unasked(), unheard))


def _lost_if(unheard: Any) -> Any:
    of_queue = EFFECTS.c.kind.in_(bindparam("kinds", expanding=True))
    return admission.announced(and_(of_queue, is_ready(), unheard, ~is_blocked()))


def _unasked() -> Any:
    return EFFECTS.c.announced_at < func.coalesce(EFFECTS.c.retry_at, EFFECTS.c.leased_until)


def ask_again(tx: Connection, kind: str, machine_now: datetime) -> None:
    """A guard of all effects of a kind has changed: those that wait for their next try are ready now."""
    waits = and_(IS_UNFINISHED, EFFECTS.c.status == "pending", EFFECTS.c.retry_at.is_not(None))
    tx.execute(update(EFFECTS).where(EFFECTS.c.kind == kind, waits).values(retry_at=machine_now))


def ready_for_new_moment(tx: Connection, machine_now: datetime) -> None:
    """The test clock moved: every effect that waits for a retry is ready at once."""
    tx.execute(
        update(EFFECTS)
        .where(IS_UNFINISHED, EFFECTS.c.status == "pending", EFFECTS.c.retry_at.is_not(None))
        .values(retry_at=machine_now, announced_at=machine_now - timedelta(minutes=1))
    )
