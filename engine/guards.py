"""Guards: conditions that refuse with a reason and a remedy. Guards of restores and refunds stand beside their actions.

The sentence of the declaration is the refusal in general; the raised `Refused` has the values.
"""

from datetime import datetime

from engine.authority import authorize_destruction
from engine.case import Case, currency_of
from engine.decision import Refused
from engine.predicates import by_operator
from engine.request_predicates import at_period_end
from engine.timers import timers
from engine.vocabulary import guard
from engine.words import agents_in_words, moment, money, named, shown

# What is asked makes sense


@guard("the hostname belongs to a living site until that is deleted; choose another hostname")
def must_have_a_free_hostname(case: Case) -> bool:
    raise Refused(
        "host.taken", f"subject {named(case.site.host)} is the name of a living site; choose another hostname"
    )


@guard("the site was never ready and holds nothing; start a new trial once it is gone")
def must_have_been_ready(case: Case) -> bool:
    if case.site.ready_at is None:
        raise _illegal(case, "was never ready and holds nothing; start a new trial once it is gone")
    return True


@guard("a trial has no plan to change; use site.subscribe to choose a plan", needs=("agents",))
def must_be_subscribed_first(case: Case) -> bool:
    agents, limit = case.given("agents"), case.site.trial_agents
    if agents > limit:
        raise Refused(
            "agents.trial_limit", f"agents {agents} is above the {limit} that a trial has; use site.subscribe for more"
        )
    raise _illegal(case, f"is in a trial with {limit} agents; use site.subscribe to choose a plan")


@guard("no plan is smaller than the agents in use; remove agents in the site first", needs=("agents", "used_agents"))
def must_cover_used_agents(case: Case) -> bool:
    agents, used = case.given("agents"), case.site.used_agents
    if agents < used:
        raise Refused(
            "agents.below_used",
            f"agents {agents} is below the {used} agents in use on {named(case.site.host)}; "
            f"remove {agents_in_words(used - agents)} there first",
        )
    return True


@guard("there is no trial and no paid period whose end can be waited for; use when=now", needs=("when",))
def must_be_at_once(case: Case) -> bool:
    if at_period_end(case):
        raise _illegal(case, f"is {case.state} and has no paid period to wait for; use when=now")
    return True


@guard("the card may not be tried again; give another payment_method", needs=("payment_method",))
def must_name_a_card_to_try(case: Case) -> bool:
    owed, card = case.site.owed, case.given("payment_method")
    if owed is not None and owed.card_refused and card in {None, case.site.payment_method}:
        raise _illegal(
            case,
            f"payment_method {shown(case.site.payment_method)} may not be tried again; give another payment_method",
        )
    return True


# What stands in the way


@guard("the site is suspended by an operator; ask support to resume it first")
def must_not_be_suspended(case: Case) -> bool:
    if by_operator(case):
        raise _illegal(
            case, f"is suspended by an operator ({shown(case.site.suspended_reason)}); ask support to resume it first"
        )
    return True


@guard("the site is not suspended by an operator but for non-payment; it comes back with site.pay")
def must_be_suspended_by_operator(case: Case) -> bool:
    if not by_operator(case):
        raise _illegal(case, "is suspended for non-payment; it comes back with site.pay")
    return True


@guard("a customer may not download while an operator suspends the site; ask support for the download")
def must_be_asked_by_an_operator(case: Case) -> bool:
    if case.command.by_customer:
        raise _illegal(case, "is suspended by an operator; ask support for the download")
    return True


@guard("a payment is under way; ask again when it is answered")
def must_have_no_payment_pending(case: Case) -> bool:
    paying = case.site.paying
    if paying is not None:
        amount = money(paying.amount_cents, currency_of(case, paying))
        raise Refused(
            "payment.pending",
            f"a payment of {amount} ({paying.reason}) is under way for {named(case.site.host)}; "
            "ask again when it is answered",
        )
    return True


@guard("a restore is under way; ask again when it is done", needs=("under_way",))
def must_have_no_restore_under_way(case: Case) -> bool:
    if "restore" in case.command.under_way:
        raise Refused("work.pending", f"a restore of {named(case.site.host)} is under way; ask again when it is done")
    return True


@guard("a guard of the deletion does not allow it; `tenure site why` names each")
def must_be_authorized(case: Case) -> bool:
    reasons = authorize_destruction(case.site, case.now, case.policy)
    if reasons:
        raise Refused("state.illegal", "; ".join(reasons))
    return True


# It is due: a timer that fires early, twice or without its date on the site is refused


@guard("day 30 of the trial has not come; wait until then")
def must_have_reached_day_30(case: Case) -> bool:
    return _must_have_reached(case, "trial_ends_at", case.site.trial_ends_at)


@guard("the paid period is not over; wait until it ends")
def must_have_reached_period_end(case: Case) -> bool:
    return _must_have_reached(case, "period_ends_at", case.site.period_ends_at)


@guard("the end for which the site was cancelled has not come; wait until then")
def must_have_reached_cancels_at(case: Case) -> bool:
    return _must_have_reached(case, "cancels_at", case.site.cancels_at)


@guard("the time to pay a suspended site is not over; wait until it ends")
def must_have_been_unpaid_14_days(case: Case) -> bool:
    since = case.site.unpaid_since
    return _must_have_reached(case, "its last day to pay", None if since is None else since + case.policy.unpaid)


@guard("the timer is not due on the site; `tenure due` lists what is due when")
def must_be_due(case: Case) -> bool:
    kind = case.command.type.removeprefix("site.")
    return _must_have_reached(case, kind, timers(case.site, case.policy).get(kind))


def _must_have_reached(case: Case, what: str, due: datetime | None) -> bool:
    if due is None or case.now < due:
        raise Refused("state.illegal", f"{what} of {named(case.site.host)} is {moment(due)}: it is not due yet")
    return True


def _illegal(case: Case, why: str) -> Refused:
    return Refused("state.illegal", f"{named(case.site.host)} {why}")
