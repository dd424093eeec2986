"""The consumer of a queue: it fetches, sleeps at a bell while there is nothing, and puts poison aside."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.common import dq_name
from dramatiq.errors import ConnectionClosed

from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.queue import message as messages

if TYPE_CHECKING:
    from workers.queue.broker import TenureBroker

AWAY = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.OutOfMemoryError, redis.ReadOnlyError)
"""Redis can't do it now: Dramatiq waits and tries again when it is told so by `ConnectionClosed`."""

BELL_SECONDS = 1.0
"""The longest sleep: after it a consumer looks whether its worker is being stopped."""

KEEP_UP_SECONDS = 3.0
"""Between two heartbeats of a consumer; well under the broker's heartbeat timeout."""

GATHER_SECONDS = 0.002
"""A full consumer that gets room waits this long for more of it, and fetches once for many."""

FAILED = "failed for good"
"""So begins the reason of a dead letter that could be read and not be done."""

BATCH = 1500
"""Ids in one call: Redis's Lua stack is not endless."""


class QueuedMessage(NamedTuple):
    """A message in hand that can be run: its redis id and its fields."""

    redis_id: bytes
    fields: dict[str, Any]


class DeadMessage(NamedTuple):
    """A message that can't be run: its redis id, its body (None: too long to be read), and why."""

    redis_id: bytes
    raw: bytes | None
    reason: str


