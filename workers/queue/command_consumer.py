"""The consumer of commands: it reads them in batches, lets each be judged at once, and acknowledges it in one call.

It does so in Dramatiq's own consumer thread, which starts, pauses and ends it with the worker; what is delayed and
what failed goes Dramatiq's way.
"""

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dramatiq.broker import MessageProxy

from workers.base.errors import AWAY as DATABASE_AWAY
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.queue import message as messages
from workers.queue.consumer import BellConsumer, QueuedMessage, closed_when_away

if TYPE_CHECKING:
    from workers.queue.broker import TenureBroker

MOST = 1500
"""Commands in one transaction."""

LONG_SECONDS = 1.0
"""A batch that took longer is followed by one half as large: nobody waits for a slow host's other customers."""

LONGEST_PAUSE_SECONDS = 5.0

JudgeEach = Callable[[list[tuple[Any, ...]]], list[Any]]
"""Judges many messages' arguments; what it returns for one that failed is the exception."""


class CommandConsumer(BellConsumer):
    """Reads the queue of commands; it hands no message out, so Dramatiq's threads are left to the effects.

    Only a command that fails is made a message of Dramatiq's.
    """

    def __init__(self, broker: "TenureBroker", queue_name: str, timeout: int, take: JudgeEach) -> None:
        super().__init__(broker, queue_name, MOST, timeout)
        self.take = take
        self.size = MOST
        self.failures = 0

    def __next__(self) -> None:
        """Judge what there is, or sleep at the bell; raises `ConnectionClosed`."""
        with closed_when_away():
            if not self.fetched:
                self._fill()
            batch = self._open_batch()
            self._bury_all()
        if batch:
            self._judge(batch)

    def _open_batch(self) -> list[QueuedMessage]:
        batch: list[QueuedMessage] = []
        while self.fetched and len(batch) < self.size:
            found = self._read_next()
            if found is not None:
                batch.append(found)
        return batch

    def _judge(self, batch: list[QueuedMessage]) -> None:
        started = time.monotonic()
        fault_point("queue.fetched")
        try:
            outcomes = self.take([one.fields["args"] for one in batch])
        except DATABASE_AWAY as away:
            self._wait_and_give_back(batch, away)
            return
        fault_point("queue.judged")
        self.failures = 0
        self._resize(time.monotonic() - started)
        answered = zip(batch, outcomes, strict=True)
        failed = [(one, outcome) for one, outcome in answered if isinstance(outcome, Exception)]
        self._acknowledge([one for one in batch if all(one is not other for other, _ in failed)])
        for one, wrong in failed:
            self._fail(messages.proxy(one.fields), wrong)

    def _resize(self, seconds: float) -> None:
        self.size = max(1, self.size // 2) if seconds > LONG_SECONDS else min(MOST, self.size * 2)

    def _wait_and_give_back(self, batch: list[QueuedMessage], away: Exception) -> None:
        """Nobody can be answered now: the commands go back to the queue after a pause, with jitter."""
        self.failures += 1
        longest = min(LONGEST_PAUSE_SECONDS, 0.25 * 2 ** min(self.failures, 10))
        pause = longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        first = next(iter(str(away).splitlines()), "")
        what = f"{type(away).__name__}: {first}; {len(batch)} commands wait, they are judged again in {pause:.1f} s"
        log.error("failed", code="database.away", error=what)
        time.sleep(pause)
        self._give_back([one.redis_id for one in batch])

    def _acknowledge(self, done: list[QueuedMessage]) -> None:
        """In one call. If Redis is away now, they are judged again: each is answered as it was."""
        if not done:
            return
        redis_ids = [one.redis_id for one in done]
        try:
            with closed_when_away():
                self.broker.ack_all(self.queue_name, redis_ids)
        finally:
            self.held.difference_update(redis_ids)
        fault_point("queue.acked")

    def _fail(self, message: MessageProxy, wrong: Exception) -> None:
        """Dramatiq's way of a message that failed: a later retry, or the dead letters."""
        log.error("failed", code="command.failed", error=f"message {message.message_id}", exc_info=wrong)
        message.stuff_exception(wrong)
        self.broker.emit_after("process_message", message, exception=wrong)
        fault_point("queue.retried")
        if message.failed:
            self.nack(message)
        else:
            self.ack(message)
