"""Commands: what may be asked of a site, by whom, and under which label."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.retention import Kept

LABELS: dict[str, str] = {
    "site.start_trial": "Start Free Trial",
    "site.subscribe": "Subscribe Now",
    "site.change_plan": "Change Plan",
    "site.pay": "Pay Invoice",
    "site.update_payment": "Update Payment Information",
    "site.cancel": "Cancel Site",
    "site.keep": "Keep Site",
    "site.update_contact": "Change Contact",
    "site.export": "Prepare Download",
    "site.back_up": "Back Up Now",
    "site.restore": "Restore",
}
"""Customers' commands in the order of the portal's menu."""

OPERATORS = (
    "site.waive",
    "site.extend_trial",
    "site.suspend",
    "site.resume",
    "site.hold",
    "site.release",
    "site.retry",
    "site.record_refund",
    "site.mail_bounced",
)
TIMERS = (
    "site.expire",
    "site.renew",
    "site.end_period",
    "site.retry_charge",
    "site.give_up",
    "site.remind",
    "site.warn",
    "site.back_up_nightly",
    "site.delete",
)
EFFECTS = (
    "site.provisioned",
    "site.provision_failed",
    "site.charge_succeeded",
    "site.charge_declined",
    "site.export_ready",
    "site.export_told",
    "site.backup_verified",
    "site.restored",
    "site.notice_sent",
    "site.suspension_noticed",
    "site.gave_up",
    "site.effect_done",
    "site.removal_began",
    "site.site_deleted",
)
HANDLED = ("site.tell_again", "site.effect_retried", "site.effect_dropped")
"""What follows for one site from what an operator did to deletions as a whole, or to one effect that gave up."""


PUBLIC = (*LABELS, *OPERATORS)
INTERNAL = frozenset((*TIMERS, *EFFECTS, *HANDLED))

OPERATORS_SOURCE = "tenure-cli"
OPERATORS_SOURCES = (f"{OPERATORS_SOURCE}:", "console:")

CLOCK = "tenure:clock"
"""The source of what timers ask."""


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice as it stands in the books, for the command that names it."""

    id: str
    kind: str
    status: str
    agents: int
    amount_cents: int
    currency: str
    period_start: datetime
    period_end: datetime


class Command(NamedTuple):
    """One thing asked: `(source, id)` is its idempotency key, `cause` the command that it goes back to.

    `new_site_id` is the id a new site would get; `quoted_at` the moment of a review, which fixes the amount;
    `by_customer` tells that no operator asks. `backups` are the site's, for the commands that look at them, else None.
    `under_way` says what is being done for the site now: "export", "back_up" (on demand), "restore". `bill` is the
    invoice that a refund names, None if the site has none of that id.
    """

    type: str
    source: str
    id: str
    data: Mapping[str, Any] = MappingProxyType({})
    cause: tuple[str, str] | None = None
    correlation_id: str | None = None
    host: str = ""
    new_site_id: str = ""
    quoted_at: datetime | None = None
    by_customer: bool = False
    backups: tuple[Kept, ...] | None = None
    under_way: frozenset[str] = frozenset()
    bill: Bill | None = None

    @property
    def root(self) -> tuple[str, str]:
        """The source and id of the command that all this goes back to."""
        return self.cause or (self.source, self.id)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that are the same for the same source and id, for derived ids."""
        return blake2b(f"{self.source}\0{self.id}".encode(), digest_size=8).hexdigest()


def is_operators(source: str) -> bool:
    """Whether a source names an operator: the command line's, or the console's."""
    return source == OPERATORS_SOURCE or source.startswith(OPERATORS_SOURCES)
