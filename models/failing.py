"""Effects that fail and are tried again: visible from the second failure, long before they give up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from models.effect import EFFECTS, IS_UNFINISHED, UNFINISHED

SECOND = 2
"""One failure may be chance; from so many on somebody should know."""


@dataclass(frozen=True, slots=True)
class Failing:
    """Effects of one kind that fail: how many, since when the first was asked for (engine time), and one's error."""

    kind: str
    count: int
    since: datetime
    error: str


def by_kind(tx: Connection, held: str) -> list[Failing]:
    """Of the whole fleet, most first. What only a guard has stopped (`held` begins its error) does not fail."""
    query = select(EFFECTS.c.kind, func.count(), func.min(EFFECTS.c.asked_at), func.max(EFFECTS.c.error))
    rows = tx.execute(query.where(IS_UNFINISHED, _fails(held)).group_by(EFFECTS.c.kind))
    return sorted((Failing(*row) for row in rows), key=_most_first)


def of_site(tx: Connection, site_id: str, held: str) -> list[Any]:
    """Those of one site, oldest first, as rows. A deletion counts from its first failure: something is left."""
    begun = and_(EFFECTS.c.kind == "delete", EFFECTS.c.error.is_not(None), ~_is_held(held))
    open_ones = select(EFFECTS).where(EFFECTS.c.site_id == site_id, EFFECTS.c.status.in_(UNFINISHED))
    return list(tx.execute(open_ones.where(or_(_fails(held), begun)).order_by(EFFECTS.c.seq)))


def deletion_of(tx: Connection, site_id: str) -> Any | None:
    """The unfinished effect of a deletion that has begun; None when there is none."""
    query = select(EFFECTS).where(EFFECTS.c.site_id == site_id, EFFECTS.c.kind == "delete")
    rows = tx.execute(query.where(EFFECTS.c.status.in_((*UNFINISHED, "gave_up"))).order_by(EFFECTS.c.seq.desc()))
    return rows.first()


def _fails(held: str) -> Any:
    failed = or_(
        and_(EFFECTS.c.status == "pending", EFFECTS.c.attempt >= SECOND),
        and_(EFFECTS.c.status == "running", EFFECTS.c.attempt > SECOND),  # the try that runs has not failed yet
    )
    return and_(failed, EFFECTS.c.error.is_not(None), ~_is_held(held))


def _is_held(held: str) -> Any:
    return EFFECTS.c.error.startswith(held, autoescape=True)


def _most_first(one: Failing) -> tuple[int, str]:
    return -one.count, one.kind
