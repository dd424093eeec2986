"""The ledger of deletions: one receipt each, chained by hash, without personal data."""

from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, Connection, Row, select
from sqlmodel import Field, SQLModel

from models.columns import Big, Json, to_json
from models.database import one_at_a_time

GENESIS = "0" * 64


class DeletionRow(SQLModel, table=True):
    """What was removed and when; `hash` covers the receipt and the hash before it, so that none can be changed."""

    __tablename__ = "deletion"

    seq: int | None = Field(default=None, primary_key=True, sa_type=Big)
    site_id: str = Field(unique=True)
    deleted_at: datetime
    receipt: Any = Field(default=None, sa_column=Column(Json))
    previous_hash: str = Field(unique=True)
    hash: str


DELETIONS = DeletionRow.__table__  # type: ignore[attr-defined]


def chain(tx: Connection, site_id: str, receipt: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Write a receipt behind the last one; one that exists already is answered as it is."""
    one_at_a_time(tx, "deletion")
    written = find(tx, site_id)
    if written is not None:
        return dict(written.receipt)
    last = (
        tx.execute(select(DELETIONS.c.hash).order_by(DELETIONS.c.seq.desc()).limit(1)).scalar_one_or_none() or GENESIS
    )
    row = {
        "site_id": site_id,
        "deleted_at": now,
        "receipt": receipt,
        "previous_hash": last,
        "hash": link(last, receipt),
    }
    tx.execute(DELETIONS.insert(), row)
    return receipt


def find(tx: Connection, site_id: str) -> Row[Any] | None:
    """A site's receipt."""
    return tx.execute(select(DELETIONS).where(DELETIONS.c.site_id == site_id)).one_or_none()


def all_receipts(tx: Connection) -> list[Row[Any]]:
    """Every receipt, in the order of the chain."""
    return list(tx.execute(select(DELETIONS).order_by(DELETIONS.c.seq)))


def link(previous_hash: str, receipt: dict[str, Any]) -> str:
    """The hash of a receipt behind the one before it."""
    return sha256(f"{previous_hash}\n{to_json(receipt)}".encode()).hexdigest()


def broken_at(tx: Connection) -> int | None:
    """The number of the first receipt that does not fit the chain, None when all do."""
    previous = GENESIS
    for row in all_receipts(tx):
        if row.previous_hash != previous or row.hash != link(previous, row.receipt):
            return int(row.seq)
        previous = row.hash
    return None
