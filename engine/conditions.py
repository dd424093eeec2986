"""The words of the law's `when` column.

A plain word chooses: it answers yes or no. A word that begins with `must_` refuses with its reason. All are pure: they
are also asked by the menu. Words that need the command's data stand in BY_DATA, so that the menu can leave them open.
"""

from collections.abc import Callable

from engine.authority import must_be_authorized
from engine.case import Case
from engine.decision import Refused
from engine.ladder import last_try_is_over
from engine.periods import prorate, seconds_left
from engine.site import ONLINE
from engine.words import agents_in_words, moment

BY_DATA = frozenset(
    "same_plan same_agents same_contact fewer_agents too_little_to_charge at_period_end must_be_at_once already_waived "
    "must_cover_used_agents must_be_subscribed_first not_awaited pays_period pays_agents pays_new_start is_final "
    "of_this_generation".split()
)


def plan_chosen(case: Case) -> bool:
    return case.site.plan_agents is not None


subscribed = plan_chosen


def never_ready(case: Case) -> bool:
    return case.site.ready_at is None


def trial_runs(case: Case) -> bool:
    return case.site.trial_ends_at is not None and case.now < case.site.trial_ends_at


def trial_over(case: Case) -> bool:
    return not trial_runs(case)


def paid_period_runs(case: Case) -> bool:
    """The present period is paid and has time left."""
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


def owing(case: Case) -> bool:
    return case.site.owed is not None


def card_refused(case: Case) -> bool:
    return case.site.owed is not None and case.site.owed.card_refused


def payment_pending(case: Case) -> bool:
    return case.site.paying is not None


def held(case: Case) -> bool:
    return case.site.held_for is not None


def stuck(case: Case) -> bool:
    return case.site.attention is not None


def same_plan(case: Case) -> bool:
    site = case.site
    return (site.plan_agents, site.payment_method) == (case.given("agents"), case.given("payment_method"))


def same_agents(case: Case) -> bool:
    return bool(case.given("agents") == case.site.plan_agents)


def fewer_agents(case: Case) -> bool:
    return bool(case.given("agents") < (case.site.plan_agents or 0))


def reduction_waits(case: Case) -> bool:
    return case.site.next_agents is not None


def same_contact(case: Case) -> bool:
    return bool(case.given("email") == case.site.email)


def already_waived(case: Case) -> bool:
    return case.given("guard") in case.site.waived


def at_period_end(case: Case) -> bool:
    return bool(case.given("when") == "period_end")


def too_little_to_charge(case: Case) -> bool:
    """Added agents whose share of the period is under the smallest amount that is charged."""
    return added_cents(case) < case.policy.min_charge_cents


def added_cents(case: Case) -> int:
    """Agents above the number now allowed × price × time left ÷ this period, at the review's moment if there is one."""
    site = case.site
    if site.period_start is None or site.period_ends_at is None:
        return 0
    left = seconds_left(case.command.quoted_at or case.now, site.period_ends_at)
    whole = seconds_left(site.period_start, site.period_ends_at)
    return prorate(max(case.given("agents") - site.agents_allowed, 0), site.price_cents or 0, left, whole)


def not_awaited(case: Case) -> bool:
    """The charge that is reported is not the one under way: an old one, answered late."""
    return case.site.paying is None or case.site.paying.payment_id != case.given("payment_id")


def pays_period(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.reason in {"first_charge", "renewal", "retry"}


def pays_agents(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.reason == "change_plan"


def pays_new_start(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.reason == "new_start"


def is_final(case: Case) -> bool:
    return bool(case.given("purpose") == "final")


def of_this_generation(case: Case) -> bool:
    return bool(case.given("generation") == case.site.generation)


def must_have_a_free_hostname(case: Case) -> bool:
    raise Refused("host.taken", f"subject {case.site.host!r} is the name of a living site; choose another hostname")


def must_have_been_ready(case: Case) -> bool:
    if case.site.ready_at is None:
        raise Refused("state.illegal", f"{case.site.host} was never ready, so there is nothing to keep; start a new trial")
    return True


def must_not_be_suspended(case: Case) -> bool:
    if by_operator(case):
        raise Refused(
            "state.illegal",
            f"{case.site.host} is suspended by an operator ({case.site.suspended_reason}); ask support to resume it first",
        )
    return True


def must_be_suspended_by_operator(case: Case) -> bool:
    if not by_operator(case):
        raise Refused("state.illegal", f"{case.site.host} is suspended for non-payment; it comes back with site.pay")
    return True


def must_have_no_payment_pending(case: Case) -> bool:
    paying = case.site.paying
    if paying is not None:
        raise Refused(
            "payment.pending",
            f"a payment of {paying.amount_cents} minor units ({paying.reason}) is under way for {case.site.host}; "
            "ask again when it is answered",
        )
    return True


def must_cover_used_agents(case: Case) -> bool:
    agents, used = case.given("agents"), case.site.used_agents
    if agents < used:
        raise Refused(
            "agents.below_used",
            f"agents {agents} is below the {used} agents in use on {case.site.host}; "
            f"remove {agents_in_words(used - agents)} there first",
        )
    return True


def must_be_subscribed_first(case: Case) -> bool:
    agents, limit = case.given("agents"), case.site.trial_agents
    if agents > limit:
        raise Refused(
            "agents.trial_limit", f"agents {agents} is above the {limit} that a trial has; use site.subscribe for more"
        )
    raise Refused("state.illegal", f"{case.site.host} is in a trial with {limit} agents; use site.subscribe to choose a plan")


def must_be_at_once(case: Case) -> bool:
    if at_period_end(case):
        raise Refused(
            "state.illegal", f"{case.site.host} is {case.site.state} and has no paid period to wait for; use when=now"
        )
    return True


def must_have_reached_day_30(case: Case) -> bool:
    return must_have_reached(case, "trial_ends_at")


def must_have_reached_period_end(case: Case) -> bool:
    return must_have_reached(case, "period_ends_at")


def must_have_reached_cancels_at(case: Case) -> bool:
    return must_have_reached(case, "cancels_at")


def must_have_been_unpaid_14_days(case: Case) -> bool:
    since = case.site.unpaid_since
    if since is None or case.now < since + case.policy.unpaid:
        raise Refused("state.illegal", f"{case.site.host} has been unpaid for less than {case.policy.unpaid.days} days")
    return True


def must_have_reached(case: Case, fact: str) -> bool:
    """An early, repeated or stale timer is held: a missing moment is one that has not come."""
    due = getattr(case.site, fact)
    if due is None or case.now < due:
        raise Refused("state.illegal", f"{fact} of {case.site.host} is {moment(due)}; it is not due yet")
    return True


CONDITIONS: dict[str, Callable[[Case], bool]] = {
    name: word
    for name, word in list(globals().items())
    if callable(word) and getattr(word, "__annotations__", {}).get("return") is bool and name != "must_have_reached"
}
"""Every word by its name; must_be_authorized and last_try_is_over come from rooms of their own."""

__all__ = ["BY_DATA", "CONDITIONS", "ONLINE", "added_cents", "last_try_is_over", "must_be_authorized"]
