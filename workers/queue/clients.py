"""The clients of Redis, one for each use, with the reason for each limit. Make them after a fork.

All of them send a command once. A retry of redis-py's sends it again when the reply was lost, although it may have been
run: an enqueue would enqueue twice, and a count would count twice. Their callers know how to go on instead.
"""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.queue.wire import OnePiece

QUEUE_SECONDS = 10.0
"""How long a reply may take. A disk that syncs slowly is not a lost connection."""

QUOTA_SECONDS = 1.0
"""Commands are counted while a transaction is open and others wait for it; without a reply they all pass."""

CHECK_SECONDS = 5.0
"""An operator or a supervisor waits for a check; a server that is slower than this can't take work."""

STARTUP_SECONDS = 1.0
"""`tenure up` asks again and again, and must still notice a process that dies or a Ctrl-C."""

IDLE_SECONDS = 30
"""A connection that was idle for longer is tested before it is used: firewalls drop such without a word."""


def for_queues(url: str) -> redis.Redis:
    """Queues: fetch, acknowledge, enqueue."""
    return _sends_once(url, QUEUE_SECONDS, protocol=2)


def for_quotas(url: str) -> redis.Redis:
    """Count commands."""
    return _sends_once(url, QUOTA_SECONDS, protocol=2)


def for_events(url: str) -> redis.Redis:
    """Events, replies, locks and everything else that one process keeps a client for."""
    return _sends_once(url, QUEUE_SECONDS, health_check_interval=IDLE_SECONDS)


def for_checks(url: str) -> redis.Redis:
    """A look or two at a server that may be away: the caller reports that, or asks again itself."""
    return _sends_once(url, CHECK_SECONDS, protocol=2)


def for_startup(url: str) -> redis.Redis:
    """Ask again and again whether processes answer yet, while they start."""
    return _sends_once(url, STARTUP_SECONDS, protocol=2)


def _sends_once(url: str, seconds: float, **more: Any) -> redis.Redis:
    """A client without retries. `seconds` bounds a connection and a reply.

    Protocol 2 needs no HELLO, which proxies and old servers refuse.
    """
    return redis.Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        command_packer=OnePiece(),
        **more,
    )
