"""What a consumer needs from its broker. The broker makes its consumers, so they know it by this alone."""

from typing import Any, Protocol

import redis
from dramatiq.actor import Actor

DeadLetters = list[tuple[str, bytes, str]]
"""Messages that can't be run: of each its redis id as text, its body (empty: it was too long to be read), and why."""


class ConsumerBroker(Protocol):
    """The queues as a consumer sees them. Every call raises RedisError when Redis can't do it."""

    client: redis.Redis
    waiting_client: redis.Redis
    """Its connections are the ones that block, so that an acknowledgement never waits behind a sleeping consumer."""

    actors: dict[str, Actor[Any, Any]]
    held: dict[str, set[bytes]]
    """The redis ids that this process has fetched and not settled, by queue. It outlives a consumer."""

    put_back: set[str]
    """The redis ids of messages that failed and whose retry could not be enqueued."""

    def fetch(self, queue_name: str, count: int, *, longest: int) -> list[tuple[bytes, bytes | int]]:
        """Take up to `count` messages as (redis id, body); of a body of more than `longest` bytes only its length."""

    def ack_all(self, queue_name: str, redis_ids: list[bytes]) -> None:
        """Acknowledge many messages in one call."""

    def nack_all(self, queue_name: str, redis_ids: list[bytes]) -> None:
        """Put many messages into the dead-letter queue in one call."""

    def report(self, queue_name: str, letters: DeadLetters) -> None:
        """Report dead letters, before they are in the dead-letter queue."""

    def keep_up(self, queue_name: str) -> None:
        """Send a heartbeat, offer again what dead processes held, and drop dead letters that are too old."""

    def fetched_ids(self, queue_name: str) -> set[bytes]:
        """The redis ids that Redis says this process has fetched and not settled."""

    def ack_one(self, queue_name: str, redis_id: str) -> None:
        """Acknowledge one message."""

    def nack_one(self, queue_name: str, redis_id: str) -> None:
        """Put one message into the dead-letter queue."""

    def requeue_all(self, queue_name: str, *redis_ids: bytes | str) -> None:
        """Put messages back into their queue."""

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> Any:
        """Run the middleware."""
