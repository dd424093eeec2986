"""Who may send what: the producers file as it was loaded last. All hosts read it here, so they know the same."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Row, select
from sqlmodel import Field, SQLModel

from models.columns import Json
from models.upsert import upsert


class ProducersRow(SQLModel, table=True):
    """One row. `version` counts the loads; `is_enforced` tells that unsigned commands are refused, and stays true.

    `digest` and `changed_at` (machine time) are those of the file; `body` is its content, with sealed secrets.
    """

    __tablename__ = "producers"

    id: int = Field(primary_key=True)
    version: int
    is_enforced: bool
    digest: str
    changed_at: datetime
    loaded_at: datetime
    body: Any = Field(default=None, sa_column=Column(Json))


PRODUCERS = ProducersRow.__table__  # type: ignore[attr-defined]
VERSION = select(PRODUCERS.c.version)
LOADED = select(PRODUCERS)


def version(tx: Connection) -> int:
    """How often the file was loaded; 0 when it never was."""
    return int(tx.execute(VERSION).scalar_one_or_none() or 0)


def loaded(tx: Connection) -> Row[Any] | None:
    """What was loaded last; None when nothing ever was."""
    return tx.execute(LOADED).one_or_none()


def load(
    tx: Connection, body: dict[str, Any], *, digest: str, changed_at: datetime, machine_now: datetime, enforce: bool
) -> None:
    """Replace what is known. Once commands must be signed, they must be for ever."""
    before = loaded(tx)
    row = {
        "id": 1,
        "version": 1 if before is None else before.version + 1,
        "is_enforced": enforce or (before is not None and before.is_enforced),
        "digest": digest,
        "changed_at": changed_at,
        "loaded_at": machine_now,
        "body": body,
    }
    upsert(tx, PRODUCERS, ("id",), [row])
