"""Every command answered once: the idempotency key, the history of a site, and each refusal."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Row, UniqueConstraint, select
from sqlmodel import Field, SQLModel

from models.columns import Json


class Receipt(SQLModel, table=True):
    """What was asked and what was answered; `digest` tells whether the same key came with other content."""

    __table_args__ = (UniqueConstraint("source", "id", name="uq_receipt_source_id"),)

    seq: int | None = Field(default=None, primary_key=True)
    source: str
    id: str
    site_id: str | None = Field(default=None, index=True)
    type: str
    digest: str
    at: datetime
    from_state: str | None = None
    to_state: str | None = None
    outcome: str
    code: str | None = None
    answer: Any = Field(default=None, sa_column=Column(Json))


RECEIPTS = Receipt.__table__  # type: ignore[attr-defined]


def find(tx: Connection, source: str, command_id: str) -> Row[Any] | None:
    """The first answer to this key, if it was given already."""
    query = select(RECEIPTS).where(RECEIPTS.c.source == source, RECEIPTS.c.id == command_id)
    return tx.execute(query).one_or_none()


def history(tx: Connection, site_id: str) -> list[Row[Any]]:
    """A site's moves, oldest first."""
    return list(tx.execute(select(RECEIPTS).where(RECEIPTS.c.site_id == site_id).order_by(RECEIPTS.c.seq)))
