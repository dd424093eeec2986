"""Dramatiq's broker on Redis, with what it gets wrong put right. Every cure here has a test that breaks the thing."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import dramatiq.worker
import redis
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import q_name
from dramatiq.middleware import Retries
from redis.backoff import NoBackoff
from redis.retry import Retry
from uuid_utils import uuid7

from models.columns import to_json
from workers.base.logs import log
from workers.queue.command_consumer import CommandConsumer, JudgeEach
from workers.queue.consumer import BellConsumer
from workers.queue.scripts import ACK, ENQUEUE, FETCH, NACK, EvenIfFull, mended_dispatch
from workers.queue.wire import OnePiece

COMMANDS = "lifecycle"
QUEUES = ("lifecycle", "effects", "data", "deletions")
"""Commands; quick effects; backups and exports; deletions."""

REPLY_SECONDS = 10.0
"""How long Redis may take to answer: a disk that syncs slowly is not a lost connection."""

HEARTBEAT_TIMEOUT_MS = 10_000
"""A process that is silent for this long is dead, and its messages are offered again. A living one beats every 3 s."""

DEAD_MESSAGE_TTL_MS = 30 * 86_400_000

FETCHED_BYTES = 16 << 20
"""Of one fetch, and a message more: a thousand of the largest would take a worker's memory."""

OnPoison = Callable[[str, str, bytes, str], None]
OnPoisons = Callable[[str, list[tuple[str, bytes, str]]], None]


def connect(redis_url: str, *, reply_seconds: float = REPLY_SECONDS) -> redis.Redis:
    """Make a client that never sends a command twice: redis-py's own retry would run an enqueue again."""
    return redis.Redis.from_url(
        redis_url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=reply_seconds,
        socket_connect_timeout=reply_seconds,
        protocol=2,
        command_packer=OnePiece(),
    )


def make_broker(redis_url: str, *, threads: int = 0) -> "TenureBroker":
    """Make the broker of this process; call it after a fork.

    `threads` (of the worker process) lets slow queues take a part of them only: a command always finds one free.
    """
    # A thread that could not acknowledge waits this long and tries again; Valkey is back within a second.
    dramatiq.worker.POST_PROCESS_MESSAGE_RETRY_DELAY_SECS = 0.5  # type: ignore[assignment]
    return TenureBroker(redis_url, limits(threads) if threads else {})


