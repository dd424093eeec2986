"""Where each site is: one row with the engine's facts, column for field."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, RowMapping, Text, select, text, update
from sqlmodel import Field, SQLModel

import engine
from models.columns import Frozen, Words


class Site(SQLModel, table=True):
    """The engine's `Site`, stored. A hostname belongs to one living site at a time."""

    __table_args__ = (
        Index(
            "uq_site_host_living",
            "host",
            unique=True,
            sqlite_where=text("state <> 'deleted'"),
            postgresql_where=text("state <> 'deleted'"),
        ),
        Index("ix_site_host", "host"),
    )

    id: str = Field(primary_key=True)
    host: str
    account: str = Field(index=True)
    email: str
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
    price_cents: int | None = None
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


SITES = Site.__table__  # type: ignore[attr-defined]
FACTS = tuple(field.name for field in fields(engine.Site))
_COLUMNS = [SITES.c[name] for name in FACTS]


def find(tx: Connection, subject: str) -> engine.Site | None:
    """The site by its id or hostname, locked for this transaction: the living one, else its latest tombstone."""
    column = SITES.c.id if subject.startswith("site_") else SITES.c.host
    query = (
        select(*_COLUMNS).where(column == subject).order_by(SITES.c.deleted_at.is_not(None), SITES.c.deleted_at.desc())
    )
    row = tx.execute(query.limit(1).with_for_update()).one_or_none()
    return None if row is None else engine.Site(*row)


def facts(row: RowMapping) -> engine.Site:
    """The engine's facts from a row that was selected with all of them."""
    return engine.Site(**{name: row[name] for name in FACTS})


def put(tx: Connection, before: engine.Site | None, site: engine.Site) -> None:
    """Write what changed, guarded by the version that was read.

    Raises RuntimeError when the row moved on meanwhile, which the row's lock forbids.
    """
    if before is None or before.id != site.id:
        tx.execute(SITES.insert(), {name: getattr(site, name) for name in FACTS})
        return
    changed = {name: getattr(site, name) for name in FACTS if getattr(site, name) != getattr(before, name)}
    if not changed:
        return
    changed["used_agents"] = site.used_agents  # it was read from the host just now, so `before` has it already
    guarded = update(SITES).where(SITES.c.id == site.id, SITES.c.version == before.version)
    if tx.execute(guarded.values(changed)).rowcount != 1:
        raise RuntimeError(f"site {site.id} was no longer at version {before.version} when it was written")


def page(tx: Connection, *, state: str | None, account: str | None, after: str | None, limit: int) -> list[engine.Site]:
    """Sites by id, which is by age: one page of `site list`."""
    query = select(*_COLUMNS).order_by(SITES.c.id).limit(limit)
    for column, wanted in ((SITES.c.state, state), (SITES.c.account, account)):
        query = query if wanted is None else query.where(column == wanted)
    query = query if after is None else query.where(SITES.c.id > after)
    return [engine.Site(*row) for row in tx.execute(query)]


__all__ = ["FACTS", "SITES", "Site", "Text", "facts", "find", "page", "put"]
