"""What the ledger looks at: one command, the facts before, what was decided, and the world at that moment."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import engine

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
ENDED = frozenset({"cancelled", "expired"})
GONE = frozenset({"deleting", "deleted"})
ONLINE = frozenset({"trial", "trial_subscribed", "active", "past_due"})


class Broken(AssertionError):  # noqa: N818 - a promise, broken
    """A promise of the product page does not hold: the promise, a semicolon, the numbers."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One command that was judged; `used` is how many agents are really in use in the site."""

    command: engine.Command
    before: engine.Site | None
    decision: engine.Decision
    now: datetime
    policy: engine.Policy
    used: int

    @property
    def kind(self) -> str:
        """The command's type without its prefix."""
        return self.command.type.removeprefix("site.")

    @property
    def after(self) -> engine.Site:
        """The site as the decision leaves it."""
        assert self.decision.site is not None
        return self.decision.site

    @property
    def applied(self) -> bool:
        """Whether anything was decided."""
        return self.decision.outcome == "applied"

    def given(self, name: str) -> Any:
        """A field of the command's data."""
        return self.command.data.get(name)

    def entries(self, kind: type) -> list[Any]:
        """What the books are told, of one kind."""
        return [entry for entry in self.decision.entries if isinstance(entry, kind)]


def must(holds: object, promise: str, details: str = "") -> None:
    """A promise that has to hold."""
    if not holds:
        raise Broken(f"{promise}; {details}")


def month_after(anchor: datetime, at: datetime) -> datetime:
    """The anchor's day in the first month that lies after a moment, clamped to that month's end."""
    first = 12 * at.year + at.month - 2  # a month early is never too late
    months = ((n // 12, n % 12 + 1) for n in count(first))
    dates = (anchor.replace(year=y, month=m, day=min(anchor.day, monthrange(y, m)[1])) for y, m in months)
    return next(date for date in dates if date > at)
