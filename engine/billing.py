"""The words of the law's `then` column that are about money. Integer minor units only."""

from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

from engine.case import Case
from engine.conditions import added_cents
from engine.consequences import period_price
from engine.decision import Answered, Charge, Closed, Invoice, Payment
from engine.ladder import needs_notice, next_try_at, suspends_at
from engine.periods import add_months, next_boundary, seconds_left
from engine.site import Owed, Paying
from engine.words import agents_in_words, moment, shown

# Choosing


def choose_plan(case: Case) -> None:
    """The price is frozen at the first choice; coming back keeps the one agreed then."""
    site, policy = case.site, case.policy
    case.change(
        plan_agents=case.given("agents"),
        payment_method=case.given("payment_method"),
        price_cents=site.price_cents if site.price_cents is not None else policy.price_cents,
        currency=site.currency or policy.currency,
    )


def choose_card(case: Case) -> None:
    """A new card may be tried where the old one was refused for good."""
    card = case.given("payment_method")
    if card is None:
        return
    owed = case.site.owed
    case.change(payment_method=card, owed=replace(owed, card_refused=False) if owed else None)


def choose_card_again(case: Case) -> None:
    case.change(payment_method=case.given("payment_method"))


def choose_agents(case: Case) -> None:
    agents = case.given("agents")
    case.change(plan_agents=agents)
    case.notes.append(f"{agents_in_words(agents)} from {moment(case.site.trial_ends_at)}; nothing is charged now")


def reduce_later(case: Case) -> None:
    """Fewer agents from the next period, no refund."""
    case.change(next_agents=case.given("agents"))
    case.notes.append(f"{agents_in_words(case.given('agents'))} from {moment(case.site.period_ends_at)}; no refund")
    case.mail("reduction_scheduled")


def withdraw_reduction(case: Case) -> None:
    case.change(next_agents=None)
    case.mail("reduction_withdrawn")


def reduce_while_suspended(case: Case) -> None:
    if case.site.suspended_from == "trial_subscribed":
        choose_agents(case)
    else:
        reduce_later(case)


def raise_agents(case: Case) -> None:
    """More agents whose share is too small to charge."""
    agents = case.given("agents")
    case.change(plan_agents=agents, agents_allowed=agents, next_agents=None)
    case.notes.append(f"under {case.policy.min_charge_cents} minor units: nothing is charged")


def fit_agents(case: Case) -> None:
    """Back within a paid period: more agents are charged pro rata, fewer come with the next period."""
    if case.given("agents") > case.site.agents_allowed:
        case.change(plan_agents=case.site.agents_allowed)
        charge_added_agents(case)
    elif case.given("agents") < case.site.agents_allowed:
        case.change(plan_agents=case.site.agents_allowed)
        reduce_later(case)


# Charging


def begin_paying(case: Case) -> None:
    """Day 30 of a subscribed trial: the first period begins then, however late this is noticed."""
    anchor = case.site.trial_ends_at or case.now
    case.change(anchor_at=anchor, period_start=anchor, period_ends_at=add_months(anchor, 1))
    charge_period(case, "first_charge")


def begin_anew(case: Case) -> None:
    """A period that begins now because the site was suspended when the last one ended."""
    case.change(anchor_at=case.now, period_start=case.now, period_ends_at=add_months(case.now, 1))
    charge_period(case, "renewal" if case.site.charged_at else "first_charge")


def begin_period(case: Case) -> None:
    """A renewal: the next period from the anchor, with the number of agents asked for."""
    site = case.site
    start = site.period_ends_at or case.now
    case.change(period_start=start, period_ends_at=next_boundary(site.anchor_at or start, start))
    settle_reduction(case)
    charge_period(case, "renewal")


def settle_reduction(case: Case) -> None:
    """Fewer agents, if they have been removed in the site by now; else the plan stays and the customer is told."""
    site = case.site
    if site.next_agents is None:
        return
    if site.used_agents > site.next_agents:
        case.mail("reduction_impossible")
        return
    case.change(plan_agents=site.next_agents, agents_allowed=site.next_agents, next_agents=None)


def charge_period(case: Case, reason: str) -> None:
    """Bill a whole period of the plan, and owe it until it is paid."""
    site = case.site
    start, end = site.period_start or case.now, site.period_ends_at or case.now
    invoice = bill(case, "period", reason, site.plan_agents or 0, seconds_left(start, end), (start, end))
    case.change(
        charged_at=case.now,
        owed=Owed(invoice.id, invoice.amount_cents, invoice.agents, start, end),
    )
    ask(case, reason, invoice.id, invoice.amount_cents, invoice.agents, (start, end))


def charge_owed(case: Case) -> None:
    """Try the unpaid period once more."""
    owed = case.site.owed
    if owed is not None:
        ask(case, "retry", owed.invoice_id, owed.amount_cents, owed.agents, (owed.period_start, owed.period_end))


