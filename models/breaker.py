"""The breaker in front of all deletions, and a warrant for each that was let through."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Row, func, select
from sqlmodel import Field, SQLModel

from models.columns import Json
from models.site import SITES
from models.timer import IS_DELETION, TIMERS
from models.upsert import insert_once, upsert

STORES = ("site", "exports", "backups")
"""Where a site's data stands, in the order in which it is removed."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHARE_FROM = 20
"""The share of the fleet counts from so many living sites."""


class BreakerRow(SQLModel, table=True):
    """One row: closed, tripped, paused, or released for `budget` more deletions, which are then paced."""

    __tablename__ = "breaker"

    id: int = Field(primary_key=True)
    state: str = "closed"
    why: str | None = None
    since: datetime
    budget: int = 0


class WarrantRow(SQLModel, table=True):
    """One deletion that was authorized: of which site and generation, when, and on what evidence.

    `removed` is what its tries have removed so far, by store: `{"site": {"files", "bytes"}, …}`.
    """

    __tablename__ = "warrant"

    site_id: str = Field(primary_key=True)
    generation: int
    authorized_at: datetime = Field(index=True)
    evidence: Any = Field(default=None, sa_column=Column(Json))
    removed: Any = Field(default=None, sa_column=Column(Json))


BREAKERS = BreakerRow.__table__  # type: ignore[attr-defined]
WARRANTS = WarrantRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Caps:
    """The most deletions in an hour and in a day, and the largest share of the fleet in a day."""

    per_hour: int
    per_day: int
    share: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due within the next hour and the next day, out of how many living sites."""

    next_hour: int
    next_day: int
    fleet: int


def state(tx: Connection, now: datetime) -> Row[Any]:
    """Where the breaker stands; closed from the start. It is locked, so that two clocks never pass it side by side."""
    insert_once(tx, BREAKERS, ("id",), [{"id": 1, "state": "closed", "why": None, "since": now, "budget": 0}])
    return tx.execute(select(BREAKERS).with_for_update()).one()


def look(tx: Connection) -> tuple[str, str | None, int]:
    """State, reason and budget, without writing; closed when nothing was ever set."""
    found = row(tx)
    return ("closed", None, 0) if found is None else (found.state, found.why, found.budget)


def row(tx: Connection) -> Row[Any] | None:
    """The breaker as it is written down; None when nothing was ever set."""
    return tx.execute(select(BREAKERS)).one_or_none()


def turn(tx: Connection, to: str, why: str | None, now: datetime, *, budget: int = 0) -> None:
    """Set the breaker."""
    upsert(tx, BREAKERS, ("id",), [{"id": 1, "state": to, "why": why, "since": now, "budget": budget}])


def plan(tx: Connection, now: datetime) -> Plan:
    """The deletions that are planned: every timer of a deletion that was or becomes due."""
    due = select(func.count()).select_from(TIMERS).where(IS_DELETION)
    living = select(func.count()).select_from(SITES).where(SITES.c.state != "deleted")
    return Plan(
        next_hour=tx.execute(due.where(TIMERS.c.due_at <= now + HOUR)).scalar_one(),
        next_day=tx.execute(due.where(TIMERS.c.due_at <= now + DAY)).scalar_one(),
        fleet=tx.execute(living).scalar_one(),
    )


def excess(planned: Plan, caps: Caps) -> str | None:
    """Which cap a plan exceeds, in words; None when it keeps all."""
    share = int(planned.fleet * caps.share)
    if planned.next_day > caps.per_day:
        return f"{planned.next_day} deletions are planned for the next day, above {caps.per_day}"
    if planned.next_hour > caps.per_hour:
        return f"{planned.next_hour} deletions are planned for the next hour, above {caps.per_hour}"
    if planned.fleet >= SHARE_FROM and planned.next_day > max(share, 1):
        return (
            f"{planned.next_day} of {planned.fleet} sites are planned for the next day, above a share of {caps.share:g}"
        )
    return None


def write_warrant(tx: Connection, site_id: str, generation: int, now: datetime, evidence: dict[str, Any]) -> None:
    """Write down that a deletion was authorized; a released breaker has one less to let through."""
    row = {"site_id": site_id, "generation": generation, "authorized_at": now, "evidence": evidence}
    insert_once(tx, WARRANTS, ("site_id",), [row])
    current = state(tx, now)
    if current.state == "released":
        left = current.budget - 1
        turn(tx, "released" if left > 0 else "closed", current.why if left > 0 else None, now, budget=max(left, 0))


def warrant(tx: Connection, site_id: str) -> Row[Any] | None:
    """A site's warrant."""
    return tx.execute(select(WARRANTS).where(WARRANTS.c.site_id == site_id)).one_or_none()


def removed_of(tx: Connection, site_id: str) -> dict[str, Any]:
    """What all tries of a deletion have removed so far: files and bytes by store."""
    known = tx.execute(select(WARRANTS.c.removed).where(WARRANTS.c.site_id == site_id)).scalar_one_or_none() or {}
    return {store: known.get(store, {"files": 0, "bytes": 0}) for store in STORES}


def note_removed(tx: Connection, site_id: str, store: str, files: int, size: int) -> None:
    """Add what one try has removed from a store; `size` in bytes."""
    if not files and not size:
        return
    known = removed_of(tx, site_id)
    one = known[store]
    known[store] = {"files": one["files"] + files, "bytes": one["bytes"] + size}
    tx.execute(WARRANTS.update().where(WARRANTS.c.site_id == site_id).values(removed=known))


def free_again_at(tx: Connection, caps: Caps, now: datetime) -> datetime | None:
    """When a paced deletion may go through: None for now, else when the oldest of a full window leaves it."""
    moments = [_window_opens(tx, now, HOUR, caps.per_hour), _window_opens(tx, now, DAY, caps.per_day)]
    return max((at for at in moments if at is not None), default=None)


def _window_opens(tx: Connection, now: datetime, length: timedelta, most: int) -> datetime | None:
    recent = select(WARRANTS.c.authorized_at).where(WARRANTS.c.authorized_at > now - length)
    newest = list(tx.execute(recent.order_by(WARRANTS.c.authorized_at.desc()).limit(most)).scalars())
    return newest[-1] + length if len(newest) == most else None
