"""What is offered to the workers: effects that could be claimed now, when room was made for them and by the sweep."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, or_, select, update

from models.effect import EFFECTS, IS_UNFINISHED, LANES, is_blocked, is_ready, to_come


def next_of_site(tx: Connection, site_id: str, machine_now: datetime) -> list[Row[Any]]:
    """A site's effects that could be claimed now: what an effect that was settled has made room for."""
    query = select(EFFECTS.c.id, EFFECTS.c.kind).where(EFFECTS.c.site_id == site_id, EFFECTS.c.status == "pending")
    return list(tx.execute(query.where(is_ready(machine_now), ~is_blocked()).order_by(EFFECTS.c.seq)))


def overdue(
    tx: Connection, machine_now: datetime, unheard: timedelta, limit: int, kinds: tuple[str, ...] = tuple(LANES)
) -> list[Row[Any]]:
    """Effects to be offered again; they are marked as announced now, so that the next sweep leaves them alone."""
    query = select(EFFECTS.c.id, EFFECTS.c.kind, EFFECTS.c.status).where(_is_overdue(machine_now, unheard))
    rows = list(tx.execute(query.where(EFFECTS.c.kind.in_(kinds)).order_by(EFFECTS.c.seq).limit(limit)))
    tx.execute(update(EFFECTS).where(EFFECTS.c.id.in_([row.id for row in rows])).values(announced_at=machine_now))
    return rows


def is_anything_overdue(tx: Connection, machine_now: datetime, unheard: timedelta) -> bool:
    """Whether a sweep would find something; asked first, because most find nothing."""
    return bool(tx.execute(select(exists(select(EFFECTS.c.seq).where(_is_overdue(machine_now, unheard))))).scalar_one())


def _is_overdue(machine_now: datetime, unheard: timedelta) -> Any:
    """It could be claimed now, and was not announced since it can be, or nobody answered; nothing stands before it."""
    ready_since = func.coalesce(EFFECTS.c.retry_at, EFFECTS.c.leased_until)
    unasked = EFFECTS.c.announced_at < ready_since
    unanswered = ~to_come(EFFECTS.c.announced_at, machine_now - unheard)
    return and_(IS_UNFINISHED, is_ready(machine_now), or_(unasked, unanswered), ~is_blocked())


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
