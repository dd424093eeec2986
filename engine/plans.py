"""The words of the law's `then` column that choose: a plan, a card, a number of agents."""

from dataclasses import replace

from engine.billing import charge_added_agents
from engine.case import Case, known
from engine.prices import added_cents, agreed_price
from engine.request_predicates import too_little_to_charge
from engine.vocabulary import action
from engine.words import agents_in_words, moment, money


@action
def choose_plan(case: Case) -> None:
    """The price is frozen at the first choice; coming back keeps the one agreed then."""
    case.change(
        plan_agents=case.given("agents"),
        payment_method=case.given("payment_method"),
        price_cents=agreed_price(case),
        currency=case.site.currency or case.policy.currency,
        cancels_at=None,
    )


@action
def choose_card(case: Case) -> None:
    """A new card may be tried where the old one was refused for good."""
    card, owed = case.given("payment_method"), case.site.owed
    if card is None or card == case.site.payment_method:
        return
    case.change(payment_method=card, owed=replace(owed, card_refused=False) if owed else None)


@action
def forget_reduction(case: Case) -> None:
    """Who says the number anew wants no other one later."""
    case.change(next_agents=None)


@action
def choose_agents(case: Case) -> None:
    """Replaces the number from day 30."""
    agents = case.given("agents")
    case.change(plan_agents=agents)
    case.notes.append(f"{agents_in_words(agents)} from {moment(case.site.trial_ends_at)}; nothing is charged now")


@action
def reduce_later(case: Case) -> None:
    """Fewer agents from the next period, no refund."""
    agents, begins = case.given("agents"), case.site.period_ends_at
    case.change(next_agents=agents)
    case.notes.append(f"{agents_in_words(agents)} from {moment(begins)}; no refund")
    case.mail("reduction_scheduled", plan_agents=case.site.plan_agents, next_agents=agents, period_ends_at=begins)


@action
def withdraw_reduction(case: Case) -> None:
    """Today's number stays."""
    case.change(next_agents=None)
    case.notes.append(f"the plan stays at {agents_in_words(known(case.site.plan_agents))}")
    case.mail("reduction_withdrawn", plan_agents=case.site.plan_agents)


@action
def raise_agents(case: Case) -> None:
    """More agents whose share is too small to charge."""
    agents, share = case.given("agents"), money(added_cents(case), known(case.site.currency))
    case.change(plan_agents=agents, agents_allowed=payable(case, agents), next_agents=None)
    case.notes.append(f"{agents_in_words(agents)} at once; their share of {share} is too small to be charged")


def payable(case: Case, agents: int) -> int:
    """Nothing above the trial's number before a first payment, unless nothing is ever owed."""
    site = case.site
    if site.charged_at or not site.price_cents:
        return agents
    return min(agents, max(site.agents_allowed, site.trial_agents))


@action
def fit_agents(case: Case) -> None:
    """Back within a paid period: more agents are charged pro rata, fewer come with the next period."""
    wanted, paid = case.given("agents"), case.site.agents_allowed
    case.change(plan_agents=paid, next_agents=None)
    if wanted < paid:
        reduce_later(case)
    elif wanted > paid and too_little_to_charge(case):
        raise_agents(case)
    elif wanted > paid:
        charge_added_agents(case)
