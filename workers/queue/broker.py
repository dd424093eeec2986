"""Dramatiq's broker on Redis, with its faults mended; `tests/runtime/test_broker.py` has a test for each."""

from collections.abc import Callable, Mapping
from typing import Any

import dramatiq.worker
import redis
from dramatiq.actor import Actor
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import q_name
from dramatiq.middleware import Retries

from models.clock import machine_now
from workers.base.logs import log
from workers.queue import clients, new_message, redis_keys
from workers.queue.broker_protocol import DeadLetters
from workers.queue.command_consumer import CommandConsumer, JudgeEach
from workers.queue.consumer import BlockingConsumer
from workers.queue.effect_consumer import EffectConsumer, EffectCrew
from workers.queue.queue_names import COMMANDS, EFFECTS
from workers.queue.scripts import ACK, ENQUEUE, FETCH, NACK, EvenIfFull, mended_dispatch

HEARTBEAT_TIMEOUT_MS = 10_000
"""A process that is silent for this long is dead, and its messages are offered again. A living one beats every 3 s."""

DEAD_MESSAGE_TTL_MS = 30 * 86_400_000

FETCHED_BYTES = 16 << 20
"""A fetch ends with the message that passes this: a thousand of the largest would take a worker's memory."""

OnDeadLetters = Callable[[str, DeadLetters], None]


def make_broker(redis_url: str, *, threads: int = 0) -> "TenureBroker":
    """Make the broker of this process; call it after a fork.

    With `threads`, those of the worker process, a slow queue takes only some of them: a command always finds one free.
    """
    # A thread that could not acknowledge waits this long and tries again; Valkey restarts within a second.
    dramatiq.worker.POST_PROCESS_MESSAGE_RETRY_DELAY_SECS = 0.5  # type: ignore[assignment]
    return TenureBroker(redis_url, limits(threads) if threads else {})


def limits(threads: int) -> dict[str, int]:
    """How many messages of a slow queue a process with so many threads may hold; one thread is left for commands."""
    data, deletions = max(1, threads // 4), max(1, threads // 8)
    return {"data": data, "deletions": deletions, "effects": max(1, threads - 1 - data - deletions)}


def log_dead_letters(queue: str, letters: DeadLetters) -> None:
    """Log one line for each dead letter, without its content."""
    for redis_id, _body, reason in letters:
        log.error("gave_up", code="message.dead", error=f"{queue} message {redis_id} {reason}; it is in {queue}.XQ")


class TenureBroker(RedisBroker):
    """A `RedisBroker` that loses and strands no message, and where a bad message does not harm its neighbours.

    Only the `Retries` middleware is used. Time limits and shutdown notices are asynchronous exceptions, which can land
    in a commit; an age limit drops commands; callbacks and pipelines would let a message start any actor.

    `on_dead_letters(queue, letters)` is called with dead letters before they are in the dead-letter queue.
    `take`, when it is set, is given the commands in batches: then no thread of the worker runs them one by one. So is
    `crew` the effects that are quick; those of the slow queues are run by Dramatiq's threads.
    `before_close` is called before the connections are closed.
    """

    actors: dict[str, Actor[Any, Any]]
    client: redis.Redis
    broker_id: str
    namespace: str

    def __init__(self, redis_url: str, limits: Mapping[str, int]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            client=clients.for_queues(redis_url),
            namespace=redis_keys.NAMESPACE,
            middleware=[PatientRetries(max_retries=10, min_backoff=500, max_backoff=60_000)],
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
            dead_message_ttl=DEAD_MESSAGE_TTL_MS,
        )
        self.waiting_client = clients.for_queues(redis_url)
        self.limits = limits
        self.on_dead_letters: OnDeadLetters = log_dead_letters
        self.take: JudgeEach | None = None
        self.crew: EffectCrew | None = None
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
    def consumer_class(self) -> type[BlockingConsumer]:
        """The consumer that blocks while its queue is empty and survives undecodable messages."""
        return BlockingConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> BlockingConsumer:
        """Consume a queue, a slow one with at most its share of the threads; `timeout=0` never waits."""
        prefetch = min(prefetch, self.limits.get(queue_name, prefetch))
        if self.take is not None and queue_name == COMMANDS:
            return CommandConsumer(self, queue_name, timeout, self.take)
        if self.crew is not None and queue_name == EFFECTS:
            return EffectConsumer(self, queue_name, timeout, self.crew)
        return BlockingConsumer(self, queue_name, prefetch, timeout)

    def fetch(self, queue_name: str, count: int, *, longest: int) -> list[tuple[bytes, bytes | int]]:
        """Take up to `count` messages as (redis id, body); of a body of more than `longest` bytes only its length."""
        words: list[Any] = [queue_name, self.broker_id, count, longest, FETCHED_BYTES]
        batch: Any = self.fetch_script(keys=[self.namespace], args=words)
        return list(zip(batch[::2], batch[1::2], strict=True))

    def announce(self, queue_name: str, effect_ids: list[str]) -> None:
        """Enqueue a message for each of many effects, in one call."""
        now = machine_now()
        words: list[str] = [queue_name]
        for effect_id in effect_ids:
            words += new_message.build(queue_name, queue_name, [effect_id], now)
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

    def ack_one(self, queue_name: str, redis_id: str) -> None:
        """Acknowledge one message."""
        self.do_ack(queue_name, redis_id)

    def nack_one(self, queue_name: str, redis_id: str) -> None:
        """Put one message into the dead-letter queue."""
        self.do_nack(queue_name, redis_id)

    def requeue_all(self, queue_name: str, *redis_ids: bytes | str) -> None:
        """Put messages back into their queue."""
        self.do_requeue(queue_name, *redis_ids)

    def report(self, queue_name: str, letters: DeadLetters) -> None:
        """Report dead letters, before they are in the dead-letter queue."""
        self.on_dead_letters(queue_name, letters)

    def keep_up(self, queue_name: str) -> None:
        """Send a heartbeat, offer again what dead processes held, and drop dead letters that are too old."""
        self.do_fetch(queue_name, 0)

    def fetched_ids(self, queue_name: str) -> set[bytes]:
        """The redis ids that Redis says this process has fetched and not settled."""
        ids: Any = self.client.smembers(redis_keys.acks(self.broker_id, queue_name))
        return set(ids)

    def close(self) -> None:
        """Close every connection, after what still needs them."""
        self.before_close()
        self.client.close()
        self.waiting_client.close()

    def _should_do_maintenance(self, command: str) -> int:
        """Maintain by time, in `keep_up`, not by chance: at Dramatiq's 0.1 % a dead worker's messages wait minutes."""
        return int(command == "fetch")


class PatientRetries(Retries):
    """`Retries` that loses nothing: stock Dramatiq acknowledges a message whose retry could not be enqueued."""

    def after_process_message(
        self, broker: Any, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Schedule the retry; if that fails, put the message back into its queue as it was."""
        try:
            super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]
        except Exception:
            if not message.failed:
                broker.put_back.add(message.options["redis_message_id"])
                message.fail()
            raise
