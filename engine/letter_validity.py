"""When each letter is still true: nothing that is not true any more is sent."""

from datetime import datetime

from engine.authority import needs
from engine.letter import Letter, stands_while
from engine.policy import Policy
from engine.site import LEAVING, Site

TRIALS = frozenset({"trial", "trial_subscribed"})

# A trial


@stands_while("trial_ending")
def _trial_ending_stands(asked: Letter, site: Site, now: datetime, policy: Policy) -> bool:
    """A reminder is stale after a while; of a trial that was extended there will be another."""
    fresh = now - asked.asked_at <= policy.stale_after
    return fresh and site.state == "trial" and asked.is_about("trial_ends_at", site.trial_ends_at)


@stands_while("first_charge_soon")
def _first_charge_stands(asked: Letter, site: Site, now: datetime, policy: Policy) -> bool:
    fresh = now - asked.asked_at <= policy.stale_after
    owes = bool(site.price_cents) and site.state == "trial_subscribed"
    return fresh and owes and asked.is_about("first_charge_at", site.trial_ends_at)


@stands_while("subscribed")
def _subscribed_stands(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return "trial_subscribed" in {site.state, site.suspended_from}


@stands_while("welcome")
def _is_welcome(_asked: Letter, site: Site, now: datetime, _policy: Policy) -> bool:
    return site.state in TRIALS and site.trial_ends_at is not None and now < site.trial_ends_at


# Leaving and coming back


@stands_while("trial_expired")
def _has_expired(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return site.state == "expired"


@stands_while("cancelled")
def _is_cancelled(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return site.state == "cancelled"


@stands_while("welcome_back", "back_online", "restored")
def _is_online(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return site.online


@stands_while("cancellation_scheduled")
def _ends_later(_asked: Letter, site: Site, now: datetime, _policy: Policy) -> bool:
    return site.online and site.cancels_at is not None and now < site.cancels_at


@stands_while("cancellation_withdrawn")
def _goes_on(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return site.cancels_at is None and site.state in {"trial_subscribed", "active", "past_due", "suspended"}


@stands_while("suspended_operator")
def _is_suspended_by_operator(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return site.state == "suspended" and site.suspended_reason is not None


# Money


@stands_while("declined")
def _owes_it(asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return site.owed is not None and asked.is_about("invoice_id", site.owed.invoice_id)


@stands_while("suspension_near")
def _is_to_be_told_of_its_suspension(asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    """While a payment is under way the ladder stands still; its decline asks for the notice again.

    One without its invoice is of an older version, which took it for sent when it asked.
    """
    if site.state != "past_due" or site.owed is None:
        return False
    invoice_id = asked.args.get("invoice_id")
    if invoice_id is None:
        return True
    return invoice_id == site.owed.invoice_id and site.owed.noticed_at is None and site.paying is None


@stands_while("suspended_nonpayment")
def _is_unpaid(_asked: Letter, site: Site, now: datetime, policy: Policy) -> bool:
    since = site.unpaid_since
    return site.suspended_for == "nonpayment" and since is not None and now < since + policy.unpaid


@stands_while("charge_now_declined")
def _changed_nothing(asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    """What was declined was not paid for by another try since."""
    if asked.args.get("reason") == "new_start":
        return not site.online
    return site.agents_allowed < (asked.args.get("agents") or site.agents_allowed + 1)


# Agents


@stands_while("reduction_scheduled")
def _will_reduce(asked: Letter, site: Site, now: datetime, _policy: Policy) -> bool:
    ends, fewer = site.period_ends_at, site.next_agents
    return fewer is not None and asked.is_about("next_agents", fewer) and ends is not None and now < ends


@stands_while("reduction_impossible")
def _could_not_reduce(asked: Letter, site: Site, now: datetime, policy: Policy) -> bool:
    return _will_reduce(asked, site, now, policy) and site.used_agents > (site.next_agents or 0)


@stands_while("reduction_withdrawn")
def _will_not_reduce(asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return site.next_agents is None and asked.is_about("plan_agents", site.plan_agents)


@stands_while("agents_over_plan")
def _is_over_plan(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return site.online and site.plan_agents is not None and site.used_agents > site.plan_agents


# The customer's data, and its end


@stands_while("download_ready")
def _is_to_be_fetched(_asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    return site.state not in {"deleting", "deleted"}


@stands_while("deletion_in_48_hours")
def _is_to_be_deleted(asked: Letter, site: Site, now: datetime, policy: Policy) -> bool:
    """As long as there is something to lose and a date to name."""
    whole = site.state in LEAVING or (site.state == "deleting" and site.removing_since is None)
    given = site.notice_sent_at is not None and site.notice_sent_at >= asked.asked_at
    return whole and not given and to_come(deleted_at(site, now, policy), now) is not None


@stands_while("deletion_in_7_days")
def _is_warning_of_its_deletion(asked: Letter, site: Site, now: datetime, policy: Policy) -> bool:
    """It offers the way back, which ends when the deletion begins: then only the last notice is left to be sent."""
    return site.state in LEAVING and _is_to_be_deleted(asked, site, now, policy)


def deleted_at(site: Site, now: datetime, policy: Policy) -> datetime | None:
    """Never sooner than 48 h after a notice that is still to be sent."""
    if site.deletes_at is None or site.notice_sent_at is not None or not needs(site, "notice"):
        return site.deletes_at
    return max(site.deletes_at, now + policy.notice)


@stands_while("contact_changed")
def _contact_is_news(asked: Letter, site: Site, _now: datetime, _policy: Policy) -> bool:
    """To the present address that it is the one, to an older one that it is no longer."""
    to = asked.args.get("to")
    return asked.is_about("new_email", site.email) if to is None else to != site.email


def to_come(at: datetime | None, now: datetime) -> datetime | None:
    """A moment that lies ahead, None for one that is past."""
    return None if at is None or at <= now else at
