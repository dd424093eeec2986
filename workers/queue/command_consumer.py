"""The consumer of commands: it reads a batch, has it judged in one transaction, and acknowledges it in one call.

It runs in Dramatiq's own consumer thread, which starts, pauses and ends it with the worker. Delayed and failed
commands take Dramatiq's way.
"""

import time
from collections.abc import Callable
from typing import Any

from dramatiq.broker import MessageProxy

from workers.base.away import AWAY
from workers.base.backoff import pause_seconds
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.queue import message as messages
from workers.queue.broker_protocol import ConsumerBroker
from workers.queue.consumer import BlockingConsumer, QueuedMessage, closed_when_away

MOST = 1500
"""Commands in one transaction."""

LONG_SECONDS = 1.0
"""A batch that took longer is followed by one half as large: a slow host delays fewer neighbours."""

LONGEST_PAUSE_SECONDS = 5.0

JudgeEach = Callable[[list[tuple[Any, ...]]], list[Any]]
"""Judges many messages' arguments; what it returns for one that failed is the exception."""


class CommandConsumer(BlockingConsumer):
    """Reads the queue of commands. It hands no message to Dramatiq's threads, which are left to the effects.

    Only a command that fails becomes a message of Dramatiq's.
    """

    def __init__(self, broker: ConsumerBroker, queue_name: str, timeout: int, take: JudgeEach) -> None:
        super().__init__(broker, queue_name, MOST, timeout)
        self.take = take
        self.size = MOST
        self.failures = 0

    def __next__(self) -> None:
        """Judge what there is, or wait for a message. Raises ConnectionClosed."""
        with closed_when_away():
            if not self.fetched:
                self._fill()
            batch = self._open_batch()
            self._dead_letter_undecodable()
        if batch:
            self._judge(batch)

    def _open_batch(self) -> list[QueuedMessage]:
        batch: list[QueuedMessage] = []
        while self.fetched and len(batch) < self.size:
            message = self._read_next()
            if message is not None:
                batch.append(message)
        return batch

    def _judge(self, batch: list[QueuedMessage]) -> None:
        started = time.monotonic()
        fault_point("queue.fetched")
        try:
            outcomes = self.take([message.fields["args"] for message in batch])
        except AWAY as error:
            self._wait_and_give_back(batch, error)
            return
        fault_point("queue.judged")
        self.failures = 0
        self._resize(time.monotonic() - started)
        judged = list(zip(batch, outcomes, strict=True))
        self._acknowledge([message for message, outcome in judged if not isinstance(outcome, Exception)])
        for message, outcome in judged:
            if isinstance(outcome, Exception):
                self._fail(messages.proxy(message.fields), outcome)

    def _resize(self, seconds: float) -> None:
        self.size = max(1, self.size // 2) if seconds > LONG_SECONDS else min(MOST, self.size * 2)

    def _wait_and_give_back(self, batch: list[QueuedMessage], error: Exception) -> None:
        """Nobody can be answered now: requeue the commands after a pause, with jitter."""
        self.failures += 1
        pause = pause_seconds(self.failures, first=0.5, longest=LONGEST_PAUSE_SECONDS)
        first = next(iter(str(error).splitlines()), "")
        what = f"{type(error).__name__}: {first}; {len(batch)} commands wait, they are judged again in {pause:.1f} s"
        log.error("failed", code="database.away", error=what)
        time.sleep(pause)
        self._give_back([message.redis_id for message in batch])

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

    def _fail(self, message: MessageProxy, error: Exception) -> None:
        """Let Dramatiq retry the message later, or dead-letter it."""
        log.error("failed", code="command.failed", error=f"message {message.message_id}", exc_info=error)
        message.stuff_exception(error)
        self.broker.emit_after("process_message", message, exception=error)
        fault_point("queue.retried")
        if message.failed:
            self.nack(message)
        else:
            self.ack(message)
