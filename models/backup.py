"""What was kept of a site: its verified backups and its downloads."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, delete, select
from sqlmodel import Field, SQLModel

from models.upsert import upsert

POINTS = {"previous_day": timedelta(0), "7_day": timedelta(days=7), "30_day": timedelta(days=30)}
"""The restore points: the youngest verified nightly backup that is at least this old."""


class Backup(SQLModel, table=True):
    """A backup that was read back, byte for byte; only nightly ones fill restore points."""

    id: str = Field(primary_key=True)
    site_id: str = Field(index=True)
    generation: int
    purpose: str
    taken_at: datetime
    verified_at: datetime
    bytes: int = Field(sa_type=BigInteger)
    sha256: str
    files: int


class Export(SQLModel, table=True):
    """A download: a plain zip that was read back; it lives until the site is deleted."""

    id: str = Field(primary_key=True)
    site_id: str = Field(index=True)
    generation: int
    url: str
    bytes: int = Field(sa_type=BigInteger)
    sha256: str
    ready_at: datetime


BACKUPS = Backup.__table__  # type: ignore[attr-defined]
EXPORTS = Export.__table__  # type: ignore[attr-defined]


def note_backup(tx: Connection, row: dict[str, Any]) -> None:
    """Write a verified backup; the same id again replaces itself."""
    upsert(tx, BACKUPS, ("id",), [row])


def note_export(tx: Connection, row: dict[str, Any]) -> None:
    """Write a verified download; the same id again replaces itself."""
    upsert(tx, EXPORTS, ("id",), [row])


def backups_of(tx: Connection, site_id: str) -> list[Row[Any]]:
    """A site's backups, oldest first."""
    return list(tx.execute(select(BACKUPS).where(BACKUPS.c.site_id == site_id).order_by(BACKUPS.c.taken_at)))


def latest_export(tx: Connection, site_id: str) -> Row[Any] | None:
    """The newest download."""
    query = select(EXPORTS).where(EXPORTS.c.site_id == site_id).order_by(EXPORTS.c.ready_at.desc())
    return tx.execute(query.limit(1)).one_or_none()


def restore_points(backups: list[Row[Any]], now: datetime) -> dict[str, Row[Any] | None]:
    """Each point's backup, None before one can exist."""
    nightly = [row for row in backups if row.purpose == "nightly"]
    return {name: _youngest(nightly, now - age) for name, age in POINTS.items()}


def _youngest(backups: list[Row[Any]], at_latest: datetime) -> Row[Any] | None:
    old_enough = [row for row in backups if row.taken_at <= at_latest]
    return max(old_enough, key=lambda row: row.taken_at, default=None)


def forget(tx: Connection, site_id: str) -> None:
    """A deleted site's backups and downloads are gone; so are their rows."""
    tx.execute(delete(BACKUPS).where(BACKUPS.c.site_id == site_id))
    tx.execute(delete(EXPORTS).where(EXPORTS.c.site_id == site_id))
