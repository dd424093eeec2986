"""A consumer that takes many messages in hand at once and hands none to Dramatiq's threads.

It runs in Dramatiq's own consumer thread, which starts, pauses and ends it with the worker. Delayed and failed
messages take Dramatiq's way.
"""

import time

from dramatiq.broker import MessageProxy

from workers.base.backoff import pause_seconds
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.queue.consumer import BlockingConsumer, QueuedMessage

LONGEST_PAUSE_SECONDS = 5.0


class BatchConsumer(BlockingConsumer):
    """What the consumers of commands and of quick effects have in common."""

    size: int
    """The most messages of one batch."""

    failures = 0
    """Batches in turn that nobody could be answered for."""

    def _open_batch(self) -> list[QueuedMessage]:
        batch: list[QueuedMessage] = []
        while self.fetched and len(batch) < self.size:
            message = self._read_next()
            if message is not None:
                batch.append(message)
        return batch

    def _wait_and_give_back(self, batch: list[QueuedMessage], error: Exception, what: str) -> None:
        """Nothing can be done now: requeue the messages after a pause, with jitter."""
        self.failures += 1
        pause = pause_seconds(self.failures, first=0.5, longest=LONGEST_PAUSE_SECONDS)
        first = next(iter(str(error).splitlines()), "")
        told = f"{type(error).__name__}: {first}; {len(batch)} {what} in {pause:.1f} s"
        log.error("failed", code="database.away", error=told)
        time.sleep(pause)
        self._give_back([message.redis_id for message in batch])

    def _fail(self, message: MessageProxy, error: Exception, code: str) -> None:
        """Let Dramatiq retry the message later, or dead-letter it."""
        log.error("failed", code=code, error=f"message {message.message_id}", exc_info=error)
        message.stuff_exception(error)
        self.broker.emit_after("process_message", message, exception=error)
        fault_point("queue.retried")
        if message.failed:
            self.nack(message)
        else:
            self.ack(message)
