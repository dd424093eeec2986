"""Predicates about what a command asks for, compared with what the site has, and about what is under way already."""

from engine.case import Case
from engine.prices import added_cents
from engine.vocabulary import predicate


@predicate("if plan and card are the present ones", needs=("agents", "payment_method"))
def same_plan(case: Case) -> bool:
    site = case.site
    return (site.plan_agents, site.payment_method) == (case.given("agents"), case.given("payment_method"))


@predicate("if the number of agents is the plan's", needs=("agents",))
def same_agents(case: Case) -> bool:
    return bool(case.given("agents") == case.site.plan_agents)


@predicate("if the plan is to be reduced to this number already", needs=("agents",))
def same_reduction(case: Case) -> bool:
    return bool(case.given("agents") == case.site.next_agents)


@predicate("for fewer agents than the plan has", needs=("agents",))
def fewer_agents(case: Case) -> bool:
    return bool(case.given("agents") < (case.site.plan_agents or 0))


@predicate("if the added agents cost less than the smallest charge", needs=("agents",))
def too_little_to_charge(case: Case) -> bool:
    """Their share of the period is under the smallest amount that is charged, or rounds to nothing."""
    return added_cents(case) < max(case.policy.min_charge_cents, 1)


@predicate("if this is the contact already", needs=("email",))
def same_contact(case: Case) -> bool:
    return bool(case.given("email") == case.site.email)


@predicate("if this guard is waived already", needs=("guard",))
def already_waived(case: Case) -> bool:
    return case.given("guard") in case.site.waived


@predicate("with guard=notice", needs=("guard",))
def of_the_notice(case: Case) -> bool:
    return bool(case.given("guard") == "notice")


@predicate("with when=period_end", needs=("when",))
def at_period_end(case: Case) -> bool:
    return bool(case.given("when") == "period_end")


@predicate("while an export is under way", needs=("under_way",))
def export_under_way(case: Case) -> bool:
    return "export" in case.command.under_way


@predicate("while a backup on demand is under way", needs=("under_way",))
def back_up_under_way(case: Case) -> bool:
    """A nightly backup does not count."""
    return "back_up" in case.command.under_way
