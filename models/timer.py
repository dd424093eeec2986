"""What is due, per site and kind. The dates live here and nowhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Index, bindparam, delete, exists, func, select, text, update
from sqlmodel import Field, SQLModel

import engine
from models.bulk import execute_many
from models.columns import with_moments
from models.in_list import among
from models.site import FACTS, SITES
from models.timestamps import stamp
from models.upsert import upsert

_DELETIONS = text("kind = 'delete'")


class TimerRow(SQLModel, table=True):
    """One timed move of one site; `wakes_at` is when it is asked, later than `due_at` once a guard held it."""

    __tablename__ = "timer"

    __table_args__ = (
        Index("ix_timer_due", "wakes_at", "site_id"),
        Index("ix_timer_delete", "due_at", sqlite_where=_DELETIONS, postgresql_where=_DELETIONS),
    )

    site_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    generation: int
    due_at: datetime
    wakes_at: datetime


TIMERS = with_moments(TimerRow.__table__)  # type: ignore[attr-defined]
IS_DELETION: Any = text("timer.kind = 'delete'")
"""In the words of the index: a database that is asked in others reads every timer there is."""
_SITE = [SITES.c[name] for name in FACTS]
_KEY = (TIMERS.c.site_id == bindparam("of_id"), TIMERS.c.kind == bindparam("of_kind"))
_REMOVE = delete(TIMERS).where(*_KEY)


def earliest(tx: Connection, after: datetime | None = None) -> datetime | None:
    """The next moment at which something is due; `after` leaves out what is due already."""
    query = select(func.min(TIMERS.c.wakes_at))
    moment: datetime | None = tx.execute(
        query if after is None else query.where(TIMERS.c.wakes_at > after)
    ).scalar_one()
    return moment


@dataclass(frozen=True, slots=True)
class Due:
    """A timer whose moment has come, with the facts of its site."""

    site: engine.Site
    kind: str
    generation: int
    due_at: datetime

    @property
    def key(self) -> str:
        """Derived, so that a second firing of the same timer is the same command."""
        return f"{self.site.id}:{self.kind}:{self.generation}:{stamp(self.due_at)}"


def claim_due(tx: Connection, now: datetime, limit: int) -> list[Due]:
    """Timers whose moment has come, oldest first. Their sites are locked, and one that is locked already is passed by.

    The site's row is the one lock there is: a command that holds it may rewrite the timers.
    """
    rows = tx.execute(_claim_due(), {"now": now, "most": limit}).all()
    return [Due(engine.site_of(facts), kind, generation, due_at) for kind, generation, due_at, *facts in rows]


@cache
def _claim_due() -> Any:
    query = _due(TIMERS.c.kind, TIMERS.c.generation, TIMERS.c.due_at, *_SITE)
    return query.with_for_update(of=SITES, skip_locked=True)


def put_off_orphans(tx: Connection, now: datetime, wakes_at: datetime) -> list[str]:
    """Ask due timers whose site is not there again later, and return their site ids: nothing else would stop them."""
    return list(tx.execute(_put_off_orphans(), {"now": now, "later": wakes_at}).scalars())


@cache
def _put_off_orphans() -> Any:
    has_site = exists(select(SITES.c.id).where(SITES.c.id == TIMERS.c.site_id))
    orphans = update(TIMERS).where(TIMERS.c.wakes_at <= bindparam("now"), ~has_site)
    return orphans.values(wakes_at=bindparam("later")).returning(TIMERS.c.site_id)


def sites_due(tx: Connection, kind: str, now: datetime, limit: int) -> list[str]:
    """The sites of the timers of one kind among those that would be claimed next."""
    return list(tx.execute(_sites_due(), {"kind": kind, "now": now, "most": limit}).scalars())


@cache
def _sites_due() -> Any:
    due = _due(TIMERS.c.site_id, TIMERS.c.kind).subquery()
    return select(due.c.site_id).where(due.c.kind == bindparam("kind"))


def _due(*columns: Any) -> Any:
    """In the order of the index: else all that are due at one moment would be sorted for each batch."""
    query = select(*columns).join_from(TIMERS, SITES, SITES.c.id == TIMERS.c.site_id)
    due = query.where(TIMERS.c.wakes_at <= bindparam("now"))
    return due.order_by(TIMERS.c.wakes_at, TIMERS.c.site_id).limit(bindparam("most"))


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A site's timers by kind, as they were and as they are to be; `begins` tells that its generation is a new one."""

    site_id: str
    generation: int
    before: Mapping[str, datetime]
    after: Mapping[str, datetime]
    begins: bool = False


