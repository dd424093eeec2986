"""Build messages as Dramatiq writes them, and enqueue them as any producer does: HSET the body, RPUSH the id."""

import json
from datetime import datetime
from typing import Any, NamedTuple

import redis
from uuid_utils import uuid7

from models.columns import to_json
from workers.queue import redis_keys

Fields = dict[str, Any]


class NewMessage(NamedTuple):
    """A message's id in Redis, and its body."""

    redis_id: str
    body: str


def build(queue: str, actor: str, args: list[Any], at: datetime) -> NewMessage:
    """A message that is sent at `at`, by the machine's clock. Its id in Redis is its own id."""
    redis_id = str(uuid7())
    own = {"message_id": redis_id, "message_timestamp": int(at.timestamp() * 1000)}
    return NewMessage(redis_id, _encode(fields(queue, actor, args) | options(redis_id) | own))


def fields(queue: str, actor: str, args: Any) -> Fields:
    """The fields of a message that say what it asks for."""
    return {"queue_name": queue, "actor_name": actor, "args": args, "kwargs": {}, "options": {}}


def options(redis_id: str) -> Fields:
    """The options of a message that was never tried: Dramatiq acknowledges it by this id."""
    return {"options": {"redis_message_id": redis_id}}


def renew(body: str, queue: str) -> NewMessage:
    """A message as if it were sent now: its own id in Redis, no tries, no delay. A body that is no message is kept."""
    redis_id = str(uuid7())
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return NewMessage(redis_id, body)
    if not isinstance(message, dict):
        return NewMessage(redis_id, body)
    return NewMessage(redis_id, json.dumps(message | {"queue_name": queue} | options(redis_id)))


def enqueue(client: redis.Redis, queue: str, message: NewMessage) -> None:
    """Put a message on a queue, in one transaction: an id without a body would be dropped."""
    pipeline = client.pipeline(transaction=True)
    pipeline.hset(redis_keys.bodies(queue), message.redis_id, message.body)
    pipeline.rpush(redis_keys.messages(queue), message.redis_id)
    pipeline.execute()


def _encode(message: Fields) -> str:
    """As JSON, quickly. The command line may be given integers of over 64 bits and bytes that are no UTF-8: slowly."""
    try:
        return to_json(message)
    except TypeError:
        return json.dumps(message)
