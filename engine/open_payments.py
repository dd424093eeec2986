"""Actions that close money that is open: a charge that an operator dropped, and what is owed when service ends."""

from dataclasses import replace

from engine.case import Case, currency_of, known
from engine.decision import Answered, Closed
from engine.letters import charged
from engine.payment_results import count_attempt, owe_refund
from engine.refunds import SURPLUS
from engine.vocabulary import action
from engine.words import money

# An operator gave it up


@action
def void_dropped(case: Case) -> None:
    """A charge of which nobody knows is void, and what it was to buy is not bought; a debt that was declined stands."""
    paying, owed = known(case.site.paying), case.site.owed
    case.entries.append(Answered(paying.payment_id, "void"))
    case.change(paying=None, dropped=(*case.site.dropped, replace(paying, payment_method=None)))
    case.notes.append(f"the charge of {money(paying.amount_cents, currency_of(case, paying))} is void")
    if owed is None or owed.invoice_id != paying.invoice_id:
        case.entries.append(Closed(paying.invoice_id, "void", "dropped by an operator"))
    elif owed.declined_at is None:
        case.entries.append(Closed(paying.invoice_id, "void", "dropped by an operator"))
        first = paying.reason == "first_charge"
        case.change(owed=None, charged_at=None if first else case.site.charged_at)
    else:
        count_attempt(case)


@action
def refund_dropped(case: Case) -> None:
    """It was made after all: the books keep it void, and the money is to go back."""
    paying = next(one for one in case.site.dropped if one.payment_id == case.given("payment_id"))
    names = ("card_label", "reference")
    case.entries.append(Answered(paying.payment_id, "void", **{name: case.given(name) for name in names}))
    case.change(dropped=tuple(one for one in case.site.dropped if one is not paying))
    case.tell("charge.succeeded", **charged(case, paying))
    owe_refund(case, paying, "after the charge was dropped", SURPLUS)


# Money that is open when something else ends


@action
def write_off(case: Case) -> None:
    """What was owed is uncollectible and its period forgotten; a charge that a worker took is awaited."""
    withdraw_charge(case)
    owed, paying = case.site.owed, case.site.paying
    if owed is None:
        return
    if paying is None or paying.invoice_id != owed.invoice_id:
        status = "uncollectible" if owed.declined_at else "void"  # never asked of the card, so nobody owes it
        case.entries.append(Closed(owed.invoice_id, status, "cancelled"))
    case.change(owed=None, period_start=None, period_ends_at=None)


@action
def withdraw_charge(case: Case) -> None:
    """A charge that no worker has claimed is void; what it was to buy is not bought."""
    paying, owed = case.site.paying, case.site.owed
    if paying is None or paying.claimed:
        return
    case.voids.append(paying.payment_id)
    case.entries.append(Answered(paying.payment_id, "void"))
    if owed is None or owed.invoice_id != paying.invoice_id:
        case.entries.append(Closed(paying.invoice_id, "void", "withdrawn before it was charged"))
    case.change(paying=None)
