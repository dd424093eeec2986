"""Dunning: when an unpaid period is tried again, and when it suspends the site."""

from datetime import datetime

from engine.case import Case
from engine.policy import Policy
from engine.site import Owed
from engine.vocabulary import predicate


def next_try_at(owed: Owed, policy: Policy) -> datetime | None:
    """The next moment of the ladder, counted from the first decline; the last leaves at least the notice's 48 h.

    A try that came late puts off the next one: the ladder itself charges at most once in 24 h. While the notice can't
    be sent it is asked for again day by day.
    """
    if owed.declined_at is None:
        return None
    tried = owed.tried_at or owed.declined_at
    early = (owed.declined_at + step for step in policy.dunning[:-1])
    step = next((at for at in early if at > tried), None) or _last_try_at(owed, owed.declined_at, policy)
    step = step if step > tried else tried + policy.charge_pause
    return step if owed.rests_until is None else max(step, owed.rests_until)


def suspends_at(owed: Owed, policy: Policy) -> datetime | None:
    """The last try, whose decline suspends: day 7, and never sooner than 48 h after the customer was told."""
    return None if owed.declined_at is None else _last_try_at(owed, owed.declined_at, policy)


def _last_try_at(owed: Owed, declined_at: datetime, policy: Policy) -> datetime:
    last = declined_at + policy.dunning[-1]
    return max(last, owed.noticed_at + policy.notice) if owed.noticed_at else last


def needs_notice(owed: Owed, now: datetime, policy: Policy) -> bool:
    """Whether the notice before the suspension is due, two days before the last try or later, and not yet sent."""
    if owed.declined_at is None or owed.noticed_at is not None:
        return False
    return now >= owed.declined_at + policy.dunning[-1] - policy.notice


def lacks_notice(owed: Owed, policy: Policy) -> bool:
    """Whether every try was made and the customer could not be told yet: until then nobody is suspended."""
    if owed.declined_at is None or owed.noticed_at is not None:
        return False
    return (owed.tried_at or owed.declined_at) >= owed.declined_at + policy.dunning[-1]


@predicate("while the notice before the suspension could not be sent")
def notice_is_lacking(case: Case) -> bool:
    return case.site.owed is not None and lacks_notice(case.site.owed, case.policy)


@predicate("after the last attempt, 48 h after the notice at least")
def last_try_is_over(case: Case) -> bool:
    owed = case.site.owed
    if owed is None or owed.noticed_at is None:
        return False
    last = suspends_at(owed, case.policy)
    return last is not None and case.now >= last
