"""After the commit: wake whoever has work now. A wake-up that is lost costs time and nothing else."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Protocol

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from engine.spelling import has_at_sign
from models import effect, event
from models.clock import engine_now, machine_now
from models.database import reading, writing, writing_lightly
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.context import Context

STREAM = "tenure:events"
WAKE_UP_KEY = "tenure:bell"
BATCH = 2000
REPLY_SECONDS = 3600
TURN = "tenure:publisher"
TURN_MS = 10_000
MORE = "tenure:publisher:more"
REFILLED = "tenure:publisher:refilled"
LAST_DAY = timedelta(hours=24)

GIVE_BACK = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""


PUBLISH = """
if redis.call('exists', KEYS[1]) == 0 then return 0 end
for at = 2, #ARGV, 2 do
  local id = redis.call('xadd', KEYS[1], '*', 'event', ARGV[at + 1])
  if ARGV[at] ~= '' then
    if type(redis.pcall('sadd', ARGV[at], id)) == 'number' then redis.call('expire', ARGV[at], ARGV[1]) end
  end
end
return 1
"""
"""A batch of events in one call; 0 when the stream is not there any more, and then none of them is in it.

Which entries hold an address is noted beside the stream: who forgets a customer need not read millions. Where a key of
another type stands nothing is noted, and whoever forgets finds that and reads them all.
"""

NAMED_SECONDS = 91 * 86_400
"""Longer than an entry lives."""


class WakeUp(Protocol):
    """What a wake-up names: an effect's id, and its kind for the queue."""

    @property
    def id(self) -> str:
        """The effect's id."""

    @property
    def kind(self) -> str:
        """The effect's kind."""


def effects(context: Context, wanted: Iterable[WakeUp]) -> None:
    """Offer effects to the workers; the sweep offers again what this could not."""
    by_queue: dict[str, list[str]] = {}
    for one in wanted:
        by_queue.setdefault(effect.queue_of(one.kind), []).append(one.id)
    try:
        for queue, ids in by_queue.items():
            fault_point("announce.sending")
            context.broker.announce(queue, ids)
            fault_point("announce.sent")
    except RedisError as lost:
        log.warning("failed", error=f"effects were not announced, the sweep will do it: {lost}")


def soon(context: Context) -> None:
    """Publish without keeping the caller waiting, where a thread does it; else now."""
    if context.publisher is None:
        events(context)
    else:
        context.publisher.ring()


def events(context: Context) -> None:
    """Publish what the stream has not got yet, in order: one publisher at a time, and nobody's event waits for luck."""
    try:
        context.redis.set(MORE, 1)
        while context.redis.exists(MORE) and _take_turn(context):
            pass
    except (RedisError, SQLAlchemyError) as lost:
        log.warning("failed", error=f"events were not published, the sweep will do it: {lost}")


def _take_turn(context: Context) -> bool:
    """Publish until nothing is left, if nobody else is doing it; whoever comes meanwhile leaves a mark and goes."""
    token = f"{machine_now().timestamp()}:{id(context)}"
    if not context.redis.set(TURN, token, nx=True, px=TURN_MS):
        return False
    try:
        context.redis.delete(MORE)
        fault_point("publish.turn_taken")
        if _is_emptied(context):
            _fill_again(context)
        while _publish_batch(context) == BATCH:
            context.redis.pexpire(TURN, TURN_MS)
    finally:
        context.redis.eval(GIVE_BACK, 1, TURN, token)
    return True


def _publish_batch(context: Context) -> int:
    """Send one batch and remember that it was sent; a crash in between sends it twice, with the same ids."""
    with reading(context.database) as tx:
        rows = event.unsent(tx, BATCH)
    if not rows:
        return 0
    fault_point("publish.read")
    if not _send(context, rows):
        _fill_again(context)
        return BATCH
    fault_point("publish.sent")
    _reply(context, [row for row in rows if row.reply_to])
    fault_point("publish.replied")
    with writing_lightly(context.database) as tx:
        event.mark_sent(tx, [row.seq for row in rows])
        fault_point("publish.marking")
    fault_point("publish.marked")
    return len(rows)


def _send(context: Context, rows: list[Any]) -> bool:
    """All of them or none, so that none overtakes another; False when the stream is not there any more."""
    words = [word for row in rows for word in (named(row.site_id) if has_at_sign(row.body) else "", row.body)]
    return bool(context.redis.eval(PUBLISH, 1, STREAM, NAMED_SECONDS, *words))


def named(site_id: str | None) -> str:
    """The key under which the entries of a site, or of nobody, that hold an address are noted."""
    return f"tenure:named:{site_id or '-'}"


def _reply(context: Context, rows: list[Any]) -> None:
    """To the streams that were asked for; one that is something else is its producer's mistake, and nobody else's."""
    if not rows:
        return
    pipeline = context.redis.pipeline(transaction=False)
    for row in rows:
        pipeline.xadd(row.reply_to, {"event": row.body}, maxlen=10_000)
        pipeline.expire(row.reply_to, REPLY_SECONDS)
    done = pipeline.execute(raise_on_error=False)
    wrong = {row.reply_to: one for row, one in zip(rows, done[::2], strict=True) if isinstance(one, RedisError)}
    for stream, error in wrong.items():
        log.warning("failed", error=f"an answer could not be put on {stream}, which is no stream, or is full: {error}")


def is_empty(context: Context) -> bool:
    """Whether the stream has nothing, or is not there at all."""
    return context.redis.xlen(STREAM) == 0


def _is_emptied(context: Context) -> bool:
    """The stream is lost, or was emptied: that is mended once a day, for a reader may empty it on purpose."""
    if not is_empty(context):
        return False
    return not context.redis.exists(STREAM) or bool(context.redis.set(REFILLED, 1, nx=True, ex=86_400))


def _fill_again(context: Context) -> None:
    """Publish the last 24 h again, with the same ids. The database first: then a crash in between loses nothing."""
    with writing(context.database) as tx:
        again = event.send_again(tx, engine_now(tx) - LAST_DAY)
        fault_point("refill.marking")
    fault_point("refill.marked")
    if again:
        log.warning("alarm", error=f"{STREAM} was empty: the {again} events of the last 24 h are published again")
    pipeline = context.redis.pipeline(transaction=True)
    pipeline.xgroup_create(STREAM, TURN, mkstream=True)
    pipeline.xgroup_destroy(STREAM, TURN)
    pipeline.execute()
    fault_point("refill.made")


def forget(context: Context, kept: timedelta) -> None:
    """Take entries out of the stream that are older, by the server's own clock: nothing may fill Redis for ever."""
    seconds, _ = context.redis.time()
    context.redis.xtrim(STREAM, minid=int((seconds - kept.total_seconds()) * 1000), approximate=True)


def ring(context: Context) -> None:
    """Tell the clock that something may be due now."""
    context.redis.lpush(WAKE_UP_KEY, 1)
    context.redis.expire(WAKE_UP_KEY, 60)


def wait_for_bell(context: Context, seconds: float) -> bool:
    """Wait until somebody rings, at most so long; whether somebody did."""
    if not context.redis.blpop([WAKE_UP_KEY], timeout=seconds):
        return False
    context.redis.delete(WAKE_UP_KEY)
    return True
