"""The words of the law's `then` column that follow an answer of the card network, and that close open money."""

from dataclasses import replace

from engine.billing import start_period
from engine.bounces import has_bounced
from engine.case import Case, currency_of, known
from engine.command import CLOCK
from engine.decision import Answered, Closed
from engine.dunning import needs_notice
from engine.faults import note
from engine.letters import (
    charged,
    mail_charge_declined,
    mail_declined,
    mail_reduction_impossible,
    mail_suspended_unpaid,
    mail_suspension_near,
)
from engine.refunds import REFUND_DUE
from engine.site import Fault, Paying
from engine.vocabulary import action
from engine.words import money, plain_decline

# It succeeded


@action
def book_payment(case: Case) -> None:
    """The invoice of the payment under way is paid."""
    paying = answer(case, "succeeded")
    case.entries.append(Closed(paying.invoice_id, "paid", paying.reason))
    if paying.reason != "change_plan":
        case.change(owed=None, unpaid_since=None, charged_at=case.now)


@action(needs=("used_agents",))
def book_new_start(case: Case) -> None:
    """A period of its own from the moment of the payment; what was owed for days offline is void."""
    owed = case.site.owed
    if owed is not None:
        case.entries.append(Closed(owed.invoice_id, "void", "a new period began at the payment"))
    paying = answer(case, "succeeded")
    grant_new_period(case, paying)
    case.change(owed=None, unpaid_since=None, night_at=case.now)


def grant_new_period(case: Case, paying: Paying) -> None:
    """From now, with what was agreed when it was asked for; a card named since then stays, and a reduction waits."""
    site = case.site
    waits = site.state == "suspended" and site.next_agents != paying.agents
    start_period(case, paying.agents, price_cents=paying.price_cents, currency=currency_of(case, paying))
    period = known(case.site.period_start), known(case.site.period_ends_at)
    case.entries.append(Closed(paying.invoice_id, "paid", paying.reason, period))
    case.change(
        charged_at=case.now,
        next_agents=site.next_agents if waits else None,
        payment_method=site.payment_method if site.state == "suspended" else paying.payment_method,
    )
    if case.site.next_agents is not None:
        mail_reduction_impossible(case, period[1])


@action(needs=("used_agents",))
def book_late_payment(case: Case) -> None:
    """Paid after the cancellation: nothing comes back to life, but no day is paid twice by who comes back."""
    paying = known(case.site.paying)
    if paying.reason == "new_start":
        grant_new_period(case, answer(case, "succeeded"))
        return
    if paying.reason == "change_plan":
        raise_paid_agents(case)
        book_payment(case)
        return
    book_payment(case)
    case.change(period_start=paying.period_start, period_ends_at=paying.period_end, agents_allowed=paying.agents)


@action
def allow_paid_agents(case: Case) -> None:
    """The number that is paid for holds from the first successful payment."""
    case.change(agents_allowed=known(case.site.paying).agents)


@action
def raise_paid_agents(case: Case) -> None:
    """Charge Now succeeded: the number rises, and a waiting reduction is replaced."""
    agents = known(case.site.paying).agents
    case.change(plan_agents=agents, agents_allowed=agents, next_agents=None)


@action
def ask_for_refund(case: Case) -> None:
    """A payment that was under way at the cancellation: the money goes back, unless the customer comes back to it."""
    owe_refund(case, known(case.site.paying), "after the cancellation")


def owe_refund(case: Case, paying: Paying, when: str, kind: str = "") -> None:
    """Operators are told until the refund is recorded."""
    fault = Fault(
        code=REFUND_DUE,
        since=case.now,
        what=f"{money(paying.amount_cents, currency_of(case, paying))} were charged {when}",
        do=f"refund them at the payment provider, then site.record_refund with invoice={paying.invoice_id}",
        kind=kind,
        key=paying.invoice_id,
        generation=case.site.generation,
    )
    note(case, fault)
    case.alarm(fault)


@action
def withdraw_refund_request(case: Case) -> None:
    """Who comes back to days that were paid after the cancellation is not refunded for them."""
    now_used = case.site.generation
    kept = (one for one in case.site.faults if one.code != REFUND_DUE or one.generation != now_used or one.kind)
    case.change(faults=tuple(kept))


# It was declined


@action
def note_decline(case: Case) -> None:
    """The first decline starts the ladder; a card that forbids another try is not tried again.

    The day between two tries of the ladder counts from the answer: the card network may have been away.
    """
    paying = answer(case, "declined")
    owed = known(case.site.owed)
    forbids = case.given("retry") in {"new_card", "customer", "never"}
    rests_until = case.now + case.policy.charge_pause if paying.cause[0] == CLOCK else owed.rests_until
    case.change(
        owed=replace(
            owed,
            declined_at=owed.declined_at or case.now,
            tried_at=case.now,
            card_refused=forbids and paying.payment_method == case.site.payment_method,
            rests_until=rests_until,
        )
    )
    if owed.declined_at is None:
        mail_declined(case)
    give_notice(case)


@action
def pause_retries_a_day(case: Case) -> None:
    """The ladder charges at most once in 24 h, however late its steps are noticed."""
    case.change(owed=replace(known(case.site.owed), rests_until=case.now + case.policy.charge_pause))


@action
def count_attempt(case: Case) -> None:
    """A step of the ladder at which the card is not tried: the dates run on."""
    case.change(owed=replace(known(case.site.owed), tried_at=case.now))
    give_notice(case)


def give_notice(case: Case) -> None:
    """Ask for the notice until one is sent; a site that is offline already waits for its return."""
    if case.site.online and not has_bounced(case) and needs_notice(known(case.site.owed), case.now, case.policy):
        mail_suspension_near(case)


@action
def note_suspension_notice(case: Case) -> None:
    """The notice is out, or an operator waives it: the suspension comes 48 h after that at the earliest."""
    case.change(owed=replace(known(case.site.owed), noticed_at=case.now))


@action
def suspend_unpaid(case: Case) -> None:
    """Offline until it is paid, for 14 days."""
    case.change(unpaid_since=case.now)
    mail_suspended_unpaid(case)


@action
def void_charge(case: Case) -> None:
    """A declined Charge Now or new start changes nothing: its invoice is void."""
    paying = answer(case, "declined")
    case.entries.append(Closed(paying.invoice_id, "void", "declined"))
    mail_charge_declined(case, paying)


@action
def give_up_charge(case: Case) -> None:
    """Declined after the cancellation, which waited for it."""
    paying = answer(case, "declined")
    case.entries.append(Closed(paying.invoice_id, "uncollectible", "cancelled"))


def answer(case: Case, outcome: str) -> Paying:
    """Close the payment under way with what the card network said, and tell other systems."""
    paying = known(case.site.paying)
    names = ("card_label", "decline_code", "retry", "reference")
    case.entries.append(Answered(paying.payment_id, outcome, **{name: case.given(name) for name in names}))
    case.change(paying=None)
    more = {"decline_code": plain_decline(case.given("decline_code"))} if outcome == "declined" else {}
    case.tell(f"charge.{outcome}", **charged(case, paying), **more)
    return paying
