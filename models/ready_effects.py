"""What the sweep offers to the workers: effects that could be claimed now and nobody was told of; sites in turn."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, update

from models import admission
from models.effect import EFFECTS, IS_UNFINISHED, LANES, is_blocked, is_ready, queue_of, to_come


def overdue(tx: Connection, machine_now: datetime, heard: Mapping[str, datetime | None], limit: int) -> list[Row[Any]]:
    """Effects to be offered again; they are marked as announced now, so that the next sweep leaves them alone.

    `heard` says by queue since when a wake-up may still lie there: what was announced earlier is lost. None: nothing.
    """
    again = [row for queue, since in heard.items() for row in _lost(tx, machine_now, queue, since, limit)]
    known = [row for row in again if row.turn <= row.places]
    admission.surplus(tx, [row.seq for row in again if row.turn > row.places])
    new = list(tx.execute(admission.waiting_with_room(machine_now, limit)))
    admission.mark(tx, [row.seq for row in (*known, *new)], machine_now)
    return [*known, *new]


def is_anything_overdue(tx: Connection, machine_now: datetime, heard: Mapping[str, datetime | None]) -> bool:
    """Whether a sweep would find something; asked first, because most find nothing, and nobody waits for who reads."""
    lost = (_lost(tx, machine_now, queue, since, 1) for queue, since in heard.items())
    return any(lost) or bool(tx.execute(admission.waiting_with_room(machine_now, 1)).first())


def _lost(tx: Connection, machine_now: datetime, queue: str, since: datetime | None, limit: int) -> list[Row[Any]]:
    """It could be claimed now, and was not announced since it can be, or its wake-up is gone; nothing is before it."""
    ready_since = func.coalesce(EFFECTS.c.retry_at, EFFECTS.c.leased_until)
    unasked = EFFECTS.c.announced_at < ready_since
    unheard = unasked if since is None else or_(unasked, ~to_come(EFFECTS.c.announced_at, since))
    of_queue = EFFECTS.c.kind.in_([kind for kind in LANES if queue_of(kind) == queue])
    which = and_(of_queue, is_ready(machine_now), unheard, ~is_blocked())
    return list(tx.execute(admission.announced(which, limit)))


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
