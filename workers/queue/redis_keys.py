"""Every key in Redis: its name, its type, what it holds, who writes it and how long it lives.

No other module spells a key. The Lua scripts are given keys, or Dramatiq's namespace where they name keys themselves.
This module imports nothing that takes time, for the supervisor starts in milliseconds.
"""

from typing import NamedTuple

from workers.queue.queue_names import QUEUES

NAMESPACE = "dramatiq"
"""Dramatiq's own namespace: producers in other languages write to it."""

HEARTBEATS = f"{NAMESPACE}:__heartbeats__"
EVENTS = "tenure:events"
RELAY_LOCK = "tenure:publisher"
RELAY_WANTED = "tenure:publisher:more"
REFILLED = "tenure:publisher:refilled"
CLOCK_WAKE_UP = "tenure:bell"
HIGH_WATER_MARK = "tenure:witness"
ADVANCE_LOCK = "tenure:clock:advance"
UNKNOWN_KEYS = "tenure:unknown-keys"
REJECTED = "tenure:rejected"
ASIDE = "tenure:aside:"
REPLY = "tenure:reply:"

DEAD_BODIES = ".XQ.msgs"
"""The end of the key of dead letters' bodies, on every queue."""

ASIDE_SECONDS = 86_400
UNKNOWN_KEYS_SECONDS = 3_600
REPLY_SECONDS = 3_600
REFILLED_SECONDS = 86_400
NAMED_SECONDS = 91 * 86_400
"""Longer than an entry of the stream lives."""


def delayed(queue: str) -> str:
    """The name of the queue that holds a queue's messages until their retry is due."""
    return f"{queue}.DQ"


def messages(queue: str) -> str:
    """The list of the message ids of a queue, in the order in which they are taken."""
    return f"{NAMESPACE}:{queue}"


def bodies(queue: str) -> str:
    """The hash of the message bodies of a queue, by message id."""
    return f"{messages(queue)}.msgs"


def dead_letters(queue: str) -> str:
    """The sorted set of the ids of dead letters, by the moment at which each was put there."""
    return f"{messages(queue)}.XQ"


def dead_bodies(queue: str) -> str:
    """The hash of the bodies of dead letters, by message id."""
    return f"{messages(queue)}{DEAD_BODIES}"


def acks(worker: str, queue: str) -> str:
    """The set of message ids that one worker process has fetched from a queue and not acknowledged."""
    return f"{NAMESPACE}:__acks__.{worker}.{queue}"


def reply(name: str) -> str:
    """The stream on which a producer awaits its answers."""
    return f"{REPLY}{name}"


def named(site_id: str | None) -> str:
    """The set of the stream entries about a site, or about none, that hold an address."""
    return f"tenure:named:{site_id or '-'}"


def alive(role: str, run: str, pid: int | str) -> str:
    """The proof of life of one process. `*` for any part makes a pattern."""
    return f"tenure:alive:{role}:{run}:{pid}"


def rate(source: str, site: str | None = None) -> str:
    """The count of the commands of a source, or of a source for one site, in the last minute; digests and ids."""
    return f"tenure:rate:{source}" if site is None else f"tenure:rate:{source}:{site}"


class RedisKey(NamedTuple):
    """What stands under a key, or under every key of a pattern that ends in `*`."""

    name: str
    type: str
    holds: str
    writer: str
    lives: str
    always_expires: bool = False
    """Whether a key without an expiry can't be ours, and would stop work for ever."""


def _of_queue(queue: str) -> tuple[RedisKey, ...]:
    until_done = "until a worker has acknowledged it"
    return (
        RedisKey(messages(queue), "list", "ids of messages that wait", "producers and workers", until_done),
        RedisKey(bodies(queue), "hash", "bodies of messages", "producers and workers", until_done),
        RedisKey(messages(delayed(queue)), "list", "ids of messages that wait for a retry", "workers", until_done),
        RedisKey(bodies(delayed(queue)), "hash", "bodies of messages that wait for a retry", "workers", until_done),
        RedisKey(dead_letters(queue), "zset", "ids of dead letters", "workers", "30 days, the newest 1,000"),
        RedisKey(dead_bodies(queue), "hash", "bodies of dead letters", "workers", "30 days, the newest 1,000"),
    )


KEYS = (
    *(key for queue in QUEUES for key in _of_queue(queue)),
    RedisKey(HEARTBEATS, "zset", "worker processes by their last heartbeat", "workers", "until a process is silent"),
    RedisKey(f"{NAMESPACE}:__acks__.*", "set", "ids of messages in hand", "workers", "until they are acknowledged"),
    RedisKey(EVENTS, "stream", "events, for any reader", "the relay", "90 days; 1 day while memory is short"),
    RedisKey(f"{REPLY}*", "stream", "answers to one producer", "the relay", "1 hour after the last answer"),
    RedisKey(named("*"), "set", "entries of the stream that hold an address", "the relay", "91 days"),
    RedisKey(RELAY_LOCK, "string", "which process publishes now", "the relay", "10 s", always_expires=True),
    RedisKey(RELAY_WANTED, "string", "that somebody has events to publish", "the relay", "until they are published"),
    RedisKey(REFILLED, "string", "that the stream was filled again", "the relay", "1 day", always_expires=True),
    RedisKey(CLOCK_WAKE_UP, "list", "wake-ups of the clock", "workers and the command line", "60 s"),
    RedisKey(HIGH_WATER_MARK, "string", "the latest moment the database had reached", "the clock", "for ever"),
    RedisKey(ADVANCE_LOCK, "string", "which `tenure clock advance` runs", "the command line", "15 s"),
    RedisKey(alive("*", "", "").rstrip(":"), "string", "proof that a process answers", "workers and the clock", "15 s"),
    RedisKey(
        UNKNOWN_KEYS, "list", "commands signed with unknown keys", "workers and the clock", "60 s, the newest 1,000"
    ),
    RedisKey(REJECTED, "hash", "counts of commands that were not let in, by code", "workers", "for ever"),
    RedisKey(rate("*"), "string", "commands of the last minute, by second", "workers", "60 s"),
)
"""All of them, except for what was put aside under `ASIDE`: it has any type, and lives for a day."""

FIXED = {key.name: key for key in KEYS if not key.name.endswith("*")}
PATTERNS = {key.name: key for key in KEYS if key.name.endswith("*")}


def find(name: str) -> RedisKey | None:
    """What a key is; None for one that is not ours."""
    matching = (key for pattern, key in PATTERNS.items() if name.startswith(pattern[:-1]))
    return FIXED.get(name) or next(matching, None)
