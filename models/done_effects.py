"""Effects that are over and that nothing refers to any more: they may leave the outbox."""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, exists, func, not_, or_, select, text

from models.effect import EFFECTS
from models.invoices import INVOICES
from models.site import SITES

OVER = ("done", "void", "dropped")
"""How an effect ends that is not done any more. One that gave up waits for an operator, however long."""

LEAVING = ("cancelled", "expired", "suspended", "failed", "deleting")
"""States in which a guard may look at what was done in this generation."""

KEPT_KINDS = ("delete",)
"""The proof of a deletion names its effect: it stays."""

CONTACT_CHANGED = "mail.contact_changed"
"""This letter goes to the address before. When the site is deleted, nothing else knows that it was the customer's."""


def look(tx: Connection, after: int, before: datetime, limit: int) -> list[Row[Any]]:
    """The next effects by their number: `at`, when it was asked for, and whether it may go (`is_over`)."""
    return list(tx.execute(_look(), {"after": after, "before": before, "most": limit}))


@cache
def _look() -> Any:
    is_over = and_(_is_settled(), EFFECTS.c.settled_at < bindparam("before"), not_(_is_referred_to()))
    seq, asked_at = EFFECTS.c.seq, EFFECTS.c.asked_at
    found = select(seq, asked_at.label("at"), func.coalesce(is_over, text("false")).label("is_over"))
    of_site = found.outerjoin(SITES, SITES.c.id == EFFECTS.c.site_id)
    return of_site.where(seq > bindparam("after")).order_by(seq).limit(bindparam("most"))


def _is_settled() -> Any:
    """A charge that was given up may still turn out to have been paid."""
    return and_(EFFECTS.c.status.in_(OVER), or_(EFFECTS.c.kind != "charge", EFFECTS.c.status == "done"))


def _is_referred_to() -> Any:
    in_guard = and_(SITES.c.state.in_(LEAVING), EFFECTS.c.generation == SITES.c.generation)
    bill = select(INVOICES.c.id).where(INVOICES.c.site_id == EFFECTS.c.site_id, INVOICES.c.status == "open")
    other = EFFECTS.alias("other")
    is_open = text("other.status in ('pending', 'running')")
    restore = select(other.c.seq).where(other.c.site_id == EFFECTS.c.site_id, other.c.kind == "restore", is_open)
    return or_(
        SITES.c.id.is_(None),
        in_guard,
        EFFECTS.c.kind.in_(KEPT_KINDS),
        EFFECTS.c.id.contains(f":{CONTACT_CHANGED}:", autoescape=True),
        and_(EFFECTS.c.kind == "charge", exists(bill).correlate(EFFECTS)),
        exists(restore).correlate(EFFECTS),
    )


@cache
def removal() -> Any:
    """The removal of an effect by its number, unless it was begun again since it was looked at."""
    same = EFFECTS.c.seq == bindparam("removed_seq")
    return delete(EFFECTS).where(same, text("status in ('done', 'void', 'dropped')"))
