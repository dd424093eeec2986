"""The words of the law's `when` column that choose: each answers yes or no. Those that refuse stand in `demands`.

All are pure, for the menu asks them too. Words that need the command's data stand in BY_DATA, so that the menu can
leave them open.
"""

from engine.case import Case
from engine.periods import prorate, seconds_left

BY_DATA = frozenset(
    {
        *("same_plan", "same_agents", "same_reduction", "same_contact", "fewer_agents", "too_little_to_charge"),
        *("at_period_end", "already_waived", "must_cover_used_agents", "must_be_subscribed_first", "must_be_at_once"),
        *("must_name_a_card_to_try", "not_awaited", "pays_period", "pays_agents", "pays_new_start", "pays_return"),
        *("card_changed", "is_final", "is_whole", "is_nightly", "of_this_generation", "of_this_debt", "of_the_notice"),
        *("must_name_a_paid_invoice", "must_not_be_of_this_period", "threat_bounced", "notice_bounced"),
        *("must_have_a_restore_point", "must_have_no_restore_under_way", "export_under_way", "back_up_under_way"),
    }
)


# How far its life has come


def never_ready(case: Case) -> bool:
    return case.site.ready_at is None


def plan_chosen(case: Case) -> bool:
    return case.site.plan_agents is not None


def subscribed(case: Case) -> bool:
    """A suspended site with a plan; a plain trial may still know the one that it fell back from."""
    return plan_chosen(case) and not was_plain_trial(case)


def trial_runs(case: Case) -> bool:
    return case.site.trial_ends_at is not None and case.now < case.site.trial_ends_at


def trial_over(case: Case) -> bool:
    return not trial_runs(case)


def paid_period_runs(case: Case) -> bool:
    """The present period has time left; one that was never paid is forgotten at the end of service."""
    ends = case.site.period_ends_at
    return ends is not None and case.now < ends and case.site.owed is None


def period_over(case: Case) -> bool:
    return case.site.period_ends_at is not None and case.now >= case.site.period_ends_at


def ending(case: Case) -> bool:
    return case.site.cancels_at is not None


def ending_over(case: Case) -> bool:
    return case.site.cancels_at is not None and case.now >= case.site.cancels_at


def fell_back(case: Case) -> bool:
    """A subscribed trial that was cancelled for its end, and may still be kept."""
    return ending(case) and plan_chosen(case)


# Suspended, and where from


def by_operator(case: Case) -> bool:
    return case.site.suspended_reason is not None


def unpaid_only(case: Case) -> bool:
    return case.site.suspended_reason is None


def was_unpaid(case: Case) -> bool:
    return case.site.unpaid_since is not None


def was_plain_trial(case: Case) -> bool:
    return case.site.suspended_from == "trial"


def was_subscribed_trial(case: Case) -> bool:
    return case.site.suspended_from == "trial_subscribed"


def was_in_trial(case: Case) -> bool:
    return was_plain_trial(case) or was_subscribed_trial(case)


def was_past_due(case: Case) -> bool:
    return case.site.suspended_from == "past_due"


# What stands on it


def held(case: Case) -> bool:
    return case.site.held_for is not None


def deletion_is_late(case: Case) -> bool:
    """Its date passed while something stopped it; a site that was never ready has nobody to tell."""
    return case.site.ready_at is not None and case.site.deletes_at is not None and case.now >= case.site.deletes_at


def nothing_is_removed(case: Case) -> bool:
    return case.site.removing_since is None


def owing(case: Case) -> bool:
    return case.site.owed is not None


def owing_a_period_that_runs(case: Case) -> bool:
    """Of one that ended while an operator suspended nobody pays: it is void at the resume."""
    return owing(case) and not period_over(case)


def card_refused(case: Case) -> bool:
    return case.site.owed is not None and case.site.owed.card_refused


def payment_pending(case: Case) -> bool:
    return case.site.paying is not None


def no_payment_pending(case: Case) -> bool:
    return case.site.paying is None


def reduction_waits(case: Case) -> bool:
    return case.site.next_agents is not None


# What is asked