def limits(threads: int) -> dict[str, int]:
    """How many messages of a slow queue a process with so many threads may hold; one thread is left for commands."""
    data, deletions = max(1, threads // 4), max(1, threads // 8)
    return {"data": data, "deletions": deletions, "effects": max(1, threads - 1 - data - deletions)}


def log_poison(queue: str, redis_message_id: str, _raw: bytes, reason: str) -> None:
    """Say in one line that a message was put aside, without its content."""
    log.error("gave_up", code="message.dead", error=f"{queue} message {redis_message_id} {reason}; it is in {queue}.XQ")


class TenureBroker(RedisBroker):
    """A `RedisBroker` whose messages are never lost, stranded or fatal to their neighbours.

    Only the `Retries` middleware is used. Time limits and shutdown notices are asynchronous exceptions, which can land
    in a commit; an age limit drops commands; callbacks and pipelines would let a message start any actor.
    `on_poison(queue, redis id, raw, reason)` is told of every dead letter, before it is in the dead-letter queue;
    `on_poisons(queue, letters)`, when it is set, of many at once.
    `take`, when it is set, is given the commands in batches: then no thread of the worker runs them one by one.
    `held` has the redis ids that this process has fetched and not yet settled, by queue: it outlives a consumer.
    """

    def __init__(self, redis_url: str, limits: Mapping[str, int]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            client=connect(redis_url),
            middleware=[PatientRetries(max_retries=10, min_backoff=500, max_backoff=60_000)],
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
            dead_message_ttl=DEAD_MESSAGE_TTL_MS,
        )
        self.bells = connect(redis_url)  # its connections are the ones that wait
        self.limits = limits
        self.on_poison: OnPoison = log_poison
        self.on_poisons: OnPoisons | None = None
        self.take: JudgeEach | None = None
        self.before_close: Callable[[], None] = lambda: None
        self.held: dict[str, set[bytes]] = {}
        self.put_back: set[str] = set()
        self.fetch_script = EvenIfFull(self.client, FETCH)
        self.enqueue_script = EvenIfFull(self.client, ENQUEUE)
        self.ack_script = EvenIfFull(self.client, ACK)
        self.nack_script = EvenIfFull(self.client, NACK)
        stock: Any = self.scripts["dispatch"].script
        self.scripts["dispatch"] = EvenIfFull(self.client, mended_dispatch(stock).decode())

    @property
    def consumer_class(self) -> type[BellConsumer]:
        """The consumer that survives poison and sleeps at a bell."""
        return BellConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> BellConsumer:
        """Consume a queue, a slow one with at most its share of the threads; `timeout=0` never waits."""
        prefetch = min(prefetch, self.limits.get(queue_name, prefetch))
        if self.take is not None and queue_name == COMMANDS:
            return CommandConsumer(self, queue_name, timeout, self.take)
        return BellConsumer(self, queue_name, prefetch, timeout)

    def fetch(self, queue_name: str, count: int, *, longest: int) -> list[tuple[bytes, bytes | int]]:
        """Take up to `count` messages as (redis id, body); of a body of more than `longest` bytes only its length."""
        words: list[Any] = [queue_name, self.broker_id, count, longest, FETCHED_BYTES]
        found: Any = self.fetch_script(keys=[self.namespace], args=words)
        return list(zip(found[::2], found[1::2], strict=True))

    def announce(self, queue_name: str, effect_ids: list[str]) -> None:
        """Enqueue a message for each of many effects, in one call."""
        words: list[str] = [queue_name]
        for effect_id in effect_ids:
            message_id = str(uuid7())
            words += [message_id, _wakeup(queue_name, effect_id, message_id)]
        self.enqueue_script(keys=[self.namespace], args=words)

    def ack_all(self, queue_name: str, redis_ids: list[bytes]) -> None:
        """Acknowledge many messages in one call."""
        if redis_ids:
            self.ack_script(keys=[self.namespace], args=[queue_name, self.broker_id, *redis_ids])

    def nack_all(self, queue_name: str, redis_ids: list[bytes]) -> None:
        """Put many messages into the dead-letter queue in one call."""
        if redis_ids:
            words = [queue_name, q_name(queue_name), self.broker_id, *redis_ids]
            self.nack_script(keys=[self.namespace], args=words)

    def report(self, queue_name: str, letters: list[tuple[str, bytes, str]]) -> None:
        """Tell of dead letters (redis id, body, reason): of all at once where somebody takes them so."""
        if self.on_poisons is not None:
            self.on_poisons(queue_name, letters)
            return
        for letter in letters:
            self.on_poison(queue_name, *letter)

    def keep_up(self, queue_name: str) -> None:
        """Beat, offer again what dead processes held, and drop dead letters that are too old."""
        self.do_fetch(queue_name, 0)

    def acks_key(self, queue_name: str) -> str:
        """Name the set of ids that this process has fetched and not settled."""
        return f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"

    def close(self) -> None:
        """Close every connection, after what still needs them."""
        self.before_close()
        self.client.close()
        self.bells.close()

    def _should_do_maintenance(self, command: str) -> int:
        """Maintain by time, in `keep_up`, not by dice: at Dramatiq's 0.1 % a dead worker's messages wait minutes."""
        return int(command == "fetch")


def _wakeup(queue: str, effect_id: str, message_id: str) -> str:
    """A message as Dramatiq writes it; its actor is named like its queue."""
    body = {
        "queue_name": queue,
        "actor_name": queue,
        "args": [effect_id],
        "kwargs": {},
        "options": {"redis_message_id": message_id},
        "message_id": message_id,
        "message_timestamp": int(time.time() * 1000),
    }
    return to_json(body)


class PatientRetries(Retries):
    """`Retries` that cannot lose: stock Dramatiq acknowledges a message whose retry could not be enqueued."""

    def after_process_message(
        self, broker: Any, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Schedule the retry; if that fails the message goes back to its queue as it was."""
        try:
            super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]
        except Exception:
            if not message.failed:
                broker.put_back.add(message.options["redis_message_id"])
                message.fail()
            raise
