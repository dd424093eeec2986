"""Letters that have waited for a mail server: which of them are still true, and the moments that they name then."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from engine.authority import kept_for, needs
from engine.ladder import next_try_at, suspends_at
from engine.policy import Policy
from engine.site import Site

REMINDERS = {"trial_ending": "trial", "first_charge_soon": "trial_subscribed"}
"""Of what is to come, by the state in which it still comes."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it was asked for: its name, what it was to say, when, and in which generation of its site."""

    name: str
    args: Mapping[str, Any]
    asked_at: datetime
    generation: int

    def stands(self, site: Site, now: datetime, policy: Policy) -> bool:
        """Whether it is still to be sent: no threat goes to who has paid or come back, no stale reminder to anybody."""
        match self.name:
            case "trial_ending" | "first_charge_soon":
                return site.state == REMINDERS[self.name] and now - self.asked_at <= policy.stale_after
            case "declined":
                return site.owed is not None
            case "suspended_nonpayment":
                return site.unpaid_since is not None
            case "suspension_near":
                return _is_to_be_told_of_its_suspension(site, self.args.get("invoice_id"))
            case "deletion_in_7_days" | "deletion_in_48_hours":
                return self.generation == site.generation
            case _:
                return True

    def dates(self, site: Site, now: datetime, policy: Policy) -> dict[str, datetime | None]:
        """The moments that follow from when it is sent, by their names in the letter."""
        match self.name:
            case "declined":
                return ladder(site, policy)
            case "suspension_near" if site.owed is not None and "invoice_id" in self.args:
                return {"suspends_at": suspends_at(replace(site.owed, noticed_at=now), policy)}
            case "deletion_in_7_days" | "deletion_in_48_hours":
                return {"deletes_at": _deleted_at(site, now, policy)}
            case "download_ready" if self.args.get("left_out") and site.state in {"cancelled", "expired"}:
                return {"deletes_at": max(now + kept_for(site, policy), site.deletes_at or now)}
            case _:
                return {}


def _is_to_be_told_of_its_suspension(site: Site, invoice_id: str | None) -> bool:
    """While a payment is under way the ladder stands still; its decline asks for the notice again.

    One without its invoice is of an older version, which took it for sent when it asked.
    """
    if site.state != "past_due" or site.owed is None:
        return False
    if invoice_id is None:
        return True
    return invoice_id == site.owed.invoice_id and site.owed.noticed_at is None and site.paying is None


def ladder(site: Site, policy: Policy) -> dict[str, datetime | None]:
    """What comes after a decline; offline the ladder stands still."""
    owed = site.owed if site.online else None
    if owed is None:
        return {"next_try_at": None, "suspends_at": None}
    return {
        "next_try_at": None if owed.card_refused else next_try_at(owed, policy),
        "suspends_at": suspends_at(owed, policy),
    }


def _deleted_at(site: Site, now: datetime, policy: Policy) -> datetime | None:
    """Never sooner than 48 h after a notice that is still to be sent."""
    if site.deletes_at is None or site.notice_sent_at is not None or not needs(site, "notice"):
        return site.deletes_at
    return max(site.deletes_at, now + policy.notice)
