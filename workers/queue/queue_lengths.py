"""How long the queues are, and since when the message at the head of each waits."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from models.clock import machine_now
from workers.queue import redis_keys
from workers.queue.message import LONGEST
from workers.queue.queue_names import QUEUES
from workers.queue.upkeep_scripts import QUEUE_HEADS

BELIEVABLE = timedelta(days=7)
"""Other systems write the timestamps of messages: one that is further from now is ignored."""


@dataclass(frozen=True, slots=True)
class QueueLength:
    """How many messages wait, and since when the first does; None when none waits or its timestamp is absurd."""

    count: int
    since: datetime | None


def look(client: redis.Redis) -> dict[str, QueueLength]:
    """The queues by name, in one call of Redis."""
    keys = [redis_keys.messages(queue) for queue in QUEUES]
    heads: Any = client.eval(QUEUE_HEADS, len(keys), *keys, LONGEST)
    now = machine_now()
    return {
        queue: QueueLength(int(count), _since(body, now))
        for queue, count, body in zip(QUEUES, heads[::2], heads[1::2], strict=True)
    }


def _since(body: bytes, now: datetime) -> datetime | None:
    """When a message was sent, by its own timestamp."""
    try:
        milliseconds = json.loads(body)["message_timestamp"]
        at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
    return at if now - BELIEVABLE < at < now + BELIEVABLE else None
