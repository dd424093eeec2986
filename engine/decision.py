"""What the law answers: values that say what is to be written and done, and nothing that does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.site import Site


class Refused(Exception):  # noqa: N818 - an answer, not a crash
    """A command that the law turns down: a stable code and a sentence with field, value and remedy."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that must happen in the world because of a move. Its id is derived, so a repeated move asks once."""

    id: str
    kind: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Invoice:
    """A bill: `amount_cents` = agents × unit price × seconds ÷ of_seconds, rounded half up."""

    id: str
    kind: str
    reason: str
    currency: str
    unit_price_cents: int
    agents: int
    seconds: int
    of_seconds: int
    amount_cents: int
    period_start: datetime
    period_end: datetime
    numbered: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """An invoice that is settled, one way or the other; a new start moves its period to the moment of the payment."""

    invoice_id: str
    status: str
    why: str
    period: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """One try to collect an invoice; the id is the key that the card network sees."""

    id: str
    invoice_id: str
    attempt: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What the card network said to one try."""

    payment_id: str
    outcome: str
    card_label: str | None = None
    decline_code: str | None = None
    retry: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """What is being charged now, as the answer shows it."""

    amount_cents: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """A fact for other systems: a type of contract.md section 2 and its data."""

    type: str
    data: Mapping[str, Any]


Entry = Invoice | Closed | Payment | Answered


class Decision(NamedTuple):
    """The whole answer to one command; `timers` are all that the site has afterwards, by kind.

    `revives` says which effects that gave up are tried again: "" none, "letters", or "everything" that is still wanted.
    """

    outcome: str
    before: Site | None
    site: Site | None
    code: str | None = None
    message: str | None = None
    effects: tuple[Effect, ...] = ()
    entries: tuple[Entry, ...] = ()
    events: tuple[Event, ...] = ()
    timers: Mapping[str, datetime] = MappingProxyType({})
    charge: Charge | None = None
    allowed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    voids: tuple[str, ...] = ()
    revives: str = ""
