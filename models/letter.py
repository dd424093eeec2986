"""The letters that went out: each stays, also when the effect that sent it is removed from the outbox."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Row, select
from sqlmodel import Field, SQLModel

from models.bulk import insert_many
from models.columns import Big, Json, with_moments

SENT = "letter.sent"
"""The event of a letter that went out."""


class LetterRow(SQLModel, table=True):
    """One letter: which, when (engine time), to whose site, and the facts that it was asked for with."""

    __tablename__ = "letter"

    seq: int | None = Field(default=None, primary_key=True, sa_type=Big)
    site_id: str = Field(index=True)
    name: str
    at: datetime
    facts: Any = Field(default=None, sa_column=Column(Json))


LETTERS = with_moments(LetterRow.__table__)  # type: ignore[attr-defined]


def add_all(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Write down letters that went out."""
    if rows:
        insert_many(tx, LETTERS, rows)


def of_site(tx: Connection, site_id: str) -> list[Row[Any]]:
    """The letters about a site, oldest first."""
    return list(tx.execute(select(LETTERS).where(LETTERS.c.site_id == site_id).order_by(LETTERS.c.seq)))
