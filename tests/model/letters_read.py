"""A letter that leaves, read as a customer reads it, with the site's document of that moment."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from workers.adapters.mailer import Mail

MOMENT = re.compile(r"[A-Z][a-z]+day \d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC")
MONEY = re.compile(r"\b([A-Z]{3}) ([\d,]+(?:\.\d+)?)")
AGENTS = re.compile(r"(\d+) agents?\b")
LINK = re.compile(r"(?:https://)([\w.-]+)")
RECEIPT = re.compile(r"Receipt:\s+(\S+)")
WITHOUT_DECIMALS = frozenset({"JPY"})
RAW_CODES = ("stolen", "lost card", "lost_card", "fraud", "pick up", "pick_up")
ENDED = frozenset({"cancelled", "expired"})
LIVING = frozenset({"trial", "trial_subscribed", "active", "past_due"})
NOTICE = timedelta(hours=48)
MINUTE = timedelta(minutes=1)

Amount = tuple[str, int]
Document = dict[str, Any]


class Declined(NamedTuple):
    """A charge that the card network turned down."""

    at: datetime
    invoice_id: str
    currency: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """A letter at the moment at which it leaves: the site's document, the contact, the charges declined so far."""

    mail: Mail
    site: Document
    now: datetime
    contact: str
    declined: tuple[Declined, ...]

    @property
    def kind(self) -> str:
        """Which letter it is, as its key says."""
        return "deleted" if self.mail.key.endswith(":deleted") else self.mail.key.split(":")[2].removeprefix("mail.")

    @property
    def receipt(self) -> str:
        """The number of the receipt that it is."""
        found = RECEIPT.search(self.mail.body)
        return found[1] if found else ""

    @property
    def text(self) -> str:
        """All of it on one line."""
        return " ".join(f"{self.mail.subject} \n {self.mail.body}".split())

    def at(self, name: str) -> datetime | None:
        """A date of the site."""
        date: datetime | None = self.site[name]
        return date

    def next_at(self, what: str) -> datetime | None:
        """When a timer of the site is due."""
        date: datetime | None = self.site["next"].get(what)
        return date

    def invoices(self, *statuses: str) -> list[Document]:
        """The site's invoices in some statuses."""
        return [one for one in self.site["invoices"] if one["status"] in statuses]

    def owed(self) -> set[Amount]:
        """The amounts that are billed and neither paid nor closed."""
        return {(one["currency"], one["amount_cents"]) for one in self.invoices("open")}

    def plan_price(self, agents: int | None = None) -> set[Amount]:
        """What a month of the plan costs."""
        plan = self.site["plan"]
        return set() if plan is None else {(plan["currency"], plan["price_cents"] * (agents or plan["agents"]))}


@dataclass(frozen=True, slots=True)
class Truth:
    """What a letter may say now: where it may go, the dates to come, those that have been, amounts and agents."""

    states: frozenset[str]
    ahead: set[datetime | None] = field(default_factory=set)
    past: set[datetime | None] = field(default_factory=set)
    amounts: set[Amount] = field(default_factory=set)
    agents: set[int | None] = field(default_factory=set)
    others: tuple[tuple[object, str], ...] = ()


def read(date: str) -> datetime:
    """A moment as a customer reads it."""
    return datetime.strptime(date, "%A %d %B %Y, %H:%M UTC").replace(tzinfo=UTC)


def minute(at: datetime) -> datetime:
    """The minute that has begun."""
    return at.replace(second=0, microsecond=0)


def cents_of(currency: str, digits: str) -> int:
    """An amount in minor units."""
    whole, _, cents = digits.replace(",", "").partition(".")
    return int(whole) if currency in WITHOUT_DECIMALS else int(whole) * 100 + int(cents or 0)
