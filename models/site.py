"""Where each site is: one row with the engine's facts, column for field."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Column, Connection, Executable, Index, RowMapping, Text, and_, bindparam, select, text, update
from sqlmodel import Field, SQLModel

import engine
from models.bulk import KEPT, execute_many, insert_many
from models.columns import Big, Frozen, Several, Words, with_moments
from models.database import is_reading
from models.in_list import among

_MISSING = text("missing <> ''")
_FAULTY = text("faults <> ''")
_HELD = text("held_for is not null")
_UNPAID = text("unpaid_since is not null")
_OVER_PLAN = text("used_agents > plan_agents")


class SiteRow(SQLModel, table=True):
    """The engine's `Site`, stored. A hostname belongs to one living site at a time."""

    __tablename__ = "site"

    __table_args__ = (
        Index(
            "uq_site_host_living",
            "host",
            unique=True,
            sqlite_where=text("state <> 'deleted'"),
            postgresql_where=text("state <> 'deleted'"),
        ),
        Index("ix_site_host", "host"),
        Index("ix_site_missing", "night_at", sqlite_where=_MISSING, postgresql_where=_MISSING),
        Index("ix_site_faulty", "id", sqlite_where=_FAULTY, postgresql_where=_FAULTY),
        Index("ix_site_held", "id", sqlite_where=_HELD, postgresql_where=_HELD),
        Index("ix_site_unpaid", "id", sqlite_where=_UNPAID, postgresql_where=_UNPAID),
        Index("ix_site_over_plan", "id", sqlite_where=_OVER_PLAN, postgresql_where=_OVER_PLAN),
    )

    id: str = Field(primary_key=True)
    host: str
    account: str = Field(index=True)
    email: str = Field(index=True)
    state: str = Field(index=True)
    created_at: datetime
    version: int = 0
    generation: int = 0
    ready_at: datetime | None = None
    trial_ends_at: datetime | None = None
    trial_days: int = 30
    trial_agents: int = 5
    agents_allowed: int = 0
    used_agents: int = 0
    plan_agents: int | None = None
    next_agents: int | None = None
    price_cents: int | None = Field(default=None, sa_type=Big)
    currency: str | None = None
    payment_method: str | None = None
    anchor_at: datetime | None = None
    period_start: datetime | None = None
    period_ends_at: datetime | None = None
    charged_at: datetime | None = None
    cancels_at: datetime | None = None
    cancelled_at: datetime | None = None
    retention_days: int | None = None
    export_ready_at: datetime | None = None
    final_backup_at: datetime | None = None
    warned_at: datetime | None = None
    final_warning_at: datetime | None = None
    notice_sent_at: datetime | None = None
    deletes_at: datetime | None = None
    deleted_at: datetime | None = None
    held_for: str | None = None
    held_since: datetime | None = None
    suspended_reason: str | None = None
    suspended_from: str | None = None
    suspended_at: datetime | None = None
    unpaid_since: datetime | None = None
    reminded_at: datetime | None = None
    night_at: datetime | None = None
    night_again_at: datetime | None = None
    nights_from: datetime | None = None
    saved_at: datetime | None = None
    attention: str | None = None
    waived: tuple[str, ...] = Field(default=(), sa_column=Column(Words, nullable=False, default=()))
    missing: tuple[str, ...] = Field(default=(), sa_column=Column(Words, nullable=False, default=(), server_default=""))
    owed: Any = Field(default=None, sa_column=Column(Frozen(engine.Owed)))
    paying: Any = Field(default=None, sa_column=Column(Frozen(engine.Paying)))
    faults: Any = Field(default=(), sa_column=Column(Several(engine.Fault), nullable=False, server_default=""))
    dropped: Any = Field(default=(), sa_column=Column(Several(engine.Paying), nullable=False, server_default=""))
    removing_since: datetime | None = None
    contact_since: datetime | None = None


SITES = with_moments(SiteRow.__table__)  # type: ignore[attr-defined]
FACTS = tuple(field.name for field in fields(engine.Site))
_COLUMNS = [SITES.c[name] for name in FACTS]
_LIVES = SITES.c.state != "deleted"
_read = attrgetter(*FACTS)


def find(tx: Connection, subject: str) -> engine.Site | None:
    """The site by its id or hostname, locked if this transaction writes: the living one, else its latest tombstone."""
    name = "id" if subject.startswith("site_") else "host"
    row = tx.execute(_held(tx, _find(name)), {"subject": subject}).one_or_none()
    return None if row is None else engine.site_of(row)


@cache
def _find(name: str) -> Any:
    found = select(*_COLUMNS).where(SITES.c[name] == bindparam("subject"))
    return found.order_by(SITES.c.deleted_at.is_not(None), SITES.c.deleted_at.desc()).limit(1)


def facts(row: RowMapping) -> engine.Site:
    """The engine's facts from a row that was selected with all of them."""
    return engine.Site(**{name: row[name] for name in FACTS})


def find_all(tx: Connection, subjects: Iterable[str]) -> dict[str, engine.Site]:
    """The sites by their ids or hostnames, locked for this transaction: the living one, else its latest tombstone.

    All are locked in one order, so that two transactions that want the same ones never deadlock.
    """
    ids, hosts = _apart(subjects)
    found: dict[str, engine.Site] = {}
    if ids:
        found = {site.id: site for site in _locked(tx, among(tx, SITES.c.id, ids))}
    if hosts:
        living = _locked(tx, and_(among(tx, SITES.c.host, hosts), _LIVES))
        found |= {site.host: site for site in living}
    graves = [host for host in hosts if host not in found]
    if graves:
        tombstones = select(*_COLUMNS).where(among(tx, SITES.c.host, graves), SITES.c.state == "deleted")
        found |= {row.host: engine.site_of(row) for row in tx.execute(tombstones.order_by(SITES.c.deleted_at))}
    return found


