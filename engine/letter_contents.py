"""What letters say as things stand when they leave: moments, amounts and numbers that may have changed since."""

from dataclasses import replace
from datetime import datetime

from engine.authority import kept_for
from engine.dunning import next_try_at, suspends_at
from engine.letter import Facts, Letter, says
from engine.letter_validity import TRIALS, deleted_at, to_come
from engine.policy import DAY, Policy
from engine.site import LEAVING, Site
from engine.words import plain_decline


@says("trial_ending")
def _trial_ending(_asked: Letter, site: Site, now: datetime, policy: Policy) -> Facts:
    left = 0 * DAY if site.trial_ends_at is None else site.trial_ends_at - now
    return {"trial_ends_at": site.trial_ends_at, "days": max(round(left / DAY), 1), "kept_days": _kept(site, policy)}


@says("subscribed", "first_charge_soon")
def _first_charge(_asked: Letter, site: Site, now: datetime, _policy: Policy) -> Facts:
    """The plan as it is now, and day 30."""
    ends, waits = site.trial_ends_at, site.state == "suspended"  # then nothing is charged before it is back
    return {
        "first_charge_at": None if ends is None or (waits and ends <= now) else max(ends, now),
        "amount_cents": (site.plan_agents or 0) * (site.price_cents or 0),
        "currency": site.currency,
        "plan_agents": site.plan_agents,
        "price_cents": site.price_cents,
    }


