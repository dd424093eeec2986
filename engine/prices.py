"""Prices of a plan and of added agents. Integer minor units only."""

from engine.case import Case
from engine.periods import prorate, seconds_left


def agreed_price(case: Case) -> int:
    """For one agent and one month: the price that was agreed, or today's if none was."""
    return case.policy.price_cents if case.site.price_cents is None else case.site.price_cents


def added_cents(case: Case) -> int:
    """What the agents above the number now allowed cost for the rest of this period."""
    added = max(case.given("agents") - case.site.agents_allowed, 0)
    left, whole = share_left(case)
    return prorate(added, case.site.price_cents or 0, left, whole)


def share_left(case: Case) -> tuple[int, int]:
    """Seconds left and seconds of this period, at the moment of the review if there was one.

    A review from before the period began counts from its beginning: never more than a whole period is charged.
    """
    start, end = case.site.period_start, case.site.period_ends_at
    if start is None or end is None:
        raise LookupError(f"{case.site.id} is {case.site.state} without a period")
    return seconds_left(max(case.command.quoted_at or case.now, start), end), seconds_left(start, end)
