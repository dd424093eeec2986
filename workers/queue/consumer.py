"""The consumer of a queue: it fetches, blocks while the queue is empty, and dead-letters what is undecodable."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, NamedTuple

import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.common import dq_name
from dramatiq.errors import ConnectionClosed

from workers.base.away import REDIS_AWAY
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.queue import message as messages
from workers.queue import redis_keys
from workers.queue.broker_protocol import ConsumerBroker

BLOCK_SECONDS = 1.0
"""The longest wait for a message: after it a consumer looks whether its worker is being stopped."""

KEEP_UP_SECONDS = 3.0
"""Between two heartbeats of a consumer; well under the broker's heartbeat timeout."""

GATHER_SECONDS = 0.002
"""A full consumer that gets room waits this long for more of it, and fetches once for many."""

FAILED = "failed for good"
"""Begins the reason of a dead letter that was decoded and could not be done."""

BATCH = 1500
"""Ids in one call: Redis's Lua stack is not endless."""


class QueuedMessage(NamedTuple):
    """A message in hand that can be run: its redis id and its fields."""

    redis_id: bytes
    fields: dict[str, Any]


class DeadMessage(NamedTuple):
    """A message that can't be run: its redis id, its body (None: too long to be read), and why."""

    redis_id: bytes
    body: bytes | None
    reason: str


