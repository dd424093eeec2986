"""Proof of life in Redis: which processes answered within the last 15 s, on every machine."""

import os

import redis
from redis.exceptions import OutOfMemoryError

from workers.base.up_file import RUN_VARIABLE
from workers.queue import redis_keys
from workers.queue.scripts import SET_EVEN_IF_FULL

EXPIRY_SECONDS = 15


def beat(client: redis.Redis, role: str) -> None:
    """Say that this process of `role` answers, for the next 15 s. Call it every 5 s, once the process can do its work.

    The key carries the id of the `tenure up` run, so that what an earlier run left behind does not count.
    """
    name = redis_keys.alive(role, os.environ.get(RUN_VARIABLE, "-"), os.getpid())
    try:
        client.set(name, "1", ex=EXPIRY_SECONDS)
    except OutOfMemoryError:
        client.eval(SET_EVEN_IF_FULL, 1, name, EXPIRY_SECONDS)


def count(client: redis.Redis, role: str, run: str = "*") -> int:
    """Count the processes of a role that answered within the last 15 s: of one run, or of all."""
    return len(_ages(client, role, run))


def ages(client: redis.Redis, role: str) -> list[float]:
    """Say how many seconds ago each process of a role answered last, of those that did within the last 15 s."""
    return _ages(client, role, "*")


def _ages(client: redis.Redis, role: str, run: str) -> list[float]:
    """Ignore keys that never expire, or expire later than ours could: no process of ours wrote them."""
    pipeline = client.pipeline(transaction=False)
    for key in client.scan_iter(match=redis_keys.alive(role, run, "*"), count=1000):
        pipeline.pttl(key)
    left = [int(str(milliseconds)) / 1000 for milliseconds in pipeline.execute()]
    return sorted(EXPIRY_SECONDS - seconds for seconds in left if 0 < seconds <= EXPIRY_SECONDS)
