"""Effects that fail and are tried again: visible from the second failure, long before they give up."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from models.effect import EFFECTS, HAS_GIVEN_UP, IS_UNFINISHED, UNFINISHED

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
    rows = tx.execute(query.where(IS_UNFINISHED, fails(held)).group_by(EFFECTS.c.kind))
    return sorted((Failing(*row) for row in rows), key=_most_first)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Effects of one kind with the same error: how many, and since when the first was asked for (engine time)."""

    kind: str
    error: str | None
    count: int
    since: datetime


def that_fail(tx: Connection, held: str) -> list[Trouble]:
    """What fails and is tried again, by kind and error as it was written. `held` begins what only a guard stopped."""
    return [Trouble(*row) for row in tx.execute(_that_fail(held))]


def that_gave_up(tx: Connection) -> list[Trouble]:
    """What nobody tries any more, by kind and error as it was written."""
    return [Trouble(*row) for row in tx.execute(_that_gave_up())]


@cache
def _that_fail(held: str) -> Any:
    return _by_error().where(IS_UNFINISHED, fails(held))


@cache
def _that_gave_up() -> Any:
    return _by_error().where(HAS_GIVEN_UP)


def _by_error() -> Any:
    query = select(EFFECTS.c.kind, EFFECTS.c.error, func.count(), func.min(EFFECTS.c.asked_at))
    return query.group_by(EFFECTS.c.kind, EFFECTS.c.error)


def of_site(tx: Connection, site_id: str, held: str) -> list[Any]:
    """Those of one site, oldest first, as rows. A deletion counts from its first failure: something is left."""
    begun = and_(EFFECTS.c.kind == "delete", EFFECTS.c.error.is_not(None), ~_is_held(held))
    open_ones = select(EFFECTS).where(EFFECTS.c.site_id == site_id, EFFECTS.c.status.in_(UNFINISHED))
    return list(tx.execute(open_ones.where(or_(fails(held), begun)).order_by(EFFECTS.c.seq)))


def deletion_of(tx: Connection, site_id: str) -> Any | None:
    """The unfinished effect of a deletion that has begun; None when there is none."""
    query = select(EFFECTS).where(EFFECTS.c.site_id == site_id, EFFECTS.c.kind == "delete")
    rows = tx.execute(query.where(EFFECTS.c.status.in_((*UNFINISHED, "gave_up"))).order_by(EFFECTS.c.seq.desc()))
    return rows.first()


def fails(held: str) -> Any:
    """Whether an effect failed and is tried again: from the second failure on, and not only stopped by a guard."""
    failed = or_(
        and_(EFFECTS.c.status == "pending", EFFECTS.c.attempt >= SECOND),
        and_(EFFECTS.c.status == "running", EFFECTS.c.attempt > SECOND),  # the try that runs has not failed yet
    )
    return and_(failed, EFFECTS.c.error.is_not(None), ~_is_held(held))


def _is_held(held: str) -> Any:
    return EFFECTS.c.error.startswith(held, autoescape=True)


def _most_first(one: Failing) -> tuple[int, str]:
    return -one.count, one.kind