def rewrite_all(tx: Connection, rewrites: Iterable[Rewrite], now: datetime) -> None:
    """Bring sites' rows to `after`: what changed, what is new, what is gone, and what is overdue and asked again."""
    gone: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for one in rewrites:
        gone += [{"of_id": one.site_id, "of_kind": kind} for kind in one.before if kind not in one.after]
        rows += [
            {"site_id": one.site_id, "kind": kind, "generation": one.generation, "due_at": at, "wakes_at": at}
            for kind, at in one.after.items()
            if one.begins or one.before.get(kind) != at or at <= now
        ]
    if gone:
        execute_many(tx, _REMOVE, gone)
    if rows:
        upsert(tx, TIMERS, ("site_id", "kind"), rows)


def late_deletions(tx: Connection, now: datetime) -> list[str]:
    """The sites whose deletion was due and has not begun, whenever it is asked again."""
    return list(tx.execute(select(TIMERS.c.site_id).where(IS_DELETION, TIMERS.c.due_at <= now)).scalars())


def put_off(tx: Connection, held: list[tuple[str, str, datetime]]) -> None:
    """Ask held timers (site id, kind) again, each at a strictly later moment."""
    if held:
        rows = [{"of_id": site_id, "of_kind": kind, "later": later} for site_id, kind, later in held]
        tx.execute(update(TIMERS).where(*_KEY).values(wakes_at=bindparam("later")), rows)


def ask_deletions_again(tx: Connection, now: datetime) -> None:
    """A guard of all deletions has changed: those that were due and were put off are asked now."""
    put_off_ones = update(TIMERS).where(IS_DELETION, TIMERS.c.due_at <= now, TIMERS.c.wakes_at > TIMERS.c.due_at)
    tx.execute(put_off_ones.values(wakes_at=now))


def of_site(tx: Connection, site_id: str) -> dict[str, datetime]:
    """A site's timers by kind, as they will be asked."""
    query = select(TIMERS.c.kind, TIMERS.c.wakes_at).where(TIMERS.c.site_id == site_id)
    return {row.kind: row.wakes_at for row in tx.execute(query.order_by(TIMERS.c.wakes_at))}


def due_of(tx: Connection, site_ids: list[str]) -> dict[str, dict[str, datetime]]:
    """The timers of many sites by kind, as they are due."""
    found: dict[str, dict[str, datetime]] = {}
    query = select(TIMERS.c.site_id, TIMERS.c.kind, TIMERS.c.due_at).where(among(tx, TIMERS.c.site_id, site_ids))
    for site_id, kind, due_at in tx.execute(query):
        found.setdefault(site_id, {})[kind] = due_at
    return found


def upcoming(
    tx: Connection, *, until: datetime | None, site_id: str | None = None, limit: int | None = None
) -> list[tuple[datetime, str, engine.Site]]:
    """What will be asked next and of whom, earliest first; `limit` is for whoever reads no more."""
    return _steps(tx, *([] if site_id is None else [TIMERS.c.site_id == site_id]), until=until, limit=limit)


def upcoming_deletions(tx: Connection, until: datetime | None = None) -> list[tuple[datetime, str, engine.Site]]:
    """The deletions among what will be asked next."""
    return _steps(tx, IS_DELETION, until=until)


def _steps(
    tx: Connection, *which: Any, until: datetime | None, limit: int | None = None
) -> list[tuple[datetime, str, engine.Site]]:
    """By moment, then by hostname: sorted here, for the database would sort a whole fleet that has one moment."""
    query = select(TIMERS.c.wakes_at, TIMERS.c.kind, *_SITE).join_from(TIMERS, SITES, SITES.c.id == TIMERS.c.site_id)
    query = query.where(*which, *([] if until is None else [TIMERS.c.wakes_at <= until]))
    rows = tx.execute(query.order_by(TIMERS.c.wakes_at, TIMERS.c.site_id).limit(limit)).all()
    found = [(wakes_at, kind, engine.site_of(facts)) for wakes_at, kind, *facts in rows]
    return sorted(found, key=lambda step: (step[0], step[2].host))
