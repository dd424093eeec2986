"""The numbers of the product page, in one frozen place."""

from dataclasses import dataclass
from datetime import timedelta

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a customer is promised. Money in minor units, times as timedeltas.

    A changed value is for later customers: price, trial days and limits are frozen on the site when they are agreed.
    """

    trial: timedelta = 30 * DAY
    trial_agents: int = 5
    retention: timedelta = 14 * DAY
    price_cents: int = 2000
    currency: str = "USD"
    min_charge_cents: int = 50
    dunning: tuple[timedelta, ...] = (1 * DAY, 3 * DAY, 5 * DAY, 7 * DAY)
    unpaid: timedelta = 14 * DAY
    notice: timedelta = 48 * HOUR
    first_warning: timedelta = 7 * DAY
    trial_reminders: tuple[timedelta, ...] = (7 * DAY, 3 * DAY, 1 * DAY)
    subscribed_reminders: tuple[timedelta, ...] = (7 * DAY,)
    stale_after: timedelta = 12 * HOUR
    charge_pause: timedelta = 24 * HOUR
    held_retry: timedelta = 1 * HOUR
    night_retry: timedelta = 4 * HOUR
    review: timedelta = timedelta(minutes=15)
