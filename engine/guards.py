"""The words of the law's `when` column that begin with `must_`: each refuses with its reason and the remedy."""

from datetime import datetime

from engine.authority import authorize_destruction
from engine.case import Case, currency_of
from engine.decision import Refused
from engine.predicates import at_period_end, by_operator
from engine.timers import timers
from engine.words import agents_in_words, moment, money, named, shown

# What is asked makes sense


def must_have_a_free_hostname(case: Case) -> bool:
    """The name belongs to the living site until that is deleted."""
    raise Refused(
        "host.taken", f"subject {named(case.site.host)} is the name of a living site; choose another hostname"
    )


def must_have_been_ready(case: Case) -> bool:
    """A site that was never ready holds nothing."""
    if case.site.ready_at is None:
        raise _illegal(case, "was never ready and holds nothing; start a new trial once it is gone")
    return True


def must_be_subscribed_first(case: Case) -> bool:
    """A trial has no plan to change."""
    agents, limit = case.given("agents"), case.site.trial_agents
    if agents > limit:
        raise Refused(
            "agents.trial_limit", f"agents {agents} is above the {limit} that a trial has; use site.subscribe for more"
        )
    raise _illegal(case, f"is in a trial with {limit} agents; use site.subscribe to choose a plan")


def must_cover_used_agents(case: Case) -> bool:
    """No plan is smaller than the agents in use."""
    agents, used = case.given("agents"), case.site.used_agents
    if agents < used:
        raise Refused(
            "agents.below_used",
            f"agents {agents} is below the {used} agents in use on {named(case.site.host)}; "
            f"remove {agents_in_words(used - agents)} there first",
        )
    return True


def must_be_at_once(case: Case) -> bool:
    """Only a trial or a paid period has an end to wait for."""
    if at_period_end(case):
        raise _illegal(case, f"is {case.state} and has no paid period to wait for; use when=now")
    return True


def must_name_a_card_to_try(case: Case) -> bool:
    """A card that forbids another try is not tried again."""
    owed, card = case.site.owed, case.given("payment_method")
    if owed is not None and owed.card_refused and card in {None, case.site.payment_method}:
        raise _illegal(
            case,
            f"payment_method {shown(case.site.payment_method)} may not be tried again; give another payment_method",
        )
    return True


# Who and what stands in the way


def must_not_be_suspended(case: Case) -> bool:
    """Nobody comes back while an operator suspends."""
    if by_operator(case):
        raise _illegal(
            case, f"is suspended by an operator ({shown(case.site.suspended_reason)}); ask support to resume it first"
        )
    return True


def must_be_suspended_by_operator(case: Case) -> bool:
    """An operator lifts only what an operator did."""
    if not by_operator(case):
        raise _illegal(case, "is suspended for non-payment; it comes back with site.pay")
    return True


def must_be_asked_by_an_operator(case: Case) -> bool:
    """What a customer may not do while an operator suspends."""
    if case.command.by_customer:
        raise _illegal(case, "is suspended by an operator; ask support for the download")
    return True


def must_have_no_payment_pending(case: Case) -> bool:
    """One payment at a time."""
    paying = case.site.paying
    if paying is not None:
        amount = money(paying.amount_cents, currency_of(case, paying))
        raise Refused(
            "payment.pending",
            f"a payment of {amount} ({paying.reason}) is under way for {named(case.site.host)}; "
            "ask again when it is answered",
        )
    return True


def must_have_no_restore_under_way(case: Case) -> bool:
    """One restore at a time."""
    if "restore" in case.command.under_way:
        raise Refused("work.pending", f"a restore of {named(case.site.host)} is under way; ask again when it is done")
    return True


def must_be_authorized(case: Case) -> bool:
    """Nothing may stand against a deletion."""
    reasons = authorize_destruction(case.site, case.now, case.policy)
    if reasons:
        raise Refused("state.illegal", "; ".join(reasons))
    return True


# Its time has come: an early, repeated or stale timer is held, and a missing moment has not come


def must_have_reached_day_30(case: Case) -> bool:
    """The full trial is over."""
    return _must_have_reached(case, "trial_ends_at", case.site.trial_ends_at)


def must_have_reached_period_end(case: Case) -> bool:
    """The paid period is over."""
    return _must_have_reached(case, "period_ends_at", case.site.period_ends_at)


def must_have_reached_cancels_at(case: Case) -> bool:
    """The period that was cancelled for its end is over."""
    return _must_have_reached(case, "cancels_at", case.site.cancels_at)


def must_have_been_unpaid_14_days(case: Case) -> bool:
    """The time to pay and come back is over."""
    since = case.site.unpaid_since
    return _must_have_reached(case, "its last day to pay", None if since is None else since + case.policy.unpaid)


def must_be_due(case: Case) -> bool:
    """The timer stands on the site now, and its moment has come."""
    kind = case.command.type.removeprefix("site.")
    return _must_have_reached(case, kind, timers(case.site, case.policy).get(kind))


def _must_have_reached(case: Case, what: str, due: datetime | None) -> bool:
    if due is None or case.now < due:
        raise Refused("state.illegal", f"{what} of {named(case.site.host)} is {moment(due)}: it is not due yet")
    return True


def _illegal(case: Case, why: str) -> Refused:
    return Refused("state.illegal", f"{named(case.site.host)} {why}")
