"""Money in a span of time: what was charged, what was declined and why, what is open, what is to be given back."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Text, bindparam, func, select, text, type_coerce

from models.invoices import INVOICES, PAYMENTS
from models.site import IS_FAULTY, SITES

IS_OPEN: Any = text("payment.outcome in ('pending', 'unknown')")
"""Must match the predicate of `uq_payment_open` verbatim."""

REFUND_DUE = "refund.due"


@dataclass(frozen=True, slots=True)
class Sum:
    """Payments with one outcome, code and currency: how many, and their minor units."""

    outcome: str
    code: str | None
    currency: str
    count: int
    cents: int


def answered(tx: Connection, since: datetime, until: datetime) -> list[Sum]:
    """What the card network answered from `since` on and before `until`, in engine time."""
    return _read(tx.execute(_answered(), {"since": since, "until": until}))


@cache
def _answered() -> Any:
    at = PAYMENTS.c.answered_at
    return _sums().where(at >= bindparam("since"), at < bindparam("until"))


def open_now(tx: Connection) -> list[Sum]:
    """Payments that are asked for and not answered."""
    return _read(tx.execute(_open()))


@cache
def _open() -> Any:
    return _sums().where(IS_OPEN)


def _read(rows: Any) -> list[Sum]:
    """PostgreSQL adds up to a decimal."""
    return [Sum(outcome, code, currency, count, int(cents)) for outcome, code, currency, count, cents in rows]


def _sums() -> Any:
    by = (PAYMENTS.c.outcome, PAYMENTS.c.decline_code, INVOICES.c.currency)
    query = select(*by, func.count(), func.sum(PAYMENTS.c.amount_cents))
    return query.join_from(PAYMENTS, INVOICES, INVOICES.c.id == PAYMENTS.c.invoice_id).group_by(*by).order_by(*by)


def refunds_due(tx: Connection) -> list[str]:
    """The ids of the sites where a charge came after the end and must be given back, oldest site first."""
    return list(tx.execute(_refunds_due()).scalars())


@cache
def _refunds_due() -> Any:
    faults = type_coerce(SITES.c.faults, Text)
    return select(SITES.c.id).where(IS_FAULTY, faults.contains(f'"{REFUND_DUE}"')).order_by(SITES.c.id)
