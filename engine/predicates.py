"""Predicates about the facts of a site: how far its life has come, what is suspended, held or owed.

Predicates about the request stand in `engine/request_predicates.py`, about a report in `engine/report_predicates.py`.
"""

from engine.case import Case
from engine.prices import agreed_price
from engine.vocabulary import predicate

# How far its life has come


@predicate("before it was ever ready")
def never_ready(case: Case) -> bool:
    return case.site.ready_at is None


@predicate("with a plan")
def plan_chosen(case: Case) -> bool:
    return case.site.plan_agents is not None


@predicate("with a plan")
def subscribed(case: Case) -> bool:
    """A suspended site with a plan. A plain trial may still remember the plan it had before it was cancelled."""
    return plan_chosen(case) and not was_plain_trial(case)


@predicate("before day 30")
def trial_runs(case: Case) -> bool:
    return case.site.trial_ends_at is not None and case.now < case.site.trial_ends_at


@predicate("after day 30")
def trial_over(case: Case) -> bool:
    return not trial_runs(case)


@predicate("within a paid period")
def paid_period_runs(case: Case) -> bool:
    """The present period is paid and has time left. An unpaid period was forgotten at the end of service."""
    ends = case.site.period_ends_at
    return ends is not None and case.now < ends and case.site.owed is None


@predicate("after the end of the period")
def period_over(case: Case) -> bool:
    return case.site.period_ends_at is not None and case.now >= case.site.period_ends_at


@predicate("after a cancellation for the end of the period")
def ending(case: Case) -> bool:
    return case.site.cancels_at is not None


@predicate("after the end for which it was cancelled")
def ending_over(case: Case) -> bool:
    return case.site.cancels_at is not None and case.now >= case.site.cancels_at


@predicate("after a cancellation for the end of the trial")
def fell_back_to_trial(case: Case) -> bool:
    """A subscribed trial that was cancelled for its end; `site.keep` subscribes it again."""
    return ending(case) and plan_chosen(case)


# Suspended, and from which state


@predicate("while an operator suspends it")
def by_operator(case: Case) -> bool:
    return case.site.suspended_reason is not None


@predicate("while no operator suspends it")
def not_by_operator(case: Case) -> bool:
    return case.site.suspended_reason is None


@predicate("while it is suspended for non-payment")
def was_unpaid(case: Case) -> bool:
    return case.site.unpaid_since is not None


@predicate("if it was suspended in its trial")
def was_plain_trial(case: Case) -> bool:
    return case.site.suspended_from == "trial"


@predicate("if it was suspended in its trial")
def was_subscribed_trial(case: Case) -> bool:
    return case.site.suspended_from == "trial_subscribed"


@predicate("if it was suspended in its trial")
def was_in_trial(case: Case) -> bool:
    return was_plain_trial(case) or was_subscribed_trial(case)


@predicate("if it was suspended while a payment was past due")
def was_past_due(case: Case) -> bool:
    return case.site.suspended_from == "past_due"


# Holds and the deletion


@predicate("while a hold is on it")
def held(case: Case) -> bool:
    return case.site.held_for is not None


@predicate("after the date of its deletion has passed")
def deletion_is_late(case: Case) -> bool:
    """Something stopped the deletion at its date. Of a site that was never ready nobody is notified."""
    return case.site.ready_at is not None and case.site.deletes_at is not None and case.now >= case.site.deletes_at


@predicate("before the deletion has removed anything")
def nothing_is_removed(case: Case) -> bool:
    return case.site.removing_since is None


# Money


@predicate("with an unpaid invoice")
def owing(case: Case) -> bool:
    return case.site.owed is not None


@predicate("with an unpaid invoice of the present period")
def owing_a_period_that_runs(case: Case) -> bool:
    """The invoice of a period that ended while an operator suspended the site is void at the resume."""
    return owing(case) and not period_over(case)


@predicate("after a decline that forbids another attempt with this card")
def card_refused(case: Case) -> bool:
    return case.site.owed is not None and case.site.owed.card_refused


@predicate("while a payment is under way")
def payment_pending(case: Case) -> bool:
    return case.site.paying is not None


@predicate("while no payment is under way")
def no_payment_pending(case: Case) -> bool:
    return case.site.paying is None


@predicate("while a smaller plan waits for the next period")
def reduction_waits(case: Case) -> bool:
    return case.site.next_agents is not None


@predicate("where the plan costs nothing")
def costs_nothing(case: Case) -> bool:
    return agreed_price(case) == 0


@predicate("after something was charged")
def was_charged(case: Case) -> bool:
    return case.site.charged_at is not None
