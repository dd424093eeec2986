"""Users of Redis for producers: each may enqueue commands and read its own answers, and nothing else.

Rules apply to a command and a key together only in selectors, which Redis has since version 7: before it, one user
enqueues and others read.
"""

from collections.abc import Iterable
from typing import Any

from redis import Redis

from workers.producers.entry import Producer
from workers.queue import redis_keys
from workers.queue.queue_names import COMMANDS

TALK = ("+multi", "+exec", "+discard", "+ping", "+hello", "+client|setinfo", "+client|setname")
ENGINES_USER = "default"
Rules = tuple[str, ...]


def rules(producer: Producer) -> Rules:
    """The words of `ACL SETUSER` for one producer; passwords are digests."""
    selectors = [
        f"(+hset %W~{redis_keys.bodies(COMMANDS)})",
        f"(+rpush %W~{redis_keys.messages(COMMANDS)})",
        f"(+xread %R~{redis_keys.reply(producer.replyto)})",
        f"(+del %W~{redis_keys.reply(producer.replyto)})",
    ]
    if producer.may_read_events:
        selectors.append(f"(+xread %R~{redis_keys.EVENTS})")
    return (*_begin(producer), *TALK, *selectors)


def rules_before_7(producer: Producer) -> dict[str, Rules]:
    """The same for a Redis without selectors: a user that enqueues, and those that read, by name."""
    talk = [word for word in TALK if word != "+client|setinfo"]
    queue = (f"~{redis_keys.bodies(COMMANDS)}", f"~{redis_keys.messages(COMMANDS)}")
    users: dict[str, Rules] = {
        producer.name: (*_begin(producer), *talk, "+hset", "+rpush", *queue),
        f"{producer.name}-replies": (
            *(*_begin(producer), "+ping", "+hello", "+client|setname"),
            *("+xread", "+del", f"~{redis_keys.reply(producer.replyto)}"),
        ),
    }
    if producer.may_read_events:
        events = (*_begin(producer), "+ping", "+hello", "+client|setname", "+xread", f"~{redis_keys.EVENTS}")
        users[f"{producer.name}-events"] = events
    return users


def _begin(producer: Producer) -> Rules:
    return ("reset", "on", *(f"#{digest}" for digest in producer.redis_sha256), "-@all")


def line(name: str, words: Rules) -> str:
    """A line of an ACL file."""
    return " ".join(("user", name, *words))


def keep(redis: Redis, producers: Iterable[Producer]) -> list[str]:
    """Let a server have exactly these users beside the engine's own; the lines of its ACL file. Raises RedisError."""
    wanted = {one.name: rules(one) for one in producers if one.redis_sha256}
    there: Any = redis.acl_users()
    names = {name.decode() if isinstance(name, bytes) else name for name in there}
    for name in names - wanted.keys() - {ENGINES_USER}:
        redis.acl_deluser(name)
    for name, words in wanted.items():
        _set(redis, name, words)
    return [line(name, words) for name, words in wanted.items()]


def _set(client: Any, name: str, words: Rules) -> None:
    """In Redis's own words: the library's knows no selectors."""
    client.execute_command("ACL SETUSER", name, *words)
