"""The promises once more, as simply as they can be said: what a site's state, plan and charges must be."""

from calendar import monthrange
from datetime import datetime, timedelta
from itertools import count

DAY = timedelta(days=1)
GONE = ("cancelled", "expired")


def month_after(anchor: datetime, at: datetime) -> datetime:
    """The anchor's day in the first month that comes after a moment, clamped to the month's end."""
    months = ((anchor.year + n // 12, n % 12 + 1) for n in count(anchor.month - 1))
    dates = (anchor.replace(year=y, month=m, day=min(anchor.day, monthrange(y, m)[1])) for y, m in months)
    return next(date for date in dates if date > at)


class Reference:
    """One site, as its customer was promised. A wish is True when it is done, None if needless, False if refused."""

    def __init__(self, now: datetime) -> None:
        self.now, self.state, self.free_until = now, "trial", now + 30 * DAY
        self.plan: int | None = None
        self.later: int | None = None
        self.anchor: datetime | None = None
        self.paid_until: datetime | None = None
        self.declined: datetime | None = None
        self.tried: datetime | None = None
        self.unpaid: datetime | None = None
        self.ended: datetime | None = None
        self.ends_with_period: bool | None = None
        self.allowed, self.card, self.charged = 5, "", []

    def subscribe(self, agents: int, card: str) -> bool | None:
        if self.state == "active" and self.ends_with_period:
            self.card, self.ends_with_period = card, None
            self.change_plan(agents)
            return True
        if self.state in ("trial_subscribed", "active"):
            return None if (agents, card) == (self.plan, self.card) else False
        if self.state not in ("trial", *GONE):
            return False
        if self.state == "trial" or self.now < self.free_until:
            self.back_to("trial_subscribed", agents, card)
        elif self.has_paid_days():
            self.back_to("active", self.allowed, card)
            self.fit(agents, self.allowed)
        elif self.pays(card, agents * 2000):
            self.back_to("active", agents, card)
            self.start_anew()
        return True

    def has_paid_days(self) -> bool:
        return bool(self.paid_until and self.now < self.paid_until and not self.declined)

    def start_anew(self) -> None:
        self.allowed, self.declined, self.unpaid = self.plan, None, None
        self.state, self.anchor, self.period_start = "active", self.now, self.now
        self.paid_until = month_after(self.now, self.now)

    def back_to(self, state: str, agents: int | None, card: str, later: int | None = None) -> None:
        self.state, self.plan, self.card, self.later = state, agents, card, later
        self.ended = self.ends_with_period = None

    def change_plan(self, agents: int) -> bool | None:
        if self.state == "trial_subscribed":
            same, self.plan = agents == self.plan, agents
            return None if same else True
        if self.state != "active":
            return False
        same = agents == self.later or (agents == self.plan and self.later is None)
        self.later = None if agents == self.plan else self.later
        self.fit(agents, self.plan)
        return None if same else True

    def fit(self, agents: int, before: int) -> None:
        """Fewer later; more pro rata in whole seconds, half up; too little is free, a decline changes nothing."""
        self.later = agents if agents < before else self.later
        left, whole = (int((self.paid_until - at).total_seconds() // 1) for at in (self.now, self.period_start))
        cents = int(max(agents - self.allowed, 0) * 2000 * left / whole + 0.5)
        if agents > before and (cents < 50 or self.pays(self.card, cents)):
            self.plan, self.allowed, self.later = agents, agents, None

    def pays(self, card: str, cents: int) -> bool:
        self.charged += [cents] if card == "pm_visa" else []
        return card == "pm_visa"

    def update_payment(self, card: str) -> bool:
        if self.state not in ("trial_subscribed", "active", "past_due", "suspended"):
            return False
        self.card = card
        if self.state == "past_due":
            self.try_again()
        return True

    def pay(self) -> bool | None:
        if self.state == "suspended" and self.pays(self.card, self.plan * 2000):
            self.start_anew()
            return True
        return self.update_payment(self.card) if self.state in ("past_due", "suspended") else None

    def cancel(self, when: str) -> bool | None:
        if self.state in GONE or (when == "period_end" and (self.state == "trial" or self.ends_with_period)):
            return None
        if when == "now":
            self.leave("cancelled")
        elif self.state in ("trial_subscribed", "active"):
            self.state, self.ends_with_period = self.state.removesuffix("_subscribed"), True
        return when == "now" or bool(self.ends_with_period)

    def leave(self, state: str) -> None:
        self.state, self.ended, self.ends_with_period = state, self.now, None

    def keep(self) -> bool | None:
        if self.ends_with_period:
            self.state, self.ends_with_period = {"trial": "trial_subscribed"}.get(self.state, self.state), None
            return True
        if self.state not in GONE:
            return False if self.state == "suspended" else None
        if self.now < self.free_until:
            self.back_to("trial", None, "")
        elif self.has_paid_days():
            self.back_to("active", self.plan, self.card, self.later)
        return self.state not in GONE

    def advance(self, target: datetime) -> None:
        while (step := self.next_step()) and step[0] <= target:
            self.now = max(step[0], self.now)
            step[1](*step[2:])
        self.now = target

    def next_step(self):
        """What time does next: when, and what."""
        match self.state:
            case "trial":
                return self.free_until, self.leave, "expired"
            case "active" if self.ends_with_period:
                return self.paid_until, self.leave, "cancelled"
            case "trial_subscribed" | "active":
                return self.paid_until if self.state == "active" else self.free_until, self.new_period
            case "past_due":
                return next(at for n in (1, 3, 5, 7) if (at := self.declined + n * DAY) > self.tried), self.try_again
            case "suspended":
                return self.unpaid + 14 * DAY, self.leave, "cancelled"
        return (self.ended + 14 * DAY, self.leave, "deleted") if self.state in GONE else None

    def new_period(self) -> None:
        start = self.paid_until if self.state == "active" else self.free_until
        self.anchor, self.state = self.anchor if self.state == "active" else start, "active"
        self.plan, self.allowed, self.later = self.later or self.plan, self.later or self.allowed, None
        self.period_start, self.paid_until = start, month_after(self.anchor, start)
        self.state, self.declined = "past_due", self.now
        self.try_again()

    def try_again(self) -> None:
        self.tried = self.now
        if self.pays(self.card, self.plan * 2000):
            self.state, self.allowed, self.declined = "active", self.plan, None
        elif self.now >= self.declined + 7 * DAY:
            self.state, self.unpaid = "suspended", self.now
