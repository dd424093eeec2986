"""Wake the clock: tell it that something may be due now, sooner than it would look by itself."""

from workers.context import Context
from workers.queue.redis_keys import CLOCK_WAKE_UP

UNHEARD_SECONDS = 60
"""How long a wake-up is kept when no clock runs."""


def send(context: Context) -> None:
    """Wake the clock. Call it after the commit."""
    context.redis.lpush(CLOCK_WAKE_UP, 1)
    context.redis.expire(CLOCK_WAKE_UP, UNHEARD_SECONDS)


def wait(context: Context, seconds: float) -> bool:
    """Wait for a wake-up, at most `seconds`; whether one came. Several that came at once are one."""
    if not context.redis.blpop([CLOCK_WAKE_UP], timeout=seconds):
        return False
    context.redis.delete(CLOCK_WAKE_UP)
    return True
