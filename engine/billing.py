"""The words of the law's `then` column that charge. Integer minor units only."""

from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

from engine.case import Case, known
from engine.decision import Charge, Closed, Invoice, Payment
from engine.letters import mail_reduction_impossible, tell_over_plan
from engine.periods import add_months, next_boundary, seconds_left
from engine.prices import added_cents, agreed_price, share_left
from engine.site import Owed, Paying
from engine.vocabulary import action
from engine.words import agents_in_words, moment, money

Period = tuple[datetime, datetime]


# A period


@action(needs=("used_agents",))
def begin_paying(case: Case) -> None:
    """Day 30 of a subscribed trial: the first period begins then, however late this is noticed."""
    anchor = known(case.site.trial_ends_at)
    case.change(anchor_at=anchor)
    charge_period(case, "first_charge", (anchor, add_months(anchor, 1)), f"{moment(anchor)}:1")


@action(needs=("used_agents",))
def begin_period(case: Case) -> None:
    """A renewal: the next period from the anchor, with the number of agents asked for."""
    start = known(case.site.period_ends_at)
    period = start, next_boundary(known(case.site.anchor_at), start)
    settle_reduction(case, period)
    charge_period(case, "renewal", period, f"{moment(start)}:1")


@action(needs=("used_agents",))
def begin_new_period(case: Case) -> None:
    """A period that begins now because an operator suspended when the last one ended; what it owed is void."""
    owed = case.site.owed
    if owed is not None:
        case.entries.append(Closed(owed.invoice_id, "void", "a new period began at the resume"))
    period = case.now, add_months(case.now, 1)
    settle_reduction(case, period)
    case.change(anchor_at=case.now)
    reason = "renewal" if case.site.charged_at else "first_charge"
    charge_period(case, reason, period, case.command.digest)


def settle_reduction(case: Case, period: Period) -> None:
    """Fewer agents, if they have been removed in the site by now; else the plan stays and the customer is told."""
    site = case.site
    if site.next_agents is None:
        return
    if site.planned_agents != site.next_agents:
        mail_reduction_impossible(case, period[1])
        return
    allowed = min(site.agents_allowed, site.next_agents)  # fewer than were planned may be more than were paid for
    case.change(plan_agents=site.next_agents, agents_allowed=allowed, next_agents=None)


def charge_period(case: Case, reason: str, period: Period, key: str) -> None:
    """Bill a whole period of the plan, and owe it until it is paid; of one that costs nothing nobody owes anything."""
    site = case.site
    agents, price = known(site.plan_agents), known(site.price_cents)
    case.change(period_start=period[0], period_ends_at=period[1])
    if price == 0:
        case.change(owed=None, agents_allowed=agents)
    else:
        invoice = bill(case, "period", reason, period, agents=agents, price_cents=price, numbered=True)
        case.change(owed=Owed(invoice.id, invoice.amount_cents, agents, *period, attempts=1))
        ask(case, invoice, reason, agents, f"{site.id}:{reason}:{key}")
    tell_over_plan(case)


@action
def charge_owed(case: Case) -> None:
    """Try the unpaid period once more."""
    site, owed = case.site, known(case.site.owed)
    attempt = owed.attempts + 1
    price, currency = money(known(site.price_cents), known(site.currency)), known(site.currency)
    case.notes.append(f"{agents_in_words(owed.agents)} × {price} for one month = {money(owed.amount_cents, currency)}")
    case.change(owed=replace(owed, attempts=attempt))
    paying = Paying(
        payment_id=f"{site.id}:retry:{moment(owed.period_start)}:{attempt}",
        invoice_id=owed.invoice_id,
        reason="retry",
        amount_cents=owed.amount_cents,
        agents=owed.agents,
        period_start=owed.period_start,
        period_end=owed.period_end,
        currency=currency,
    )
    charge(case, paying, attempt)


@action(needs=("used_agents",))
def charge_new_start(case: Case) -> None:
    """A period that begins when it is paid: nobody pays for days offline. Until then nothing changes."""
    site = case.site
    agents = case.given("agents") or known(site.planned_agents)
    period = (case.now, add_months(case.now, 1))
    invoice = bill(case, "period", "new_start", period, agents=agents, price_cents=agreed_price(case), numbered=False)
    card = case.given("payment_method") or site.payment_method
    ask(case, invoice, "new_start", agents, f"{site.id}:new_start:{case.command.digest}", card=card)