def charge_new_start(case: Case) -> None:
    """A period that begins when it is paid: nobody pays for days offline."""
    site = case.site
    if site.state != "suspended":
        case.change(payment_method=case.given("payment_method"), price_cents=site.price_cents or case.policy.price_cents)
        case.change(currency=site.currency or case.policy.currency)
    agents = case.given("agents") or site.plan_agents or 0
    period = (case.now, add_months(case.now, 1))
    invoice = bill(case, "period", "new_start", agents, seconds_left(*period), period, numbered=False)
    ask(case, "new_start", invoice.id, invoice.amount_cents, agents, period)


def charge_added_agents(case: Case) -> None:
    """Charge Now: the added agents for the rest of this period."""
    site = case.site
    if site.period_start is None or site.period_ends_at is None:
        raise LookupError(f"{site.id} is active without a period")
    amount = added_cents(case)
    if amount < case.policy.min_charge_cents:
        raise_agents(case)
        return
    added = case.given("agents") - site.agents_allowed
    at = case.command.quoted_at or case.now
    left, whole = seconds_left(at, site.period_ends_at), seconds_left(site.period_start, site.period_ends_at)
    case.notes.append(
        f"{agents_in_words(added)} added × {site.price_cents} × {left} s left ÷ {whole} s of this period "
        f"= {amount} {site.currency} minor units"
    )
    period = (at, site.period_ends_at)
    invoice = bill(case, "agents", "change_plan", added, left, period, of_seconds=whole, amount=amount, numbered=False)
    ask(case, "change_plan", invoice.id, amount, case.given("agents"), period)


def bill(
    case: Case,
    kind: str,
    reason: str,
    agents: int,
    seconds: int,
    period: tuple[datetime, datetime],
    *,
    of_seconds: int | None = None,
    amount: int | None = None,
    numbered: bool = True,
) -> Invoice:
    """Write an invoice; it gets its number when it is owed or paid."""
    site = case.site
    price = site.price_cents or 0
    name = f"{site.id}:{site.generation}:{kind}:{reason}:{moment(period[0])}:{case.command.digest}"
    invoice = Invoice(
        id=f"inv_{blake2b(name.encode(), digest_size=12).hexdigest()}",
        kind=kind,
        reason=reason,
        currency=site.currency or case.policy.currency,
        unit_price_cents=price,
        agents=agents,
        seconds=seconds,
        of_seconds=of_seconds or seconds,
        amount_cents=agents * price if amount is None else amount,
        period_start=period[0],
        period_end=period[1],
        numbered=numbered,
    )
    case.entries.append(invoice)
    return invoice


def ask(
    case: Case, reason: str, invoice_id: str, amount: int, agents: int, period: tuple[datetime, datetime]
) -> None:
    """Ask the card network once, under a key that a restored database makes again."""
    site = case.site
    attempt = site.owed.attempts + 1 if site.owed is not None and reason != "new_start" else 1
    tail = f"{attempt}" if reason in {"first_charge", "renewal", "retry"} else case.command.digest
    payment_id = f"{site.id}:{reason}:{moment(period[0])}:{tail}"
    if site.owed is not None and reason != "new_start":
        case.change(owed=replace(site.owed, attempts=attempt))
    case.change(
        paying=Paying(payment_id, invoice_id, reason, amount, agents, *period, cause=case.command.root),
    )
    case.entries.append(Payment(payment_id, invoice_id, attempt, amount))
    currency = site.currency or case.policy.currency
    case.charge = Charge(amount, currency, reason)
    case.must("charge", payment_id=payment_id, invoice_id=invoice_id, amount_cents=amount, reason=reason)
    case.notes.append(f"{amount} {currency} minor units are charged now ({reason})")


# Answers of the card network


def book_payment(case: Case) -> None:
    """The invoice of the payment under way is paid."""
    paying = answer(case, "succeeded")
    case.entries.append(Closed(paying.invoice_id, "paid", paying.reason))
    case.tell("charge.succeeded", **charged(case, paying))
    owed = case.site.owed
    if owed is not None and owed.invoice_id == paying.invoice_id:
        case.change(owed=None, unpaid_since=None)


def book_new_start(case: Case) -> None:
    """A period of its own from the moment of the payment; what was owed for days offline is void."""
    site = case.site
    paying = answer(case, "succeeded")
    start, end = case.now, add_months(case.now, 1)
    if site.owed is not None:
        case.entries.append(Closed(site.owed.invoice_id, "void", "a new period began at the payment"))
    case.entries.append(Closed(paying.invoice_id, "paid", paying.reason, (start, end)))
    case.tell("charge.succeeded", **charged(case, paying))
    case.change(
        owed=None,
        unpaid_since=None,
        anchor_at=start,
        period_start=start,
        period_ends_at=end,
        charged_at=case.now,
        plan_agents=paying.agents,
        next_agents=None,
        agents_allowed=paying.agents,
        night_at=case.now,
    )


