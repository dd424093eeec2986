"""What time will make due on a site: derived from its facts, so that no timer is ever forgotten or left over."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from engine.authority import needs
from engine.dunning import next_try_at
from engine.nights import next_try
from engine.policy import Policy
from engine.site import DERIVED, LEAVING, Site

Moment = tuple[str, datetime | None]


def timers(site: Site | None, policy: Policy) -> dict[str, datetime]:
    """Every timer the site has now, by the name of its command without the prefix; derived once for the same facts."""
    if site is None:
        return {}
    known = site.__dict__.get(DERIVED)
    if known is None or known[0] is not policy:
        known = (policy, {kind: due for kind, due in _moments(site, policy) if due is not None})
        site.__dict__[DERIVED] = known
    return dict(known[1])


def _moments(site: Site, policy: Policy) -> Iterator[Moment]:
    if site.online:
        yield "back_up_nightly", next_try(site)
    match site.state:
        case "trial":
            yield "expire", site.trial_ends_at
            yield "remind", _next_reminder(site, policy.trial_reminders)
        case "trial_subscribed":
            yield "renew", site.trial_ends_at
            yield "remind", _next_reminder(site, policy.subscribed_reminders)
        case "active" if site.cancels_at is not None:
            yield "end_period", site.cancels_at
        case "active":
            yield "renew", _renewal(site, policy)
        case "past_due":
            yield "retry_charge", None if site.owed is None or site.paying else next_try_at(site.owed, policy)
            yield "end_period", site.cancels_at
        case "suspended" if site.suspended_reason is None and site.unpaid_since is not None and site.paying is None:
            yield "give_up", site.unpaid_since + policy.unpaid
    yield from _farewell(site, policy)


def _next_reminder(site: Site, steps: tuple[timedelta, ...]) -> datetime | None:
    """The first reminder before day 30 that was not looked at yet."""
    ends, since = site.trial_ends_at, site.reminded_at or site.ready_at
    if ends is None or since is None:
        return None
    return next((ends - step for step in steps if ends - step > since), None)


def _renewal(site: Site, policy: Policy) -> datetime | None:
    """The end of the period; after a long silence at most one charge in 24 h."""
    if site.period_ends_at is None or site.charged_at is None:
        return site.period_ends_at
    return max(site.period_ends_at, site.charged_at + policy.charge_pause)


def _farewell(site: Site, policy: Policy) -> Iterator[Moment]:
    """Warnings and the deletion; a hold stops them all."""
    if site.held_for is not None or site.deletes_at is None or site.state not in {*LEAVING, "failed", "deleting"}:
        return
    if needs(site, "notice") and site.final_warning_at is None and site.removing_since is None:
        yield "warn", site.deletes_at - (policy.first_warning if site.warned_at is None else policy.notice)
    if site.state != "deleting":
        yield "delete", site.deletes_at
