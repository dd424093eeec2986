"""The consumer of commands: it reads a batch, has it judged in one transaction, and acknowledges it in one call."""

import time
from collections.abc import Callable
from typing import Any

from workers.base.away import AWAY
from workers.base.fault_points import fault_point
from workers.queue import message as messages
from workers.queue.batch_consumer import BatchConsumer
from workers.queue.broker_protocol import ConsumerBroker
from workers.queue.consumer import QueuedMessage, closed_when_away

MOST = 1500
"""Commands in one transaction."""

LONG_SECONDS = 1.0
"""A batch that took longer is followed by one half as large: a slow host delays fewer neighbours."""

JudgeEach = Callable[[list[tuple[Any, ...]]], list[Any]]
"""Judges many messages' arguments; what it returns for one that failed is the exception."""


class CommandConsumer(BatchConsumer):
    """Reads the queue of commands. It hands no message to Dramatiq's threads, which are left to the effects.

    Only a command that fails becomes a message of Dramatiq's.
    """

    def __init__(self, broker: ConsumerBroker, queue_name: str, timeout: int, take: JudgeEach) -> None:
        super().__init__(broker, queue_name, MOST, timeout)
        self.take = take
        self.size = MOST

    def __next__(self) -> None:
        """Judge what there is, or wait for a message. Raises ConnectionClosed."""
        with closed_when_away():
            if not self.fetched:
                self._fill()
            batch = self._open_batch()
            self._dead_letter_undecodable()
        if batch:
            self._judge(batch)

    def _judge(self, batch: list[QueuedMessage]) -> None:
        started = time.monotonic()
        fault_point("queue.fetched")
        try:
            outcomes = self.take([message.fields["args"] for message in batch])
        except AWAY as error:
            self._wait_and_give_back(batch, error, "commands wait, they are judged again")
            return
        fault_point("queue.judged")
        self.failures = 0
        self._resize(time.monotonic() - started)
        judged = list(zip(batch, outcomes, strict=True))
        self._acknowledge([message for message, outcome in judged if not isinstance(outcome, Exception)])
        for message, outcome in judged:
            if isinstance(outcome, Exception):
                self._fail(messages.proxy(message.fields), outcome, "command.failed")

    def _resize(self, seconds: float) -> None:
        self.size = max(1, self.size // 2) if seconds > LONG_SECONDS else min(MOST, self.size * 2)

    def _acknowledge(self, done: list[QueuedMessage]) -> None:
        """Acknowledge in one call. If Redis is away now, they are judged again, and each gets its stored answer."""
        if not done:
            return
        redis_ids = [message.redis_id for message in done]
        try:
            with closed_when_away():
                self.broker.ack_all(self.queue_name, redis_ids)
        finally:
            self.held.difference_update(redis_ids)
        fault_point("queue.acked")
