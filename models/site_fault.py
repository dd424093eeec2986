"""What is wrong with a site's content, as operators see it until it is mended: one fault for each part of a site."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, select
from sqlmodel import Field, SQLModel

from models.columns import with_moments
from models.upsert import upsert


class SiteFaultRow(SQLModel, table=True):
    """`part` is what has the fault (its database); `since` is engine time of when the fault of this code was found."""

    __tablename__ = "site_fault"

    site_id: str = Field(primary_key=True)
    part: str = Field(primary_key=True)
    code: str
    since: datetime
    what: str
    do: str


FAULTS = with_moments(SiteFaultRow.__table__)  # type: ignore[attr-defined]


class SiteFault(NamedTuple):
    """A stable code, what is wrong, and what to do about it."""

    code: str
    what: str
    do: str


def note(tx: Connection, site_id: str, part: str, fault: SiteFault, now: datetime) -> bool:
    """Write a fault down, and say whether it is a new one; one of the same code keeps its `since`."""
    known = tx.execute(_of(site_id, part)).one_or_none()
    before = known.since if known is not None and known.code == fault.code else None
    row = {"site_id": site_id, "part": part, "since": before or now, **fault._asdict()}
    upsert(tx, FAULTS, ("site_id", "part"), [row])
    return before is None


def forget(tx: Connection, site_id: str, part: str | None = None) -> None:
    """Take a fault away; all of the site's when no part is named."""
    gone = delete(FAULTS).where(FAULTS.c.site_id == site_id)
    tx.execute(gone if part is None else gone.where(FAULTS.c.part == part))


def of_site(tx: Connection, site_id: str) -> list[Row[Any]]:
    """A site's faults, oldest first."""
    return list(tx.execute(select(FAULTS).where(FAULTS.c.site_id == site_id).order_by(FAULTS.c.since)))


def sites_of(tx: Connection, part: str, limit: int = 100) -> list[str]:
    """Sites that have a fault in this part, the oldest first."""
    query = select(FAULTS.c.site_id).where(FAULTS.c.part == part).order_by(FAULTS.c.since).limit(limit)
    return list(tx.execute(query).scalars())


def by_code(tx: Connection) -> list[Row[Any]]:
    """For each code: how many sites have it, the first since when, and the name of one of them."""
    found = select(
        FAULTS.c.code,
        func.count().label("count"),
        func.min(FAULTS.c.since).label("since"),
        func.min(FAULTS.c.site_id).label("site_id"),
    )
    return list(tx.execute(found.group_by(FAULTS.c.code).order_by(FAULTS.c.code)))


def _of(site_id: str, part: str) -> Any:
    return select(FAULTS).where(FAULTS.c.site_id == site_id, FAULTS.c.part == part)
