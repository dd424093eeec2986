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
from workers.crash import reached
from workers.logs import log
from workers.workplace import Workplace

STREAM = "tenure:events"
BELL = "tenure:bell"
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


class Wanted(Protocol):
    """What a wake-up names: an effect's id, and its kind for the queue."""

    @property
    def id(self) -> str:
        """The effect's id."""

    @property
    def kind(self) -> str:
        """The effect's kind."""


def effects(place: Workplace, wanted: Iterable[Wanted]) -> None:
    """Offer effects to the workers; the sweep offers again what this could not."""
    by_queue: dict[str, list[str]] = {}
    for one in wanted:
        by_queue.setdefault(effect.queue_of(one.kind), []).append(one.id)
    try:
        for queue, ids in by_queue.items():
            reached("announce.sending")
            place.broker.announce(queue, ids)
            reached("announce.sent")
    except RedisError as lost:
        log.warning("failed", error=f"effects were not announced, the sweep will do it: {lost}")


def soon(place: Workplace) -> None:
    """Publish without keeping the caller waiting, where a thread does it; else now."""
    if place.publisher is None:
        events(place)
    else:
        place.publisher.ring()


def events(place: Workplace) -> None:
    """Publish what the stream has not got yet, in order: one publisher at a time, and nobody's event waits for luck."""
    try:
        place.redis.set(MORE, 1)
        while place.redis.exists(MORE) and _take_turn(place):
            pass
    except (RedisError, SQLAlchemyError) as lost:
        log.warning("failed", error=f"events were not published, the sweep will do it: {lost}")


def _take_turn(place: Workplace) -> bool:
    """Publish until nothing is left, if nobody else is doing it; whoever comes meanwhile leaves a mark and goes."""
    token = f"{machine_now().timestamp()}:{id(place)}"
    if not place.redis.set(TURN, token, nx=True, px=TURN_MS):
        return False
    try:
        place.redis.delete(MORE)
        reached("publish.turn_taken")
        if _is_emptied(place):
            _fill_again(place)
        while _publish_batch(place) == BATCH:
            place.redis.pexpire(TURN, TURN_MS)
    finally:
        place.redis.eval(GIVE_BACK, 1, TURN, token)
    return True


def _publish_batch(place: Workplace) -> int:
    """Send one batch and remember that it was sent; a crash in between sends it twice, with the same ids."""
    with reading(place.database) as tx:
        rows = event.unsent(tx, BATCH)
    if not rows:
        return 0
    reached("publish.read")
    if not _send(place, rows):
        _fill_again(place)
        return BATCH
    reached("publish.sent")
    _reply(place, [row for row in rows if row.reply_to])
    reached("publish.replied")
    with writing_lightly(place.database) as tx:
        event.mark_sent(tx, [row.seq for row in rows])
        reached("publish.marking")
    reached("publish.marked")
    return len(rows)


def _send(place: Workplace, rows: list[Any]) -> bool:
    """All of them or none, so that none overtakes another; False when the stream is not there any more."""
    words = [word for row in rows for word in (named(row.site_id) if has_at_sign(row.body) else "", row.body)]
    return bool(place.redis.eval(PUBLISH, 1, STREAM, NAMED_SECONDS, *words))


def named(site_id: str | None) -> str:
    """The key under which the entries of a site, or of nobody, that hold an address are noted."""
    return f"tenure:named:{site_id or '-'}"


def _reply(place: Workplace, rows: list[Any]) -> None:
    """To the streams that were asked for; one that is something else is its producer's mistake, and nobody else's."""
    if not rows:
        return
    pipeline = place.redis.pipeline(transaction=False)
    for row in rows:
        pipeline.xadd(row.reply_to, {"event": row.body}, maxlen=10_000)
        pipeline.expire(row.reply_to, REPLY_SECONDS)
    done = pipeline.execute(raise_on_error=False)
    wrong = {row.reply_to: one for row, one in zip(rows, done[::2], strict=True) if isinstance(one, RedisError)}
    for stream, error in wrong.items():
        log.warning("failed", error=f"an answer could not be put on {stream}, which is no stream, or is full: {error}")


def is_empty(place: Workplace) -> bool:
    """Whether the stream has nothing, or is not there at all."""
    return place.redis.xlen(STREAM) == 0


def _is_emptied(place: Workplace) -> bool:
    """The stream is lost, or was emptied: that is mended once a day, for a reader may empty it on purpose."""
    if not is_empty(place):
        return False
    return not place.redis.exists(STREAM) or bool(place.redis.set(REFILLED, 1, nx=True, ex=86_400))


def _fill_again(place: Workplace) -> None:
    """Publish the last 24 h again, with the same ids. The database first: then a crash in between loses nothing."""
    with writing(place.database) as tx:
        again = event.send_again(tx, engine_now(tx) - LAST_DAY)
        reached("refill.marking")
    reached("refill.marked")
    if again:
        log.warning("alarm", error=f"{STREAM} was empty: the {again} events of the last 24 h are published again")
    pipeline = place.redis.pipeline(transaction=True)
    pipeline.xgroup_create(STREAM, TURN, mkstream=True)
    pipeline.xgroup_destroy(STREAM, TURN)
    pipeline.execute()
    reached("refill.made")


def forget(place: Workplace, kept: timedelta) -> None:
    """Take entries out of the stream that are older, by the server's own clock: nothing may fill Redis for ever."""
    seconds, _ = place.redis.time()
    place.redis.xtrim(STREAM, minid=int((seconds - kept.total_seconds()) * 1000), approximate=True)


def ring(place: Workplace) -> None:
    """Tell the clock that something may be due now."""
    place.redis.lpush(BELL, 1)
    place.redis.expire(BELL, 60)


def wait_for_bell(place: Workplace, seconds: float) -> bool:
    """Wait until somebody rings, at most so long; whether somebody did."""
    if not place.redis.blpop([BELL], timeout=seconds):
        return False
    place.redis.delete(BELL)
    return True
