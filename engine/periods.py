"""Billing periods and proration: integers, UTC, one rounding."""

from calendar import monthrange
from datetime import datetime, timedelta

SECOND = timedelta(seconds=1)


def add_months(anchor: datetime, months: int) -> datetime:
    """The anchor's moment `months` calendar months later, its day clamped to the month (31 Jan + 1 → 28 Feb)."""
    count = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(count, 12)
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))


def next_boundary(anchor: datetime, after: datetime) -> datetime:
    """The first billing date strictly after a moment, counted from the anchor and never from the previous date."""
    months = max((after.year - anchor.year) * 12 + after.month - anchor.month, 0)
    date = add_months(anchor, months)
    return date if date > after else add_months(anchor, months + 1)


def seconds_left(now: datetime, end: datetime) -> int:
    """Whole seconds of a period that are still to come; never negative."""
    return max((end - now) // SECOND, 0)


def prorate(agents: int, price_cents: int, seconds: int, of_seconds: int) -> int:
    """`agents` × `price_cents` for `seconds` out of `of_seconds`, in minor units, rounded once, half up."""
    return (2 * agents * price_cents * seconds + of_seconds) // (2 * of_seconds)