def allow_paid_agents(case: Case) -> None:
    """The plan's number holds from the first successful payment."""
    case.change(agents_allowed=case.site.plan_agents or 0)


def raise_paid_agents(case: Case) -> None:
    """Charge Now succeeded: the number rises, and a waiting reduction is replaced."""
    paying = case.site.paying
    if paying is not None:
        case.change(plan_agents=paying.agents, agents_allowed=paying.agents, next_agents=None)


def note_decline(case: Case) -> None:
    """The first decline starts the ladder; a card that forbids another try is not tried again."""
    paying = answer(case, "declined")
    case.tell("charge.declined", **charged(case, paying), decline_code=case.given("decline_code"))
    owed = case.site.owed
    if owed is None:
        return
    first = owed.declined_at is None
    case.change(
        owed=replace(
            owed,
            declined_at=owed.declined_at or case.now,
            tried_at=case.now,
            card_refused=case.given("retry") in {"new_card", "customer", "never"},
        )
    )
    if first:
        mail_declined(case)
    give_notice(case)


def count_try(case: Case) -> None:
    """A step of the ladder without a card that may be tried: the dates run on."""
    owed = case.site.owed
    if owed is not None:
        case.change(owed=replace(owed, tried_at=case.now))
        give_notice(case)


def give_notice(case: Case) -> None:
    """The customer is told at least 48 h before the suspension."""
    owed = case.site.owed
    if owed is not None and needs_notice(owed, case.now, case.policy):
        told = replace(owed, noticed_at=case.now)
        case.change(owed=told)
        case.mail("suspension_near", amount_cents=owed.amount_cents, suspends_at=suspends_at(told, case.policy))


def suspend_unpaid(case: Case) -> None:
    case.change(unpaid_since=case.now)
    case.mail("suspended_nonpayment")


def void_charge(case: Case) -> None:
    """A declined Charge Now or new start changes nothing: its invoice is void."""
    paying = answer(case, "declined")
    case.entries.append(Closed(paying.invoice_id, "void", "declined"))
    case.tell("charge.declined", **charged(case, paying), decline_code=case.given("decline_code"))
    case.mail(
        "charge_now_declined",
        amount_cents=paying.amount_cents,
        card_label=case.given("card_label"),
        decline_code=case.given("decline_code"),
    )


def answer(case: Case, outcome: str) -> Paying:
    """Close the payment under way with what the card network said."""
    paying = case.site.paying
    if paying is None:
        raise LookupError(f"{case.site.id} has no payment under way")
    names = ("card_label", "decline_code", "retry", "reference")
    case.entries.append(Answered(paying.payment_id, outcome, **{name: case.given(name) for name in names}))
    case.change(paying=None)
    return paying


def charged(case: Case, paying: Paying) -> dict[str, object]:
    """The data of `charge.*` events."""
    return {
        "invoice": paying.invoice_id,
        "amount_cents": paying.amount_cents,
        "currency": case.site.currency,
        "reason": paying.reason,
    }


# Leaving with money open


def write_off(case: Case) -> None:
    """The open invoice is uncollectible, a charge that nobody took is void, one that was taken is awaited."""
    site = case.site
    if site.owed is not None:
        case.entries.append(Closed(site.owed.invoice_id, "uncollectible", "cancelled"))
        case.change(owed=None)
    paying = site.paying
    if paying is None or paying.claimed:
        return
    case.voids.append(paying.payment_id)
    case.entries.append(Answered(paying.payment_id, "void"))
    if site.owed is None or site.owed.invoice_id != paying.invoice_id:
        case.entries.append(Closed(paying.invoice_id, "void", "cancelled"))
    case.change(paying=None)


def ask_for_refund(case: Case) -> None:
    """A charge that succeeded after the cancellation: nothing comes back to life."""
    case.change(
        attention=f"{shown(case.given('amount_cents'))} {case.site.currency} minor units were charged after the "
        "cancellation; refund them at the payment provider, then site.retry to clear this"
    )


# Letters about money


def mail_receipt(case: Case) -> None:
    """The receipt of the payment just booked; its invoice is named, its numbers come from the books."""
    closed = next(entry for entry in case.entries if isinstance(entry, Closed) and entry.status == "paid")
    case.mail(
        "receipt",
        invoice_id=closed.invoice_id,
        card_label=case.given("card_label"),
        next_charge_at=case.site.cancels_at or case.site.period_ends_at,
        next_amount_cents=period_price(case.site),
    )


def mail_declined(case: Case) -> None:
    owed = case.site.owed
    if owed is not None:
        case.mail(
            "declined",
            amount_cents=owed.amount_cents,
            card_label=case.given("card_label"),
            decline_code=case.given("decline_code"),
            next_try_at=next_try_at(owed, case.policy),
            suspends_at=suspends_at(owed, case.policy),
        )
