"""The words of the law's `then` column that write to the customer, with the facts that each letter needs."""

from dataclasses import replace
from datetime import datetime

from engine.cancellation import days_kept
from engine.case import Case, currency_of, known
from engine.decision import Closed
from engine.dunning import suspends_at
from engine.letter_contents import ladder
from engine.site import Paying, Site
from engine.vocabulary import action
from engine.words import agents_in_words, moment, money, plain_decline

# A trial


@action
def mail_welcome(case: Case) -> None:
    """The link, and what the trial is."""
    site = case.site
    case.mail(
        "welcome", trial_ends_at=site.trial_ends_at, agents_allowed=site.agents_allowed, plan_agents=site.plan_agents
    )


@action
def mail_subscribed(case: Case) -> None:
    """Price, first charge, how to stop."""
    site = case.site
    case.mail(
        "subscribed",
        first_charge_at=max(known(site.trial_ends_at), case.now),
        amount_cents=period_price(site),
        currency=site.currency,
        plan_agents=site.plan_agents,
        price_cents=site.price_cents,
    )
    tell_plan(case)


@action
def tell_plan(case: Case) -> None:
    """What it will cost, and from when: told in the review."""
    site = case.site
    agents, price, currency = known(site.plan_agents), known(site.price_cents), known(site.currency)
    begins = site.trial_ends_at
    first = f"{site.trial_days} days after the site is ready" if begins is None else moment(max(begins, case.now))
    case.notes.append(
        f"{agents_in_words(agents)} × {money(price, currency)} = {money(agents * price, currency)} a month; "
        f"first charge {'' if begins is None else 'at '}{first}, nothing is charged now"
    )


@action
def mail_trial_expired(case: Case) -> None:
    """No obligation: the download comes, the data stays for 14 days."""
    case.mail("trial_expired", cancelled_at=case.site.cancelled_at, kept_days=days_kept(case))


# Leaving and coming back


@action
def mail_cancelled(case: Case) -> None:
    """A site that was never ready has nothing to download."""
    site = case.site
    case.mail("cancelled", cancelled_at=site.cancelled_at, ready_at=site.ready_at, kept_days=days_kept(case))


@action
def mail_suspended(case: Case) -> None:
    """An operator did it."""
    case.mail("suspended_operator", suspended_at=case.now)


@action
def mail_back_online(case: Case) -> None:
    """The suspension is over."""
    case.mail("back_online", online_at=case.now)


@action
def mail_welcome_back(case: Case) -> None:
    """The cancellation or the expiry is undone."""
    site = case.site
    case.mail("welcome_back", trial_ends_at=site.trial_ends_at, period_ends_at=site.period_ends_at)
    paid = site.period_ends_at is not None
    until = f"paid until {moment(site.period_ends_at)}" if paid else f"free until {moment(site.trial_ends_at)}"
    case.notes.append(f"the site is online again, {until}")


@action
def mail_download(case: Case) -> None:
    """The link, and how long it holds; what is missing, and then the generation for which the customer is told."""
    export = {name: case.given(name) for name in ("url", "bytes", "sha256")}
    if case.given("left_out"):
        names = case.given("left_out_names") or []
        export |= {"left_out": case.given("left_out"), "left_out_names": names, "generation": case.site.generation}
    case.mail("download_ready", **export, deletes_at=case.site.deletes_at)


# Money


@action
def mail_receipt(case: Case) -> None:
    """The receipt of the payment just booked; its invoice is named, its numbers come from the books."""
    site = case.site
    paid = next(entry for entry in case.entries if isinstance(entry, Closed) and entry.status == "paid")
    goes_on = site.cancelled_at is None and site.cancels_at is None
    case.mail(
        "receipt",
        invoice_id=paid.invoice_id,
        card_label=case.given("card_label"),
        next_charge_at=site.period_ends_at if goes_on else None,
        next_amount_cents=next_price(site) if goes_on else None,
    )


def mail_declined(case: Case) -> None:
    """The first decline: what happens when, and what to do."""
    case.mail(
        "declined",
        invoice_id=known(case.site.owed).invoice_id,
        amount_cents=known(case.site.owed).amount_cents,
        currency=case.site.currency,
        card_label=case.given("card_label"),
        decline_code=plain_decline(case.given("decline_code")),
        **ladder(case.site, case.now, case.policy),
    )


def mail_suspension_near(case: Case) -> None:
    """At least 48 h before."""
    owed = known(case.site.owed)
    case.mail(
        "suspension_near",
        invoice_id=owed.invoice_id,
        amount_cents=owed.amount_cents,
        currency=case.site.currency,
        suspends_at=suspends_at(replace(owed, noticed_at=case.now), case.policy),
    )


def mail_suspended_unpaid(case: Case) -> None:
    """Offline; paying begins a new period, and after 14 days it is cancelled."""
    case.mail(
        "suspended_nonpayment",
        amount_cents=next_price(case.site),
        currency=case.site.currency,
        ends_at=known(case.site.unpaid_since) + case.policy.unpaid,
    )


def mail_charge_declined(case: Case, paying: Paying) -> None:
    """A declined Charge Now, return or payment of a suspended site: nothing has changed."""
    case.mail(
        "charge_now_declined",
        amount_cents=paying.amount_cents,
        currency=currency_of(case, paying),
        declined_at=case.now,
        reason=paying.reason,
        agents=paying.agents,
        card_label=case.given("card_label"),
        decline_code=plain_decline(case.given("decline_code")),
    )


def mail_reduction_impossible(case: Case, renews_at: datetime) -> None:
    """More agents in use than were asked for: the plan stays, and is asked again when the next period begins."""
    site = case.site
    agents = {"plan_agents": site.plan_agents, "next_agents": site.next_agents, "used_agents": site.used_agents}
    case.mail("reduction_impossible", **agents, renews_at=renews_at)


def tell_over_plan(case: Case) -> None:
    """More agents in the site than in the plan: nobody is locked out, none may be added; all are told."""
    paid, used = known(case.site.plan_agents), case.site.used_agents
    if used > paid:
        case.mail("agents_over_plan", plan_agents=paid, used_agents=used)
        case.tell("agents.over_plan", agents=paid, used=used)


def period_price(site: Site) -> int:
    """What a whole period of the chosen plan costs, in minor units."""
    return known(site.plan_agents) * known(site.price_cents)


def next_price(site: Site) -> int:
    """What the next period costs as things stand: no customer is told less than is charged."""
    return known(site.planned_agents) * known(site.price_cents)


def charged(case: Case, paying: Paying) -> dict[str, object]:
    """The data of `charge.*` events."""
    return {
        "invoice": paying.invoice_id,
        "amount_cents": paying.amount_cents,
        "currency": currency_of(case, paying),
        "reason": paying.reason,
    }
