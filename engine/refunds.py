"""The words of the law about refunds: both its columns. The money is moved by people, at the payment provider."""

from engine.case import Case, known
from engine.command import Bill
from engine.decision import Closed, Refused
from engine.site import Fault
from engine.vocabulary import action, guard
from engine.words import agents_in_words, masked, moment, money, named, shown

REFUND_DUE = "refund.due"
SURPLUS = "surplus"
"""A payment that no invoice waited for: its refund leaves the invoice as it is."""


@guard("only a paid invoice of this site is refunded; `tenure site show` names them", needs=("bill", "invoice"))
def must_name_a_paid_invoice(case: Case) -> bool:
    bill, named_id = case.command.bill, shown(case.given("invoice"))
    if bill is None:
        raise Refused(
            "invoice.unknown",
            f"invoice {named_id} is no invoice of {named(case.site.host)}; `tenure site show` names them",
        )
    if bill.status != "paid" and surplus(case) is None:
        raise Refused("state.illegal", f"invoice {named_id} is {bill.status}; only a paid one is refunded")
    return True


@guard("the invoice pays the period that runs; use site.cancel first, then record it", needs=("bill", "invoice"))
def must_not_be_of_this_period(case: Case) -> bool:
    bill, site = known(case.command.bill), case.site
    runs = bill.kind == "period" and bill.period_start == site.period_start and case.now < bill.period_end
    if runs and surplus(case) is None:
        raise Refused(
            "state.illegal",
            f"invoice {shown(bill.id)} pays the period that runs until {moment(bill.period_end)}; "
            "use site.cancel first, then record the refund",
        )
    return True


def surplus(case: Case) -> Fault | None:
    """The fault that asks for the refund of a payment beside the invoice."""
    asked = (fault for fault in case.site.faults if (fault.code, fault.kind) == (REFUND_DUE, SURPLUS))
    return next((fault for fault in asked if fault.key == case.given("invoice")), None)


@action
def record_refund(case: Case) -> None:
    """The books say so, and nobody asks for it any more."""
    bill, beside = known(case.command.bill), surplus(case)
    why = masked(f"{case.given('reference')}: {case.given('reason')}")
    if beside is None or bill.status == "void":
        case.entries.append(Closed(bill.id, "refunded", why))
    if beside is None:
        take_agents_back(case, bill)
    asked = [
        fault for fault in case.site.faults if _asks_for(fault, bill) and fault.kind == (beside.kind if beside else "")
    ]
    case.change(faults=tuple(fault for fault in case.site.faults if fault not in asked))
    case.notes.append(f"invoice {bill.id} of {money(bill.amount_cents, bill.currency)} is recorded as refunded")


def _asks_for(fault: Fault, bill: Bill) -> bool:
    """What version 0.1 wrote down names no invoice."""
    return fault.code == REFUND_DUE and fault.key in {"", bill.id}


def take_agents_back(case: Case, bill: Bill) -> None:
    """Agents that were added and are refunded within their period are not paid for any more."""
    site = case.site
    if bill.kind != "agents" or bill.period_end != site.period_ends_at or case.now >= bill.period_end:
        return
    plan = max(known(site.plan_agents) - bill.agents, 1)
    later = site.next_agents if site.next_agents is not None and site.next_agents < plan else None
    allowed = max(site.agents_allowed - bill.agents, 1)
    case.change(plan_agents=plan, agents_allowed=allowed, next_agents=later)
    case.notes.append(f"the plan is {agents_in_words(plan)} again")


@action
def forget_refunded_period(case: Case) -> None:
    """The days that a refunded invoice had paid are gone: coming back is charged anew."""
    bill, site = known(case.command.bill), case.site
    last = case.entries[-1] if case.entries else None
    if isinstance(last, Closed) and bill.kind == "period" and bill.period_start == site.period_start:
        case.change(period_start=None, period_ends_at=None)
        case.notes.append("coming back is charged anew")
