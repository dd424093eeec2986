"""Who may be deleted: the one function that every path to a deletion asks. A missing value means hold."""

from datetime import datetime

from engine.case import Case
from engine.decision import Refused
from engine.policy import Policy
from engine.site import Site
from engine.words import moment


def authorize_destruction(site: Site, now: datetime, policy: Policy) -> list[str]:
    """Why this site may not be deleted now, one sentence each; an empty list is the only yes.

    Asked in the transaction and again just before the act. Guards that look at the world and not at the site's facts
    (breaker, clock sanity, open effects, the resource's marker) are asked beside it by who can see them.
    """
    return [
        *_state(site),
        *_hold(site),
        *_retention(site, now, policy),
        *([] if site.ready_at is None else _evidence(site, now, policy)),
    ]


def must_be_authorized(case: Case) -> bool:
    """Refuses a deletion with every reason that stands against it."""
    reasons = authorize_destruction(case.site, case.now, case.policy)
    if reasons:
        raise Refused("state.illegal", "; ".join(reasons))
    return True


def _state(site: Site) -> list[str]:
    if site.state in {"cancelled", "expired", "failed", "deleting"}:
        return []
    return [f"state {site.state} is not one that is deleted"]


def _hold(site: Site) -> list[str]:
    reasons = []
    if site.held_for is not None:
        reasons.append(f"a hold is on it ({site.held_for}): site.release ends it")
    if site.paying is not None:
        reasons.append(f"payment {site.paying.payment_id} is not answered yet")
    return reasons


def _retention(site: Site, now: datetime, policy: Policy) -> list[str]:
    """14 full days since the end of service; `deletes_at` only ever moves later, so both must have passed."""
    reasons = []
    if site.cancelled_at is None:
        reasons.append("cancelled_at is not set")
    elif now < site.cancelled_at + policy.retention:
        reasons.append(f"{policy.retention.days} days since {moment(site.cancelled_at)} have not passed")
    if site.deletes_at is None or now < site.deletes_at:
        reasons.append(f"deletes_at is {moment(site.deletes_at)}")
    return reasons


def _evidence(site: Site, now: datetime, policy: Policy) -> list[str]:
    """What a site that held data needs: its export, its final backup and its notice, all of this generation."""
    return [
        *([] if "export" in site.waived else _export(site, now, policy)),
        *([] if "backup" in site.waived else _final_backup(site)),
        *([] if "notice" in site.waived else _notice(site, now, policy)),
    ]


def _export(site: Site, now: datetime, policy: Policy) -> list[str]:
    if site.export_ready_at is None:
        return ["no verified export of this generation"]
    if now < site.export_ready_at + policy.retention:
        return [f"the export was ready at {moment(site.export_ready_at)}, less than {policy.retention.days} days ago"]
    return []


def _final_backup(site: Site) -> list[str]:
    return [] if site.final_backup_at is not None else ["no verified final backup of this generation"]


def _notice(site: Site, now: datetime, policy: Policy) -> list[str]:
    if site.notice_sent_at is None:
        return ["the notice of this generation was not sent"]
    if now < site.notice_sent_at + policy.notice:
        return [f"the notice was sent at {moment(site.notice_sent_at)}, less than 48 h ago"]
    return []
