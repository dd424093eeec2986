"""Who may be deleted: the one function that every path to a deletion asks. A missing value means hold."""

from collections.abc import Callable
from datetime import datetime, timedelta

from engine.policy import DAY, Policy
from engine.site import LEAVING, Site
from engine.words import moment, named, shown

Guard = Callable[[Site, datetime, Policy], str | None]


def authorize_destruction(site: Site, now: datetime, policy: Policy) -> list[str]:
    """Why this site may not be deleted now, one sentence each; an empty list is the only yes.

    Asked in the transaction and again just before the act. Guards that look at the world and not at the site's facts
    (breaker, clock sanity, open effects, the resource's marker) are asked beside it by who can see them.
    """
    asked = [*GUARDS, *(guard for name, guard in EVIDENCE.items() if needs(site, name))]
    return [reason for guard in asked if (reason := guard(site, now, policy)) is not None]


def needs(site: Site, evidence: str) -> bool:
    """A site that was never ready holds no data to prove anything about; an operator may waive one guard."""
    return site.ready_at is not None and evidence not in site.waived


def kept_for(site: Site, policy: Policy) -> timedelta:
    """How long this customer was told that the data is kept; a changed setting is for later customers."""
    return policy.retention if site.retention_days is None else site.retention_days * DAY


def right_state(site: Site, _now: datetime, _policy: Policy) -> str | None:
    """Only a site that has left is deleted."""
    if site.state in {*LEAVING, "failed", "deleting"}:
        return None
    return f"{named(site.host)} is {site.state}, which is not a state that is deleted"


def no_hold(site: Site, _now: datetime, _policy: Policy) -> str | None:
    """A legal hold stops everything."""
    return None if site.held_for is None else f"a hold is on it ({shown(site.held_for)}): site.release ends it"


def no_payment(site: Site, _now: datetime, _policy: Policy) -> str | None:
    """It may be somebody who comes back."""
    return None if site.paying is None else f"payment {shown(site.paying.payment_id)} is not answered yet"


def fourteen_days(site: Site, now: datetime, policy: Policy) -> str | None:
    """Full days since the end of service."""
    if site.cancelled_at is None:
        return "cancelled_at is not set"
    return _too_early(
        now, site.cancelled_at + kept_for(site, policy), f"its service ended at {moment(site.cancelled_at)}"
    )


def told_date(site: Site, now: datetime, _policy: Policy) -> str | None:
    """The latest moment that the customer was told; it only ever moves later."""
    if site.deletes_at is None or now < site.deletes_at:
        return f"deletes_at is {moment(site.deletes_at)}"
    return None


def export_kept(site: Site, now: datetime, policy: Policy) -> str | None:
    """A verified export of this generation, downloadable for the full days."""
    ready = site.export_ready_at
    if ready is None:
        return "no verified export of this generation is ready"
    return _too_early(now, ready + kept_for(site, policy), f"its export was ready at {moment(ready)}")


def final_backup(site: Site, _now: datetime, _policy: Policy) -> str | None:
    """A backup that was read back."""
    return None if site.final_backup_at is not None else "no verified final backup of this generation exists"


def notice_given(site: Site, now: datetime, policy: Policy) -> str | None:
    """The customer was told 48 h before."""
    sent = site.notice_sent_at
    if sent is None:
        return "the notice of this generation was not sent"
    return _too_early(now, sent + policy.notice, f"its notice was sent at {moment(sent)}")


def _too_early(now: datetime, earliest: datetime, since: str) -> str | None:
    return None if now >= earliest else f"{since}, so {moment(earliest)} is the earliest"


GUARDS: tuple[Guard, ...] = (right_state, no_hold, no_payment, fourteen_days, told_date)
EVIDENCE: dict[str, Guard] = {"export": export_kept, "backup": final_backup, "notice": notice_given}
"""By the name under which an operator may waive it."""
