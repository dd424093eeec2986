"""What was kept of a site: its verified backups and its downloads."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Row, delete, select
from sqlmodel import Field, SQLModel

import engine
from models.columns import Json, with_moments
from models.in_list import among
from models.upsert import upsert


class BackupRow(SQLModel, table=True):
    """A backup that was read back, byte for byte; only nightly ones fill restore points.

    `lacks` is None for a whole one, else `{"out": {"count", "names"}, "remake": {"count", "names"}}`: content that was
    left out, and what a restore can't make again.
    """

    __tablename__ = "backup"

    id: str = Field(primary_key=True)
    site_id: str = Field(index=True)
    generation: int
    purpose: str
    taken_at: datetime
    verified_at: datetime
    bytes: int = Field(sa_type=BigInteger)
    sha256: str
    files: int
    lacks: Any = Field(default=None, sa_column=Column(Json))


class ExportRow(SQLModel, table=True):
    """A download: a plain zip that was read back; it lives until the site is deleted. `lacks` is as of a backup."""

    __tablename__ = "export"

    id: str = Field(primary_key=True)
    site_id: str = Field(index=True)
    generation: int
    url: str
    bytes: int = Field(sa_type=BigInteger)
    sha256: str
    ready_at: datetime
    lacks: Any = Field(default=None, sa_column=Column(Json))


MOST_TOLD = 3
"""So many names a sentence has."""

BACKUPS = with_moments(BackupRow.__table__)  # type: ignore[attr-defined]
EXPORTS = ExportRow.__table__  # type: ignore[attr-defined]


def note_backup(tx: Connection, row: dict[str, Any]) -> None:
    """Write a verified backup; the same id again replaces itself."""
    upsert(tx, BACKUPS, ("id",), [row])


def note_export(tx: Connection, row: dict[str, Any]) -> None:
    """Write a verified download; the same id again replaces itself."""
    upsert(tx, EXPORTS, ("id",), [row])


def backups_of(tx: Connection, site_id: str) -> list[Row[Any]]:
    """A site's backups, oldest first."""
    return list(tx.execute(select(BACKUPS).where(BACKUPS.c.site_id == site_id).order_by(BACKUPS.c.taken_at)))


def latest(tx: Connection, site_id: str) -> Row[Any] | None:
    """The newest backup, whatever it was made for."""
    query = select(BACKUPS).where(BACKUPS.c.site_id == site_id).order_by(BACKUPS.c.taken_at.desc())
    return tx.execute(query.limit(1)).one_or_none()


def latest_export(tx: Connection, site_id: str) -> Row[Any] | None:
    """The newest download."""
    query = select(EXPORTS).where(EXPORTS.c.site_id == site_id).order_by(EXPORTS.c.ready_at.desc())
    return tx.execute(query.limit(1)).one_or_none()


def find(tx: Connection, backup_id: str) -> Row[Any] | None:
    """One backup by its id."""
    return tx.execute(select(BACKUPS).where(BACKUPS.c.id == backup_id)).one_or_none()


def kept(tx: Connection, site_id: str) -> tuple[engine.Kept, ...]:
    """A site's backups as facts for the law, oldest first."""
    return kept_of(tx, [site_id])[site_id]


def kept_of(tx: Connection, site_ids: list[str]) -> dict[str, tuple[engine.Kept, ...]]:
    """The backups of many sites as facts for the law, oldest first; a site without one has an empty tuple."""
    found: dict[str, list[engine.Kept]] = {site_id: [] for site_id in site_ids}
    if found:
        query = select(BACKUPS.c.site_id, BACKUPS.c.id, BACKUPS.c.purpose, BACKUPS.c.taken_at, BACKUPS.c.lacks)
        rows = tx.execute(query.where(among(tx, BACKUPS.c.site_id, site_ids)).order_by(BACKUPS.c.taken_at))
        for site_id, backup_id, purpose, taken_at, lacks in rows.all():
            found[site_id].append(engine.Kept(backup_id, purpose, taken_at, in_words(lacks)))
    return {site_id: tuple(backups) for site_id, backups in found.items()}


def in_words(lacks: dict[str, Any] | None) -> str:
    """Say what a backup lacks: how much, and the first names of each kind; "" if nothing."""
    parts = []
    for part, what in (("out", "left out"), ("remake", "not to be made again")):
        said = (lacks or {}).get(part, {})
        if said.get("count"):
            more = ", ..." if said["count"] > MOST_TOLD else ""
            parts.append(f"{said['count']} {what} ({', '.join(said['names'][:MOST_TOLD])}{more})")
    return "; ".join(parts)


def restore_points(backups: list[Row[Any]], now: datetime) -> dict[str, Row[Any] | None]:
    """Each point's row, None before one can exist."""
    rows = {row.id: row for row in backups}
    facts = [engine.Kept(row.id, row.purpose, row.taken_at) for row in backups]
    return {name: rows[one.id] if one else None for name, one in engine.restore_points(facts, now).items()}


def drop(tx: Connection, backup_ids: tuple[str, ...]) -> None:
    """These backups are gone from the store."""
    tx.execute(delete(BACKUPS).where(BACKUPS.c.id.in_(backup_ids)))


def forget(tx: Connection, site_id: str) -> None:
    """A deleted site's backups and downloads are gone; so are their rows."""
    tx.execute(delete(BACKUPS).where(BACKUPS.c.site_id == site_id))
    tx.execute(delete(EXPORTS).where(EXPORTS.c.site_id == site_id))