def same_plan(case: Case) -> bool:
    site = case.site
    return (site.plan_agents, site.payment_method) == (case.given("agents"), case.given("payment_method"))


def same_agents(case: Case) -> bool:
    return bool(case.given("agents") == case.site.plan_agents)


def same_reduction(case: Case) -> bool:
    return bool(case.given("agents") == case.site.next_agents)


def fewer_agents(case: Case) -> bool:
    return bool(case.given("agents") < (case.site.plan_agents or 0))


def too_little_to_charge(case: Case) -> bool:
    """Added agents whose share of the period is under the smallest amount that is charged, or rounds to nothing."""
    return added_cents(case) < max(case.policy.min_charge_cents, 1)


def costs_nothing(case: Case) -> bool:
    return agreed_price(case) == 0


def same_contact(case: Case) -> bool:
    return bool(case.given("email") == case.site.email)


def already_waived(case: Case) -> bool:
    return case.given("guard") in case.site.waived


def of_the_notice(case: Case) -> bool:
    return bool(case.given("guard") == "notice")


def at_period_end(case: Case) -> bool:
    return bool(case.given("when") == "period_end")


# What is under way


def export_under_way(case: Case) -> bool:
    return "export" in case.command.under_way


def back_up_under_way(case: Case) -> bool:
    """One on demand; the night's own has nothing to do with it."""
    return "back_up" in case.command.under_way


# What an effect reports


def not_awaited(case: Case) -> bool:
    """The charge that is reported is not the one under way: an old one, answered late."""
    return case.site.paying is None or case.site.paying.payment_id != case.given("payment_id")


def is_the_payment(case: Case) -> bool:
    """What is dropped is the charge under way."""
    return case.site.paying is not None and case.site.paying.payment_id == case.given("payment_id")


def was_dropped(case: Case) -> bool:
    """An operator gave this charge up, and it was made after all."""
    return any(one.payment_id == case.given("payment_id") for one in case.site.dropped)


def pays_period(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.reason in {"first_charge", "renewal", "retry"}


def pays_agents(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.reason == "change_plan"


def pays_new_start(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.reason == "new_start"


def pays_return(case: Case) -> bool:
    """A new start that was asked for since the site left; an older one brings nothing back to life."""
    paying = case.site.paying
    return paying is not None and paying.reason == "new_start" and paying.generation == case.site.generation


def card_changed(case: Case) -> bool:
    """Another card was named while this one was being charged."""
    return case.site.paying is not None and case.site.paying.payment_method != case.site.payment_method


def is_final(case: Case) -> bool:
    return bool(case.given("purpose") == "final")


def is_whole(case: Case) -> bool:
    """Nothing was left out of a backup or a download."""
    return not case.given("left_out")


def is_nightly(case: Case) -> bool:
    return bool(case.given("purpose") == "nightly")


def of_this_generation(case: Case) -> bool:
    return bool(case.given("generation") == case.site.generation)


def of_this_debt(case: Case) -> bool:
    """What is owed now, and not an invoice that was settled since."""
    return case.site.owed is not None and case.given("invoice_id") == case.site.owed.invoice_id


# The arithmetic of prices and of Charge Now


def agreed_price(case: Case) -> int:
    """For an agent and a month: what was agreed once, or else today's."""
    return case.policy.price_cents if case.site.price_cents is None else case.site.price_cents


def added_cents(case: Case) -> int:
    """Agents above the number now allowed × price × time left ÷ this period."""
    added = max(case.given("agents") - case.site.agents_allowed, 0)
    left, whole = share_left(case)
    return prorate(added, case.site.price_cents or 0, left, whole)


def share_left(case: Case) -> tuple[int, int]:
    """Seconds left and seconds of this period, at the review's moment if there is one.

    A review from before the period began counts from its beginning: more than a whole period is never charged.
    """
    start, end = case.site.period_start, case.site.period_ends_at
    if start is None or end is None:
        raise LookupError(f"{case.site.id} is {case.site.state} without a period")
    return seconds_left(max(case.command.quoted_at or case.now, start), end), seconds_left(start, end)
