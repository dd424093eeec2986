"""Commands signed with a key that is not known yet: they wait a minute for the file that names it, on any host.

They wait in Redis and not in a queue: so many of them as strangers may send keep no worker busy.
"""

import json
from typing import Any

from redis import Redis

from models.clock import machine_now
from workers.producers.known import LoadedProducers
from workers.producers.rejections import NotAuthenticError
from workers.queue import new_message
from workers.queue.queue_names import COMMAND_ACTOR, COMMANDS
from workers.queue.redis_keys import UNKNOWN_KEYS, UNKNOWN_KEYS_SECONDS

WAIT_SECONDS = 60
MOST = 1_000
LARGE_BYTES, MOST_WITH_LARGE = 8 << 10, 100
"""A larger command waits only while few wait: all of them together stay within some 15 MB."""

CODE = "auth.key_unknown"


class UnknownKeyError(NotAuthenticError):
    """A command whose key is not known now."""

    def __init__(self, key_id: str, shown: str, args: tuple[str, str]) -> None:
        super().__init__(CODE, f"it is signed with the key {shown}, which no producer has")
        self.key_id = key_id
        self.args_given = args


def wait(redis: Redis, found: list[UnknownKeyError]) -> list[UnknownKeyError]:
    """Let commands wait; those that may not. Raises RedisError."""
    number: Any = redis.llen(UNKNOWN_KEYS)
    may = [one for one in found if number < MOST_WITH_LARGE or len(one.args_given[0]) <= LARGE_BYTES]
    now = machine_now().timestamp()
    words = [json.dumps({"at": now, "key": one.key_id, "args": one.args_given}) for one in may]
    if words:
        pipeline = redis.pipeline(transaction=True)
        pipeline.lpush(UNKNOWN_KEYS, *words)
        pipeline.ltrim(UNKNOWN_KEYS, 0, MOST - 1)
        pipeline.expire(UNKNOWN_KEYS, UNKNOWN_KEYS_SECONDS)
        pipeline.execute()
    return [one for one in found if one not in may]


def look_again(redis: Redis, known: LoadedProducers) -> int:
    """Offer those again whose key is known by now; how many have waited in vain. Raises RedisError.

    A crash in between offers a command twice, which equals once.
    """
    if not redis.exists(UNKNOWN_KEYS):
        return 0
    now, over = machine_now(), 0
    everything: Any = redis.lrange(UNKNOWN_KEYS, 0, -1)
    for raw in everything:
        waiting = json.loads(raw)
        is_known = waiting["key"] in known.keys
        if is_known:
            new_message.enqueue(redis, COMMANDS, new_message.build(COMMANDS, COMMAND_ACTOR, waiting["args"], now))
        elif now.timestamp() - waiting["at"] < WAIT_SECONDS:
            continue
        redis.lrem(UNKNOWN_KEYS, 1, raw)
        over += not is_known
    return over