class BellConsumer(Consumer):
    """Reads one queue for one thread. An idle one blocks on its queue's own list, so that it wakes within milliseconds.

    The bell is `BLMOVE list list LEFT LEFT`: it blocks until the list is not empty and leaves it as it was, so a
    producer needs to know nothing. Each call makes at most one step (fetch or sleep), and none of them can spin: it
    sleeps at the bell only after a fetch that found nothing, and at an event while it holds all it may hold.
    """

    def __init__(self, broker: "TenureBroker", queue_name: str, prefetch: int, timeout: int) -> None:
        self.broker = broker
        self.queue_name = queue_name
        self.prefetch = prefetch
        self.timeout = timeout
        self.held = broker.held.setdefault(queue_name, set())
        self.fetched: deque[tuple[bytes, bytes | int]] = deque()
        self.poison: list[DeadMessage] = []
        self.is_quiet = False
        self.has_room = Event()
        self.keep_up_at = 0.0
        if queue_name == dq_name(queue_name):
            self.held.clear()  # a worker forgets its delayed messages together with the consumer before

    def __next__(self) -> MessageProxy | None:
        """Return the next message that can be run, or None after a sleep; raises `ConnectionClosed`."""
        with closed_when_away():
            if not self.fetched:
                self._fill()
            found = self._read_next()
            self._bury_all()
            return None if found is None else messages.proxy(found.fields)

    def ack(self, message: MessageProxy) -> None:
        """Say that a message is done."""
        fault_point("message.acking")
        self._settle(self.broker.do_ack, message)
        fault_point("message.acked")

    def nack(self, message: MessageProxy) -> None:
        """Put a message that failed for good into the dead-letter queue, or back if its retry could not be enqueued."""
        redis_id = message.options["redis_message_id"]
        if redis_id in self.broker.put_back:
            self._settle(self.broker.do_requeue, message)
            self.broker.put_back.discard(redis_id)
            return
        failure = message._exception  # noqa: SLF001 - Dramatiq keeps it nowhere else
        self._report(
            [DeadMessage(redis_id.encode(), message.encode(), f"{FAILED}: {type(failure).__name__}: {failure}")]
        )
        self._settle(self.broker.do_nack, message)
        fault_point("queue.nacked")

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give messages back that were fetched and not begun."""
        self._give_back([message.options["redis_message_id"].encode() for message in messages])

    def close(self) -> None:
        """Give back what was fetched and not handed out: stock Dramatiq strands it until the process's heart stops."""
        unread = [redis_id for redis_id, _ in self.fetched]
        self.fetched.clear()
        self._give_back(unread)

    def _fill(self) -> None:
        self._keep_up()
        if len(self.held) >= self.prefetch:
            self._wait_for_room()
        elif self.is_quiet and self.timeout:
            self._listen()
        else:
            self._fetch()

    def _keep_up(self) -> None:
        """Beat, and take back from oneself what was fetched in a reply that never arrived."""
        now = time.monotonic()
        if now < self.keep_up_at:
            return
        self.keep_up_at = now + KEEP_UP_SECONDS
        self.broker.keep_up(self.queue_name)
        fetched: Any = self.broker.client.smembers(self.broker.acks_key(self.queue_name))
        # An id that is being settled just now is harmless here: what is settled can't be requeued.
        self._give_back(list(fetched - self.held))

    def _wait_for_room(self) -> None:
        self.has_room.clear()
        if len(self.held) >= self.prefetch and self.has_room.wait(min(self.timeout / 1000, BELL_SECONDS)):
            time.sleep(GATHER_SECONDS)

    def _listen(self) -> None:
        name = f"{self.broker.namespace}:{self.queue_name}"
        seconds: Any = min(self.timeout / 1000, BELL_SECONDS)  # redis-py says int, Redis takes fractions
        self.is_quiet = self.broker.bells.blmove(name, name, seconds, "LEFT", "LEFT") is None

    def _fetch(self) -> None:
        count = min(self.prefetch - len(self.held), BATCH)
        found = self.broker.fetch(self.queue_name, count, longest=messages.LONGEST)
        self.is_quiet = not found
        for redis_id, raw in found:
            if redis_id not in self.held:  # pushed twice: the one in hand is enough
                self.held.add(redis_id)
                self.fetched.append((redis_id, raw))

    def _read_next(self) -> QueuedMessage | None:
        """The next that can be run; what can't is kept for `_bury_all`."""
        while self.fetched:
            redis_id, raw = self.fetched.popleft()
            if isinstance(raw, int):
                reason = f"is longer than {messages.LONGEST} bytes (it has {raw}): removed unread"
                self.poison.append(DeadMessage(redis_id, None, reason))
                continue
            try:
                return QueuedMessage(redis_id, messages.read(raw, redis_id, self.queue_name, self.broker.actors))
            except messages.Undecodable as poison:
                self.poison.append(DeadMessage(redis_id, raw, str(poison)))
        return None

    def _bury_all(self) -> None:
        """Dead-letter what can't be run; of a body that was too long to be read nothing is kept.

        Let go first: if Redis is away just now, `_keep_up` brings the messages back.
        """
        if not self.poison:
            return
        letters, self.poison = self.poison, []
        for letter in letters:
            self._let_go(letter.redis_id)
        self._report(letters)
        self.broker.nack_all(self.queue_name, [letter.redis_id for letter in letters if letter.raw is not None])
        self.broker.ack_all(self.queue_name, [letter.redis_id for letter in letters if letter.raw is None])
        fault_point("queue.buried")

    def _report(self, letters: list[DeadMessage]) -> None:
        told = [(one.redis_id.decode(errors="backslashreplace"), one.raw or b"", one.reason) for one in letters]
        try:
            self.broker.report(self.queue_name, told)
        except Exception:  # noqa: BLE001 - the letters are kept in Redis; whoever is told must not stop the queue
            log.exception("failed", code="message.dead", error="dead letters could not be reported")

    def _settle(self, verb: Callable[..., Any], message: MessageProxy) -> None:
        """Settle a message in Redis; it is held until that has worked or can never work."""
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
                self.broker.do_requeue(self.queue_name, *redis_ids[start : start + BATCH])

    def _let_go(self, redis_id: bytes) -> None:
        self.held.discard(redis_id)
        self.has_room.set()


@contextmanager
def closed_when_away() -> Iterator[None]:
    """Say `ConnectionClosed` when Redis is away: Dramatiq waits, and begins again."""
    try:
        yield
    except AWAY as away:
        raise ConnectionClosed(away) from None  # type: ignore[no-untyped-call]
