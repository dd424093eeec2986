"""Publish events: read those that were not sent, append them to the stream in their order, and mark them as sent.

One process publishes at a time, under a lock that expires. A process that dies between sending and marking leads to
the same events again, with the same ids.
"""

from datetime import timedelta
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from engine.spelling import has_at_sign
from models import event
from models.clock import engine_now, machine_now
from models.database import reading, writing, writing_lightly
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.context import Context
from workers.queue.redis_keys import (
    EVENTS,
    NAMED_SECONDS,
    REFILLED,
    REFILLED_SECONDS,
    RELAY_LOCK,
    RELAY_WANTED,
    REPLY_SECONDS,
    named,
)
from workers.queue.scripts import PUBLISH, RELEASE_LOCK

BATCH = 2000
LOCK_MS = 10_000
"""A relay that died makes room for the next after so long."""

REPLIES_KEPT = 10_000
LAST_DAY = timedelta(hours=24)


def publish_soon(context: Context) -> None:
    """Let this process's relay thread publish; without one, publish now."""
    if context.publisher is None:
        publish(context)
    else:
        context.publisher.notify()


def publish(context: Context) -> None:
    """Publish what the stream has not got yet, in order.

    While another process holds the lock, leave a mark for it and return: it looks for the mark before it stops.
    """
    try:
        context.redis.set(RELAY_WANTED, 1)
        while context.redis.exists(RELAY_WANTED) and _publish_locked(context):
            pass
    except (RedisError, SQLAlchemyError) as error:
        log.warning("failed", error=f"events were not published, the sweep will do it: {error}")


def _publish_locked(context: Context) -> bool:
    """Publish until nothing is left; False when another process holds the lock."""
    token = f"{machine_now().timestamp()}:{id(context)}"
    if not context.redis.set(RELAY_LOCK, token, nx=True, px=LOCK_MS):
        return False
    try:
        context.redis.delete(RELAY_WANTED)
        fault_point("publish.turn_taken")
        if _must_refill(context):
            _refill(context)
        while _publish_batch(context) == BATCH:
            context.redis.pexpire(RELAY_LOCK, LOCK_MS)
    finally:
        context.redis.eval(RELEASE_LOCK, 1, RELAY_LOCK, token)
    return True


def _publish_batch(context: Context) -> int:
    """Send one batch and mark it as sent; how many events it had."""
    with reading(context.database) as tx:
        rows = event.unsent(tx, BATCH)
    if not rows:
        return 0
    fault_point("publish.read")
    if not _append(context, rows):
        _refill(context)
        return BATCH
    fault_point("publish.sent")
    _reply(context, [row for row in rows if row.reply_to])
    fault_point("publish.replied")
    with writing_lightly(context.database) as tx:
        event.mark_sent(tx, [row.seq for row in rows])
        fault_point("publish.marking")
    fault_point("publish.marked")
    return len(rows)


def _append(context: Context, rows: list[Any]) -> bool:
    """Append all of them or none, so that none overtakes another; False when the stream is gone."""
    words = [word for row in rows for word in (named(row.site_id) if has_at_sign(row.body) else "", row.body)]
    return bool(context.redis.eval(PUBLISH, 1, EVENTS, NAMED_SECONDS, *words))


def _reply(context: Context, rows: list[Any]) -> None:
    """Append answers to the reply streams; one that is no stream concerns only the producer who named it."""
    if not rows:
        return
    pipeline = context.redis.pipeline(transaction=False)
    for row in rows:
        pipeline.xadd(row.reply_to, {"event": row.body}, maxlen=REPLIES_KEPT)
        pipeline.expire(row.reply_to, REPLY_SECONDS)
    results = pipeline.execute(raise_on_error=False)
    replies = zip(rows, results[::2], strict=True)
    failed = {row.reply_to: result for row, result in replies if isinstance(result, RedisError)}
    for stream, error in failed.items():
        log.warning("failed", error=f"an answer could not be put on {stream}, which is no stream, or is full: {error}")


def is_empty(context: Context) -> bool:
    """Whether the stream has no entry, or does not exist."""
    return context.redis.xlen(EVENTS) == 0


def _must_refill(context: Context) -> bool:
    """Whether the stream is gone, or was emptied: that is mended once a day, for a reader may empty it on purpose."""
    if not is_empty(context):
        return False
    return not context.redis.exists(EVENTS) or bool(context.redis.set(REFILLED, 1, nx=True, ex=REFILLED_SECONDS))


def _refill(context: Context) -> None:
    """Publish the last 24 h again, with the same ids. The database comes first: then a crash in between loses nothing.

    Creating a consumer group and removing it is how Redis creates an empty stream.
    """
    with writing(context.database) as tx:
        count = event.send_again(tx, engine_now(tx) - LAST_DAY)
        fault_point("refill.marking")
    fault_point("refill.marked")
    if count:
        log.warning("alarm", error=f"{EVENTS} was empty: the {count} events of the last 24 h are published again")
    pipeline = context.redis.pipeline(transaction=True)
    pipeline.xgroup_create(EVENTS, RELAY_LOCK, mkstream=True)
    pipeline.xgroup_destroy(EVENTS, RELAY_LOCK)
    pipeline.execute()
    fault_point("refill.made")


def trim(context: Context, kept: timedelta) -> None:
    """Remove entries of the stream that are older than `kept`, by Redis's own clock: the entries' ids are its time."""
    seconds, _ = context.redis.time()
    context.redis.xtrim(EVENTS, minid=int((seconds - kept.total_seconds()) * 1000), approximate=True)