def ready_ids(tx: Connection, subjects: Iterable[str]) -> list[str]:
    """The ids of those of these sites (by ids or hostnames) that live and are ready: the host knows them."""
    ids, hosts = _apart(subjects)
    ready = select(SITES.c.id).where(SITES.c.ready_at.is_not(None), _LIVES)
    found = list(tx.execute(ready.where(among(tx, SITES.c.host, hosts))).scalars()) if hosts else []
    return found + (list(tx.execute(ready.where(among(tx, SITES.c.id, ids))).scalars()) if ids else [])


def _apart(subjects: Iterable[str]) -> tuple[list[str], list[str]]:
    """Ids and hostnames."""
    wanted = set(subjects)
    ids = {subject for subject in wanted if subject.startswith("site_")}
    return list(ids), list(wanted - ids)


def _locked(tx: Connection, which: Any) -> list[engine.Site]:
    rows = tx.execute(_held(tx, select(*_COLUMNS).where(which).order_by(SITES.c.id))).all()
    return [engine.site_of(row) for row in rows]


def _held(tx: Connection, query: Any) -> Any:
    """Lock the rows, in a transaction that may write."""
    return query if is_reading(tx) else query.with_for_update()


def put_all(tx: Connection, changes: Iterable[tuple[engine.Site | None, engine.Site, dict[str, Any]]]) -> None:
    """Write what changed between what was read (None: nothing) and what was decided, guarded by the version read.

    Each comes with its changed facts. Raises RuntimeError when a row moved on meanwhile, which its lock forbids.
    """
    new: list[dict[str, Any]] = []
    moved: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for before, after, changed in changes:
        if before is None:
            new.append(dict(zip(FACTS, _read(after), strict=True)))
            continue
        if changed:
            row = changed | {"used_agents": after.used_agents}  # read from the host just now: `before` has it already
            moved.setdefault(tuple(row), []).append({"of_id": after.id, "of_version": before.version, **row})
    if new:
        insert_many(tx, SITES, new)
    for names, rows in moved.items():
        _update(tx, names, rows)


def _update(tx: Connection, names: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    written = execute_many(tx, _guarded(names), rows)
    if written != len(rows):
        raise RuntimeError(f"{len(rows) - written} of {len(rows)} sites were no longer as they had been read")


@lru_cache(KEPT)
def _guarded(names: tuple[str, ...]) -> Executable:
    guarded = update(SITES).where(SITES.c.id == bindparam("of_id"), SITES.c.version == bindparam("of_version"))
    return guarded.values({name: bindparam(name) for name in names})


def in_state(tx: Connection, state: str) -> list[engine.Site]:
    """The sites in a state, oldest first."""
    query = select(*_COLUMNS).where(SITES.c.state == state).order_by(SITES.c.id)
    return [engine.site_of(row) for row in tx.execute(query)]


def is_known(tx: Connection, site_id: str) -> bool:
    """Whether a site has this id, living or deleted."""
    return tx.execute(select(SITES.c.id).where(SITES.c.id == site_id)).one_or_none() is not None


def note_used(tx: Connection, site_id: str, agents: int) -> None:
    """Keep how many agents the host counted: no move, so the version stays."""
    tx.execute(update(SITES).where(SITES.c.id == site_id).values(used_agents=agents))


def deleting_whole(tx: Connection) -> list[str]:
    """The sites whose deletion has begun and has removed nothing yet."""
    query = select(SITES.c.id).where(SITES.c.state == "deleting", SITES.c.removing_since.is_(None))
    return list(tx.execute(query).scalars())


IS_MISSING: Any = text("site.missing <> ''")
IS_FAULTY: Any = text("site.faults <> ''")
IS_HELD: Any = text("site.held_for is not null")
IS_UNPAID: Any = text("site.unpaid_since is not null")
"""Must match the predicates of the partial indexes verbatim, or the planner scans the table."""

IS_OVER_PLAN = and_(SITES.c.state.in_(("active", "past_due")), text("site.used_agents > site.plan_agents"))
FILTERS = {"over_plan": IS_OVER_PLAN}
"""What `site list` may be asked for, by name."""


def page(
    tx: Connection,
    *,
    state: str | None,
    account: str | None,
    after: str | None,
    limit: int,
    only: str | None = None,
) -> list[engine.Site]:
    """Sites by id, which is by age: one page of `site list`; `only` is a name in FILTERS."""
    query = select(*_COLUMNS).order_by(SITES.c.id).limit(limit)
    for column, wanted in ((SITES.c.state, state), (SITES.c.account, account)):
        query = query if wanted is None else query.where(column == wanted)
    query = query if only is None else query.where(FILTERS[only])
    query = query if after is None else query.where(SITES.c.id > after)
    return [engine.site_of(row) for row in tx.execute(query)]


__all__ = [
    "FACTS",
    "SITES",
    "SiteRow",
    "Text",
    "facts",
    "find",
    "find_all",
    "in_state",
    "is_known",
    "page",
    "put_all",
    "ready_ids",
]