@says("welcome")
def _welcome(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> Facts:
    plan = site.plan_agents if site.state == "trial_subscribed" else None
    return {"trial_ends_at": site.trial_ends_at, "agents_allowed": site.agents_allowed, "plan_agents": plan}


@says("trial_expired", "cancelled")
def _left(_asked: Letter, site: Site, _now: datetime, policy: Policy) -> Facts:
    open_cents, currency = _open(site)
    facts = {"cancelled_at": site.cancelled_at, "ready_at": site.ready_at, "kept_days": _kept(site, policy)}
    return {**facts, "open_cents": open_cents, "currency": currency}


@says("welcome_back")
def _welcome_back(_asked: Letter, site: Site, now: datetime, _policy: Policy) -> Facts:
    """Paid until the end of a period that is paid, free until the end of a trial."""
    paid = site.state == "active" and site.owed is None
    return {
        "period_ends_at": to_come(site.period_ends_at, now) if paid else None,
        "trial_ends_at": site.trial_ends_at if site.state in TRIALS else None,
    }


@says("cancellation_scheduled")
def _ending(_asked: Letter, site: Site, _now: datetime, policy: Policy) -> Facts:
    open_cents, currency = _open(site)
    facts = {"cancels_at": site.cancels_at, "kept_days": _kept(site, policy)}
    return {**facts, "open_cents": open_cents, "currency": currency}


@says("cancellation_withdrawn")
def _going_on(_asked: Letter, site: Site, now: datetime, _policy: Policy) -> Facts:
    return {"next_charge_at": next_charge_at(site, now)}


@says("suspended_operator")
def _suspended(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> Facts:
    open_cents, currency = _open(site) if site.paying is not None else (None, site.currency)
    return {"suspended_at": site.suspended_at, "open_cents": open_cents, "currency": currency}


@says("receipt")
def _next_charge(_asked: Letter, site: Site, now: datetime, _policy: Policy) -> Facts:
    """What follows a receipt; nothing is foretold of a site that ends, owes or has left."""
    at = next_charge_at(site, now)
    open_cents, _ = _open(site)
    ends = site.cancels_at if site.online and site.cancels_at is not None and now < site.cancels_at else None
    amount = None if at is None else (site.planned_agents or 0) * (site.price_cents or 0)
    return {"next_charge_at": at, "next_amount_cents": amount, "cancels_at": ends, "open_cents": open_cents}


def next_charge_at(site: Site, now: datetime) -> datetime | None:
    """The next moment at which a period begins and is charged; None for a site that ends, owes or is not served."""
    moments = {"trial_subscribed": site.trial_ends_at, "active": site.period_ends_at}
    at = moments.get(site.state)
    goes_on = site.cancels_at is None and site.owed is None
    return at if goes_on and at is not None and now < at else None


@says("declined")
def _owed(asked: Letter, site: Site, now: datetime, policy: Policy) -> Facts:
    owed = {} if site.owed is None else {"amount_cents": site.owed.amount_cents, "currency": site.currency}
    return {**owed, **ladder(site, now, policy), **_declined(asked, site, now, policy)}


@says("charge_now_declined")
def _declined(asked: Letter, _site: Site, _now: datetime, _policy: Policy) -> Facts:
    return {"decline_code": plain_decline(asked.args.get("decline_code"))}


def ladder(site: Site, now: datetime, policy: Policy) -> Facts:
    """What comes after a decline. Offline the ladder stands still; who was not told yet has 48 h at least."""
    owed = site.owed if site.online else None
    if owed is None:
        return {"next_try_at": None, "suspends_at": None}
    waits = owed.card_refused or site.paying is not None  # what comes after a try under way hangs on its answer
    tries, suspends = None if waits else next_try_at(owed, policy), suspends_at(owed, policy)
    if suspends is not None and owed.noticed_at is None:
        suspends = max(suspends, now + policy.notice)
    return {"next_try_at": to_come(tries, now), "suspends_at": to_come(suspends, now)}


@says("suspension_near")
def _suspension(asked: Letter, site: Site, now: datetime, policy: Policy) -> Facts:
    if site.owed is None:
        return {}
    facts: Facts = {"amount_cents": site.owed.amount_cents, "currency": site.currency}
    if "invoice_id" in asked.args:
        facts["suspends_at"] = suspends_at(replace(site.owed, noticed_at=now), policy)
    return facts


@says("suspended_nonpayment")
def _unpaid(_asked: Letter, site: Site, _now: datetime, policy: Policy) -> Facts:
    ends = None if site.unpaid_since is None else site.unpaid_since + policy.unpaid
    amount = (site.planned_agents or 0) * (site.price_cents or 0)
    return {"amount_cents": amount, "currency": site.currency, "ends_at": ends}


@says("reduction_scheduled", "reduction_impossible", "agents_over_plan")
def _reduction(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> Facts:
    agents = {"plan_agents": site.plan_agents, "next_agents": site.next_agents, "used_agents": site.used_agents}
    return {**agents, "period_ends_at": site.period_ends_at, "renews_at": site.period_ends_at}


@says("download_ready")
def _download(asked: Letter, site: Site, now: datetime, policy: Policy) -> Facts:
    """Until when it is there: nothing is told of a deletion while a hold stands against it."""
    leaves = site.state in LEAVING
    ends = deleted_at(site, now, policy) if leaves and site.held_for is None else None
    if asked.args.get("left_out") and leaves and site.held_for is None:  # it counts once the customer knows
        ends = max(now + kept_for(site, policy), site.deletes_at or now)
    return {"deletes_at": to_come(ends, now), "goes_on": None if leaves else True}


@says("deletion_in_7_days", "deletion_in_48_hours")
def _deletion(_asked: Letter, site: Site, now: datetime, policy: Policy) -> Facts:
    returns = None if site.state == "deleting" else True
    return {"deletes_at": deleted_at(site, now, policy), "returns": returns}


@says("contact_changed")
def _contact(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> Facts:
    return {"new_email": site.email}


def _kept(site: Site, policy: Policy) -> int:
    return kept_for(site, policy) // DAY


def _open(site: Site) -> tuple[int | None, str | None]:
    """What may still be charged for what was asked before, and its currency."""
    if site.paying is not None:
        return site.paying.amount_cents, site.paying.currency or site.currency
    return (None if site.owed is None else site.owed.amount_cents), site.currency
