"""Commands that fail authentication: a count for each code, and now and then a line of the log. Nothing else is left.

Who sends them is not known, so nobody can use up ids, disk or the log by sending many.
"""

import time
from collections import Counter
from contextlib import suppress
from threading import Lock

from redis import Redis
from redis.exceptions import RedisError

from workers.base.logs import log
from workers.queue.redis_keys import REJECTED

SECONDS = 10.0
"""From one line about a code to the next one of the same process."""


class NotAuthenticError(Exception):
    """A command that is not let in: `code` is what it is counted as, the text says why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class Rejections:
    """Counts what one process did not let in."""

    def __init__(self) -> None:
        self.turn = Lock()
        self.unsaid: Counter[str] = Counter()
        self.said: dict[str, float] = {}

    def note(self, redis: Redis, found: list[NotAuthenticError]) -> None:
        """Count them, and say one of each code if none was said lately."""
        counts = Counter(one.code for one in found)
        for one in {one.code: one for one in found}.values():
            self._say(one, counts[one.code])
        with suppress(RedisError):  # a count is no reason to keep anybody waiting
            pipeline = redis.pipeline(transaction=False)
            for code, count in counts.items():
                pipeline.hincrby(REJECTED, code, count)
            pipeline.execute()

    def _say(self, one: NotAuthenticError, count: int) -> None:
        now = time.monotonic()
        with self.turn:
            self.unsaid[one.code] += count
            if now - self.said.get(one.code, -SECONDS) < SECONDS:
                return
            self.said[one.code], total = now, self.unsaid.pop(one.code)
        log.warning("refused", code=one.code, error=f"{total} not let in and not answered, the last one: {one}")


def counts(redis: Redis) -> dict[str, int]:
    """How many commands were not let in so far, by code."""
    return {code.decode(): int(count) for code, count in redis.hgetall(REJECTED).items()}  # type: ignore[union-attr]
