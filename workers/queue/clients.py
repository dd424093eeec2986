"""The clients of Redis, one for each use, with the reason for each limit. Make them after a fork.

Most of them send a command once. redis-py's own retry sends it again when the reply was lost, and the command may have
been run: an enqueue would enqueue twice, and a script would count twice. Their callers know how to go on instead.
"""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.queue.wire import OnePiece

QUEUE_SECONDS = 10.0
"""How long a reply may take: a disk that syncs slowly is not a lost connection."""

QUOTA_SECONDS = 1.0
"""Commands are counted while a transaction is open and others wait for it; without a reply they all pass."""

CHECK_SECONDS = 5.0
"""An operator or a supervisor waits for a check; a server that is slower than this can't take work."""

STARTUP_SECONDS = 1.0
"""`tenure up` asks again and again, and must still notice a process that dies or a Ctrl-C."""

IDLE_SECONDS = 30
"""A connection that was idle for longer is tested before it is used: firewalls drop such without a word."""


def for_queues(url: str) -> redis.Redis:
    """Queues: fetch, acknowledge, enqueue. A command is sent once."""
    return _sends_once(url, QUEUE_SECONDS)


def for_quotas(url: str) -> redis.Redis:
    """Count commands. A command is sent once, or it would count twice."""
    return _sends_once(url, QUOTA_SECONDS)


def for_events(url: str) -> redis.Redis:
    """Events, replies, locks and everything else. It may send a command twice: readers know an event by its id."""
    return redis.Redis.from_url(
        url, socket_timeout=QUEUE_SECONDS, health_check_interval=IDLE_SECONDS, command_packer=OnePiece()
    )


def for_checks(url: str) -> redis.Redis:
    """A look or two at a server that may be away. A command is sent once: the caller says so, or asks again itself."""
    return _sends_once(url, CHECK_SECONDS)


def for_startup(url: str) -> redis.Redis:
    """Ask whether processes answer yet, while they start. A command is sent once: it is asked again all the time."""
    return _sends_once(url, STARTUP_SECONDS)


def _sends_once(url: str, seconds: float) -> redis.Redis:
    """A client without retries. Protocol 2 gives the same replies on every server since 6.2."""
    return redis.Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        protocol=2,
        command_packer=OnePiece(),
    )
