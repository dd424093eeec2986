"""What is due, per site and kind. The dates live here and nowhere else."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlmodel import Field, SQLModel

import engine
from models.site import FACTS, SITES
from models.upsert import upsert


class Timer(SQLModel, table=True):
    """One timed move of one site; `wakes_at` is when it is asked, later than `due_at` once a guard held it."""

    site_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    generation: int
    due_at: datetime
    wakes_at: datetime = Field(index=True)


TIMERS = Timer.__table__  # type: ignore[attr-defined]


def earliest(tx: Connection, after: datetime | None = None) -> datetime | None:
    """The next moment at which something is due; `after` leaves out what is due already."""
    query = select(func.min(TIMERS.c.wakes_at))
    moment: datetime | None = tx.execute(
        query if after is None else query.where(TIMERS.c.wakes_at > after)
    ).scalar_one()
    return moment


def due(tx: Connection, now: datetime, limit: int) -> list[Row[Any]]:
    """Timers whose moment has come, oldest first, locked so that another clock passes them by."""
    query = select(TIMERS).where(TIMERS.c.wakes_at <= now).order_by(TIMERS.c.wakes_at, TIMERS.c.site_id).limit(limit)
    return list(tx.execute(query.with_for_update(skip_locked=True)))


def rewrite(
    tx: Connection,
    site_id: str,
    generation: int,
    before: Mapping[str, datetime],
    after: Mapping[str, datetime],
    now: datetime,
) -> None:
    """Bring a site's rows to `after`: what changed, what is new, what is gone, and what is overdue and asked again."""
    gone = [kind for kind in before if kind not in after]
    if gone:
        tx.execute(delete(TIMERS).where(TIMERS.c.site_id == site_id, TIMERS.c.kind.in_(gone)))
    rows = [
        {"site_id": site_id, "kind": kind, "generation": generation, "due_at": due_at, "wakes_at": due_at}
        for kind, due_at in after.items()
        if before.get(kind) != due_at or due_at <= now
    ]
    if rows:
        upsert(tx, TIMERS, ("site_id", "kind"), rows)


def put_off(tx: Connection, site_id: str, kind: str, wakes_at: datetime) -> None:
    """Ask a held timer again at a strictly later moment."""
    tx.execute(update(TIMERS).where(TIMERS.c.site_id == site_id, TIMERS.c.kind == kind).values(wakes_at=wakes_at))


def ask_again(tx: Connection, kind: str, now: datetime) -> None:
    """A guard of all timers of a kind has changed: those that were put off are asked when they were due."""
    put_off_ones = update(TIMERS).where(TIMERS.c.kind == kind, TIMERS.c.wakes_at > TIMERS.c.due_at)
    tx.execute(put_off_ones.where(TIMERS.c.due_at <= now).values(wakes_at=now))


def of_site(tx: Connection, site_id: str) -> dict[str, datetime]:
    """A site's timers by kind, as they will be asked."""
    query = select(TIMERS.c.kind, TIMERS.c.wakes_at).where(TIMERS.c.site_id == site_id)
    return {row.kind: row.wakes_at for row in tx.execute(query.order_by(TIMERS.c.wakes_at))}


def upcoming(
    tx: Connection, *, until: datetime | None, site_id: str | None, kind: str | None = None
) -> list[tuple[datetime, str, engine.Site]]:
    """What will be asked next and of whom, earliest first."""
    columns = [SITES.c[name] for name in FACTS]
    query = select(TIMERS.c.wakes_at, TIMERS.c.kind, *columns).join(SITES, SITES.c.id == TIMERS.c.site_id)
    query = query if until is None else query.where(TIMERS.c.wakes_at <= until)
    query = query if site_id is None else query.where(TIMERS.c.site_id == site_id)
    query = query if kind is None else query.where(TIMERS.c.kind == kind)
    rows = tx.execute(query.order_by(TIMERS.c.wakes_at, SITES.c.host))
    return [(wakes_at, what, engine.Site(*facts)) for wakes_at, what, *facts in rows]
