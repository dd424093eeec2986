"""The books: invoices and payments. Rows are never removed, only their personal data."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Connection, Index, Row, select, text, update
from sqlmodel import Field, SQLModel

import engine
from models.columns import Big
from models.sequence import count
from models.upsert import insert_once

_OPEN_PAYMENT = text("outcome in ('pending', 'unknown')")
_PERIOD = text("kind = 'period' and status not in ('void', 'uncollectible', 'refunded')")


class InvoiceRow(SQLModel, table=True):
    """A bill. Of one site and period start one stands, neither void, given up nor refunded; its amount recomputes."""

    __tablename__ = "invoice"

    __table_args__ = (
        Index(
            "uq_invoice_period", "site_id", "period_start", unique=True, sqlite_where=_PERIOD, postgresql_where=_PERIOD
        ),
        CheckConstraint("status in ('open', 'paid', 'void', 'uncollectible', 'refunded')", name="ck_invoice_status"),
        CheckConstraint("amount_cents >= 0", name="ck_invoice_amount"),
        CheckConstraint(
            "amount_cents = (2 * agents * unit_price_cents * seconds + of_seconds) / (2 * of_seconds)",
            name="ck_invoice_recomputes",
        ),
    )

    id: str = Field(primary_key=True)
    site_id: str = Field(index=True)
    number: int | None = Field(default=None, unique=True, sa_type=Big)
    kind: str
    reason: str
    status: str = "open"
    currency: str
    unit_price_cents: int = Field(sa_type=Big)
    agents: int
    seconds: int = Field(sa_type=Big)
    of_seconds: int = Field(sa_type=Big)
    amount_cents: int = Field(sa_type=Big)
    period_start: datetime
    period_end: datetime
    issued_at: datetime
    due_at: datetime
    closed_at: datetime | None = None
    closed_why: str | None = None


class PaymentRow(SQLModel, table=True):
    """One try to collect an invoice; `id` is the key that the card network sees."""

    __tablename__ = "payment"

    __table_args__ = (
        Index(
            "uq_payment_succeeded",
            "invoice_id",
            unique=True,
            sqlite_where=text("outcome = 'succeeded'"),
            postgresql_where=text("outcome = 'succeeded'"),
        ),
        Index("uq_payment_open", "site_id", unique=True, sqlite_where=_OPEN_PAYMENT, postgresql_where=_OPEN_PAYMENT),
        CheckConstraint(
            "outcome in ('pending', 'succeeded', 'declined', 'error', 'unknown', 'void')", name="ck_payment_outcome"
        ),
    )

    id: str = Field(primary_key=True)
    invoice_id: str = Field(index=True)
    site_id: str = Field(index=True)
    attempt: int
    amount_cents: int = Field(sa_type=Big)
    outcome: str = "pending"
    card_label: str | None = None
    decline_code: str | None = None
    retry: str | None = None
    reference: str | None = None
    asked_at: datetime
    answered_at: datetime | None = Field(default=None, index=True)


INVOICES = InvoiceRow.__table__  # type: ignore[attr-defined]
PAYMENTS = PaymentRow.__table__  # type: ignore[attr-defined]


def add_all(tx: Connection, entries: list[tuple[str, engine.Invoice | engine.Payment]], now: datetime) -> None:
    """Write the bills and the tries of many sites, by site id; numbers are given in their order."""
    bills = [(site_id, entry) for site_id, entry in entries if isinstance(entry, engine.Invoice)]
    tries = [_try(site_id, entry, now) for site_id, entry in entries if isinstance(entry, engine.Payment)]
    numbered = sum(bill.numbered for _, bill in bills)
    last = count(tx, "invoice", numbered) if numbered else 0
    numbers = iter(range(last - numbered + 1, last + 1))
    if bills:
        rows = [_bill(site_id, bill, next(numbers) if bill.numbered else None, now) for site_id, bill in bills]
        tx.execute(INVOICES.insert(), rows)
    if tries:
        insert_once(tx, PAYMENTS, ("id",), tries)


def settle(tx: Connection, entry: engine.Closed | engine.Answered, now: datetime) -> None:
    """Write how a bill ended, or what the card network said to a try."""
    if isinstance(entry, engine.Closed):
        _close(tx, entry, now)
    else:
        _answer(tx, entry, now)


def _bill(site_id: str, invoice: engine.Invoice, number: int | None, now: datetime) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "site_id": site_id,
        "number": number,
        "kind": invoice.kind,
        "reason": invoice.reason,
        "status": "open",
        "currency": invoice.currency,
        "unit_price_cents": invoice.unit_price_cents,
        "agents": invoice.agents,
        "seconds": invoice.seconds,
        "of_seconds": invoice.of_seconds,
        "amount_cents": invoice.amount_cents,
        "period_start": invoice.period_start,
        "period_end": invoice.period_end,
        "issued_at": now,
        "due_at": max(now, invoice.period_start),
    }


def _close(tx: Connection, closed: engine.Closed, now: datetime) -> None:
    """A paid invoice without a number gets the next one; a new start moves its period to the payment."""
    values: dict[str, Any] = {"status": closed.status, "closed_at": now, "closed_why": closed.why}
    number = tx.execute(select(INVOICES.c.number).where(INVOICES.c.id == closed.invoice_id)).scalar_one()
    if number is None and closed.status == "paid":
        values["number"] = count(tx, "invoice")
    if closed.period is not None:
        start, end = closed.period
        seconds = int((end - start).total_seconds())
        values |= {"period_start": start, "period_end": end, "seconds": seconds, "of_seconds": seconds}
    tx.execute(update(INVOICES).where(INVOICES.c.id == closed.invoice_id).values(values))


def _try(site_id: str, payment: engine.Payment, now: datetime) -> dict[str, Any]:
    return {
        "id": payment.id,
        "invoice_id": payment.invoice_id,
        "site_id": site_id,
        "attempt": payment.attempt,
        "amount_cents": payment.amount_cents,
        "outcome": "pending",
        "asked_at": now,
    }


def _answer(tx: Connection, answered: engine.Answered, now: datetime) -> None:
    values = {
        "outcome": answered.outcome,
        "card_label": answered.card_label,
        "decline_code": answered.decline_code,
        "retry": answered.retry,
        "reference": answered.reference,
        "answered_at": now,
    }
    tx.execute(update(PAYMENTS).where(PAYMENTS.c.id == answered.payment_id).values(values))


def invoices_of(tx: Connection, site_id: str) -> list[Row[Any]]:
    """A site's invoices, oldest first; those of one moment by their number, the ones without it last."""
    order = (INVOICES.c.issued_at, INVOICES.c.number.is_(None), INVOICES.c.number, INVOICES.c.id)
    return list(tx.execute(select(INVOICES).where(INVOICES.c.site_id == site_id).order_by(*order)))


def bill(tx: Connection, site_id: str, invoice_id: str) -> engine.Bill | None:
    """An invoice of this site for the law; None if it has none of this id."""
    query = select(INVOICES).where(INVOICES.c.id == invoice_id, INVOICES.c.site_id == site_id)
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    return engine.Bill(
        id=row.id,
        kind=row.kind,
        status=row.status,
        agents=row.agents,
        amount_cents=row.amount_cents,
        currency=row.currency,
        period_start=row.period_start,
        period_end=row.period_end,
    )


def invoice(tx: Connection, invoice_id: str) -> Row[Any]:
    """One invoice by its id."""
    return tx.execute(select(INVOICES).where(INVOICES.c.id == invoice_id)).one()
