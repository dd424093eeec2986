"""Every command answered once: the idempotency key, the history of a site, and each refusal."""

from datetime import datetime
from functools import cache
from hashlib import blake2b
from itertools import product
from typing import Any

from sqlalchemy import Column, Connection, Row, UniqueConstraint, and_, bindparam, or_, select
from sqlmodel import Field, SQLModel

from engine.spelling import has_at_sign
from models.bulk import insert_many
from models.columns import Big, Json, with_moments
from models.in_list import pairs_among


class ReceiptRow(SQLModel, table=True):
    """What was asked and what was answered; `digest` tells whether the same key came with other content."""

    __tablename__ = "receipt"

    __table_args__ = (UniqueConstraint("source", "id", name="uq_receipt_source_id"),)

    seq: int | None = Field(default=None, primary_key=True, sa_type=Big)
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


FORGOTTEN = "forgotten:"

RECEIPTS = with_moments(ReceiptRow.__table__)  # type: ignore[attr-defined]


def add_all(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Write receipts in the order in which their commands were answered."""
    if rows:
        insert_many(tx, RECEIPTS, rows)


def find_all(tx: Connection, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Row[Any]]:
    """The first answers to these keys (source, id), where they were given already."""
    if not keys:
        return {}
    query = select(RECEIPTS).where(pairs_among(tx, (RECEIPTS.c.source, RECEIPTS.c.id), keys))
    return {(row.source, row.id): row for row in tx.execute(query).all()}


def history(tx: Connection, site_id: str) -> list[Row[Any]]:
    """A site's moves, oldest first."""
    return list(tx.execute(select(RECEIPTS).where(RECEIPTS.c.site_id == site_id).order_by(RECEIPTS.c.seq)))


NIGHTLY = ":back_up.nightly:"
"""Stands in the id of what reports a nightly backup."""


def look_for_bookkeeping(tx: Connection, after: int, _before: datetime, limit: int) -> list[Row[Any]]:
    """The next receipts by their number; `is_over` of those that nights and reports leave and that moved nothing."""
    return list(tx.execute(_bookkeeping(), {"after": after, "most": limit}))


def look_for_unapplied(tx: Connection, after: int, _before: datetime, limit: int) -> list[Row[Any]]:
    """The next receipts by their number; `is_over` of commands that were refused, or changed nothing."""
    return list(tx.execute(_unapplied(), {"after": after, "most": limit}))


@cache
def _bookkeeping() -> Any:
    of_night = and_(RECEIPTS.c.type == "site.backup_verified", RECEIPTS.c.id.contains(NIGHTLY, autoescape=True))
    kind = or_(RECEIPTS.c.type.in_(("site.back_up_nightly", "site.effect_done")), of_night)
    return _next_by_number(and_(kind, RECEIPTS.c.from_state == RECEIPTS.c.to_state))


@cache
def _unapplied() -> Any:
    return _next_by_number(RECEIPTS.c.outcome.in_(("refused", "no_op")))


def _next_by_number(is_over: Any) -> Any:
    found = select(RECEIPTS.c.seq, RECEIPTS.c.at, is_over.label("is_over")).where(RECEIPTS.c.seq > bindparam("after"))
    return found.order_by(RECEIPTS.c.seq).limit(bindparam("most"))


def forgotten(secret: bytes, word: str) -> str:
    """A source or an id that named a person, as it is kept: only who has the word, and the secret, finds it again."""
    return FORGOTTEN + blake2b(word.encode(), digest_size=16, key=secret[:64], person=b"forgotten-key").hexdigest()


def forgotten_keys(secret: bytes, key: tuple[str, str]) -> list[tuple[str, str]]:
    """The keys under which the receipt of a key that names a person may be kept, by this version or by 0.1."""
    sources, ids = (_ways(secret, word) for word in key)
    return [(source, word) for source, word in product(sources, ids) if (source, word) != key]


def _ways(secret: bytes, word: str) -> list[str]:
    if not has_at_sign(word):
        return [word]
    return [word, forgotten(secret, word), FORGOTTEN + blake2b(word.encode(), digest_size=12).hexdigest()]