@action(needs=("used_agents",))
def start_free_period(case: Case) -> None:
    """Coming back where nothing is owed: the period begins at once."""
    currency = case.site.currency or case.policy.currency
    start_period(case, case.given("agents"), price_cents=0, currency=currency)
    case.change(next_agents=None, payment_method=case.given("payment_method"))


def start_period(case: Case, agents: int, *, price_cents: int, currency: str) -> None:
    """A period and an anchor of their own from now; a cancellation for the period's end moves to this one's."""
    start, end = case.now, add_months(case.now, 1)
    case.change(
        anchor_at=start,
        period_start=start,
        period_ends_at=end,
        cancels_at=end if case.site.cancels_at else None,
        plan_agents=agents,
        agents_allowed=agents,
        price_cents=price_cents,
        currency=currency,
    )
    tell_over_plan(case)


# Charge Now


@action
def charge_added_agents(case: Case) -> None:
    """The added agents for the rest of this period; the number rises when it is paid."""
    site = case.site
    wanted, price = case.given("agents"), known(site.price_cents)
    left, whole = share_left(case)
    invoice = bill(
        case,
        "agents",
        "change_plan",
        (case.command.quoted_at or case.now, known(site.period_ends_at)),
        agents=wanted - site.agents_allowed,
        price_cents=price,
        share=(left, whole, added_cents(case)),
        numbered=False,
    )
    case.notes.append(
        f"{agents_in_words(invoice.agents)} added × {money(price, invoice.currency)} × "
        f"{left} s left ÷ {whole} s of this period = {money(invoice.amount_cents, invoice.currency)}"
    )
    ask(case, invoice, "change_plan", wanted, f"{site.id}:change_plan:{case.command.digest}")


# Bills and charges


def bill(
    case: Case,
    kind: str,
    reason: str,
    period: Period,
    *,
    agents: int,
    price_cents: int,
    share: tuple[int, int, int] | None = None,
    numbered: bool,
) -> Invoice:
    """Write an invoice: a whole period, or a share of one (seconds, of seconds, amount).

    It gets its number when it is owed or paid. Its id is derived from the command that caused it.
    """
    whole = seconds_left(*period)
    seconds, of_seconds, amount = share or (whole, whole, agents * price_cents)
    name = f"{case.site.id}:{kind}:{reason}:{case.command.digest}"
    invoice = Invoice(
        id=f"inv_{blake2b(name.encode(), digest_size=12).hexdigest()}",
        kind=kind,
        reason=reason,
        currency=case.site.currency or case.policy.currency,
        unit_price_cents=price_cents,
        agents=agents,
        seconds=seconds,
        of_seconds=of_seconds,
        amount_cents=amount,
        period_start=period[0],
        period_end=period[1],
        numbered=numbered,
    )
    case.entries.append(invoice)
    return invoice


def ask(case: Case, invoice: Invoice, reason: str, agents: int, payment_id: str, *, card: str | None = None) -> None:
    """The first charge of an invoice, under a key that a restored database makes again."""
    paying = Paying(
        payment_id=payment_id,
        invoice_id=invoice.id,
        reason=reason,
        amount_cents=invoice.amount_cents,
        agents=agents,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        price_cents=invoice.unit_price_cents,
        payment_method=card,
        currency=invoice.currency,
    )
    if invoice.kind == "period":
        case.notes.append(
            f"{agents_in_words(agents)} × {money(invoice.unit_price_cents, invoice.currency)} for one month "
            f"= {money(invoice.amount_cents, invoice.currency)}"
        )
    charge(case, paying, 1)


def charge(case: Case, paying: Paying, attempt: int) -> None:
    """Ask the card network once, with the card that holds now unless another is named."""
    site = case.site
    card, currency = paying.payment_method or site.payment_method, known(paying.currency)
    paying = replace(paying, cause=case.command.root, payment_method=card, generation=site.generation)
    case.change(paying=paying, charged_at=site.charged_at if paying.reason == "change_plan" else case.now)
    case.entries.append(Payment(paying.payment_id, paying.invoice_id, attempt, paying.amount_cents))
    case.charge = Charge(paying.amount_cents, currency, paying.reason)
    case.must(
        "charge",
        payment_id=paying.payment_id,
        invoice_id=paying.invoice_id,
        amount_cents=paying.amount_cents,
        currency=currency,
        reason=paying.reason,
        payment_method=card,
    )
    case.notes.append(f"{money(paying.amount_cents, currency)} are charged now ({paying.reason})")
