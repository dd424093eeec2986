"""What the customer of one site was promised so far: the ledger's own memory."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Account:
    """One life of a hostname, from its trial's start to its deletion."""

    state: str = "absent"
    under: str = ""  # the state that an operator's suspension hides
    blocked: bool = False  # an operator's suspension, which outlives a cancellation
    blocked_at: datetime | None = None
    generation: int = 0
    ready_at: datetime | None = None
    free_until: datetime | None = None
    trial_agents: int = 5
    has_paid: bool = False
    allowed: int = 0
    plan: int | None = None
    later: int | None = None
    card: str | None = None
    contact: str = ""
    terms: tuple[int, str] | None = None  # price in minor units and currency, as agreed
    offered: tuple[int, str] | None = None  # the terms of a return that is being charged
    anchor: datetime | None = None
    period: tuple[datetime, datetime] | None = None
    free_period: tuple[datetime, datetime] | None = None  # of a plan that costs nothing
    ends_at: datetime | None = None  # cancelled for the end of the period
    falls_back: bool = False  # a subscribed trial that was cancelled for its end
    silent: str = ""  # why no charge may be asked for any more
    unpaid_since: datetime | None = None
    owes: bool = False  # a period that began and is not paid
    first_decline: datetime | None = None
    last_decline: datetime | None = None
    card_refused: bool = False
    told_of_suspension: tuple[str, datetime] | None = None
    ended_at: datetime | None = None
    keeps_days: int = 14
    exported_at: datetime | None = None
    backed_up: bool = False
    noticed_at: datetime | None = None
    deletes_at: datetime | None = None
    held: bool = False
    waived: set[str] = field(default_factory=set)

    @property
    def ending(self) -> bool:
        """Cancelled for the end of what is paid or free."""
        return self.ends_at is not None or self.falls_back

    def has_time(self, now: datetime) -> bool:
        """Whether days are left that cost nothing: of the trial, or of a plan without a price."""
        given = self.free_period
        return self.is_free(now) or (given is not None and given[0] <= now < given[1])

    def is_free(self, now: datetime) -> bool:
        """Whether the free days last."""
        return self.free_until is not None and now < self.free_until