class BlockingConsumer(Consumer):
    """Reads one queue for one thread. While the queue is empty it blocks in Redis, so it wakes within milliseconds.

    It blocks in `BLMOVE list list LEFT LEFT`, which returns when the list has an element and leaves it as it was: a
    producer need not send a wake-up of its own. Each call makes at most one step (fetch or wait), and the loop never
    spins: it waits in Redis only after a fetch that found nothing, and for an event while it holds all it may hold.
    """

    def __init__(self, broker: ConsumerBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        self.broker = broker
        self.queue_name = queue_name
        self.prefetch = prefetch
        self.timeout = timeout
        self.held = broker.held.setdefault(queue_name, set())
        self.fetched: deque[tuple[bytes, bytes | int]] = deque()
        self.undecodable: list[DeadMessage] = []
        self.is_quiet = False
        self.has_room = Event()
        self.keep_up_at = 0.0
        if queue_name == dq_name(queue_name):
            self.held.clear()  # a worker forgets its delayed messages together with the consumer before

    def __next__(self) -> MessageProxy | None:
        """Return the next message that can be run, or None after a wait. Raises ConnectionClosed."""
        with closed_when_away():
            if not self.fetched:
                self._fill()
            message = self._read_next()
            self._dead_letter_undecodable()
            return None if message is None else messages.proxy(message.fields)

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message: it is done."""
        fault_point("message.acking")
        self._settle(self.broker.ack_one, message)
        fault_point("message.acked")

    def nack(self, message: MessageProxy) -> None:
        """Put a message that failed for good into the dead-letter queue, or back if its retry could not be enqueued."""
        redis_id = message.options["redis_message_id"]
        if redis_id in self.broker.put_back:
            self._settle(self.broker.requeue_all, message)
            self.broker.put_back.discard(redis_id)
            return
        failure = message._exception  # noqa: SLF001 - Dramatiq keeps it nowhere else
        reason = f"{FAILED}: {type(failure).__name__}: {failure}"
        self._report([DeadMessage(redis_id.encode(), message.encode(), reason)])
        self._settle(self.broker.nack_one, message)
        fault_point("queue.nacked")

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give messages back that were fetched and not begun."""
        self._give_back([message.options["redis_message_id"].encode() for message in messages])

    def close(self) -> None:
        """Give back what was fetched and not handed out; stock Dramatiq strands it until this process ends."""
        unread = [redis_id for redis_id, _ in self.fetched]
        self.fetched.clear()
        self._give_back(unread)

    def _fill(self) -> None:
        self._keep_up()
        if len(self.held) >= self.prefetch:
            self._wait_for_room()
        elif self.is_quiet and self.timeout:
            self._block()
        else:
            self._fetch()

    def _keep_up(self) -> None:
        """Send a heartbeat, and requeue what a fetch took whose reply never arrived."""
        now = time.monotonic()
        if now < self.keep_up_at:
            return
        self.keep_up_at = now + KEEP_UP_SECONDS
        self.broker.keep_up(self.queue_name)
        fetched = self.broker.fetched_ids(self.queue_name)
        # An id that is being settled just now does no harm: what is settled can't be requeued.
        self._give_back(list(fetched - self.held))

    def _wait_for_room(self) -> None:
        self.has_room.clear()
        if len(self.held) >= self.prefetch and self.has_room.wait(min(self.timeout / 1000, BLOCK_SECONDS)):
            time.sleep(GATHER_SECONDS)

    def _block(self) -> None:
        name = redis_keys.messages(self.queue_name)
        seconds: Any = min(self.timeout / 1000, BLOCK_SECONDS)  # redis-py says int, Redis takes fractions
        self.is_quiet = self.broker.waiting_client.blmove(name, name, seconds, "LEFT", "LEFT") is None

    def _fetch(self) -> None:
        count = min(self.prefetch - len(self.held), BATCH)
        batch = self.broker.fetch(self.queue_name, count, longest=messages.LONGEST)
        self.is_quiet = not batch
        for redis_id, body in batch:
            if redis_id not in self.held:  # pushed twice: the one in hand is enough
                self.held.add(redis_id)
                self.fetched.append((redis_id, body))

    def _read_next(self) -> QueuedMessage | None:
        """Read until one can be run; what can't is kept for `_dead_letter_undecodable`."""
        while self.fetched:
            redis_id, body = self.fetched.popleft()
            if isinstance(body, int):
                reason = f"is longer than {messages.LONGEST} bytes (it has {body}): removed unread"
                self.undecodable.append(DeadMessage(redis_id, None, reason))
                continue
            try:
                return QueuedMessage(redis_id, messages.read(body, redis_id, self.queue_name, self.broker.actors))
            except messages.Undecodable as error:
                self.undecodable.append(DeadMessage(redis_id, body, str(error)))
        return None

    def _dead_letter_undecodable(self) -> None:
        """Dead-letter what can't be run; a body that was too long to be read is removed.

        The messages are let go first: if Redis is away just now, `_keep_up` requeues them.
        """
        if not self.undecodable:
            return
        letters, self.undecodable = self.undecodable, []
        for letter in letters:
            self._let_go(letter.redis_id)
        self._report(letters)
        self.broker.nack_all(self.queue_name, [letter.redis_id for letter in letters if letter.body is not None])
        self.broker.ack_all(self.queue_name, [letter.redis_id for letter in letters if letter.body is None])
        fault_point("queue.buried")

    def _report(self, letters: list[DeadMessage]) -> None:
        reported = [
            (letter.redis_id.decode(errors="backslashreplace"), letter.body or b"", letter.reason) for letter in letters
        ]
        try:
            self.broker.report(self.queue_name, reported)
        except Exception:  # noqa: BLE001 - the letters are kept in Redis, and a failing report must not stop the queue
            log.exception("failed", code="message.dead", error="dead letters could not be reported")

    def _settle(self, verb: Callable[..., Any], message: MessageProxy) -> None:
        """Settle a message in Redis. It is held until Redis has done it, or has refused it for good."""
        redis_id: str = message.options["redis_message_id"]
        try:
            with closed_when_away():
                verb(self.queue_name, redis_id)
        except redis.RedisError:
            self._let_go(redis_id.encode())
            raise
        self._let_go(redis_id.encode())

    def _give_back(self, redis_ids: list[bytes]) -> None:
        self.held.difference_update(redis_ids)
        with closed_when_away():
            for start in range(0, len(redis_ids), BATCH):
                self.broker.requeue_all(self.queue_name, *redis_ids[start : start + BATCH])

    def _let_go(self, redis_id: bytes) -> None:
        self.held.discard(redis_id)
        self.has_room.set()


@contextmanager
def closed_when_away() -> Iterator[None]:
    """Raise ConnectionClosed when Redis is away: on that Dramatiq waits, and starts the consumer again."""
    try:
        yield
    except REDIS_AWAY as error:
        raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
