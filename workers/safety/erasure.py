"""Forgetting a customer, before `deleted` is said: queues and stream, then tables, then the files under both."""

import time
from collections.abc import Collection, Iterator
from typing import Any

from redis.exceptions import ResponseError

from engine.spelling import names, plain
from models import personal_data
from models import site as sites
from models.database import reading, writing
from workers.base.errors import Temporary
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.context import Context
from workers.queue import redis_keys
from workers.queue.message import LONGEST
from workers.queue.upkeep_scripts import REMOVE_STRAY
from workers.safety import strange_keys

REPLIES = redis_keys.reply("*")
MESSAGES = redis_keys.bodies("*")
DEAD = redis_keys.DEAD_BODIES.encode()
STREAM = redis_keys.EVENTS.encode()
BATCH = 1000
REWRITE_SECONDS = 60.0
POLL_SECONDS = 0.01

Entries = list[tuple[bytes, dict[bytes, bytes]]]


def forget_others(context: Context, site_id: str) -> None:
    """Everything but the site's own address, which the last letter needs.

    Redis comes first: its addresses are known from the tables, and a crash in between finds them there again.
    """
    with reading(context.database) as tx:
        known = personal_data.addresses(tx, site_id)
    if known:
        words = frozenset(map(plain, known))
        _forget_messages(context, words)
        fault_point("forget.messages")
        _forget_events(context, site_id, words)
        fault_point("forget.events")
    with writing(context.database) as tx:
        sites.find(tx, site_id)  # its lock: nothing is written about the site meanwhile
        personal_data.forget(tx, site_id, known)
        fault_point("forget.masking")
    fault_point("forget.masked")


def forget_address(context: Context, site_id: str) -> None:
    """The address itself, and whatever the files of the database and of Redis still have of any.

    Raises Temporary when a reader keeps SQLite's log from being emptied, or Redis does not rewrite its file.
    """
    with writing(context.database) as tx:
        personal_data.forget_address(tx, site_id)
    fault_point("forget.address")
    if not personal_data.erase(context.database):
        raise Temporary("the database's log could not be emptied: a long reader, or who carries it over, is in the way")
    fault_point("forget.erased")
    _rewrite(context)
    fault_point("forget.rewritten")


def _forget_messages(context: Context, words: Collection[str]) -> None:
    """Dead letters that name the customer go: the database keeps them, masked. A living message is waited for."""
    for key in strange_keys.of_type(context.redis, MESSAGES, "hash"):
        for redis_id in _ids(context, key):
            body = _body(context, key, redis_id)
            if body is None or not _holds(body, words):
                continue
            if key.endswith(DEAD):
                context.redis.zrem(key.removesuffix(b".msgs"), redis_id)
                context.redis.hdel(key, redis_id)
            elif not context.redis.eval(REMOVE_STRAY, 2, key, key.removesuffix(b".msgs"), redis_id):
                raise Temporary(f"a message of {key.decode()} still holds the customer's address: it comes first")


def _ids(context: Context, key: bytes) -> Iterator[bytes]:
    """The ids of a queue's bodies, without the bodies: one of them may be as large as the memory."""
    try:
        yield from context.redis.hscan_iter(key, count=BATCH, no_values=True)
    except ResponseError as wrong:
        if strange_keys.is_wrong_type(wrong):  # it was a hash a moment ago
            return
        names: Any = context.redis.hkeys(key)
        yield from names  # before Redis 7.4 nobody goes through the names alone


def _body(context: Context, key: bytes, redis_id: bytes) -> bytes | None:
    """A body that somebody could read; one that is longer goes at once, unread, for nobody ever will."""
    length: Any = context.redis.hstrlen(key, redis_id)
    if length <= LONGEST:
        found: Any = context.redis.hget(key, redis_id)
        return found  # type: ignore[no-any-return]
    context.redis.hdel(key, redis_id)
    log.warning("gave_up", code="message.dead", error=f"a body of {length} bytes in {key.decode()} was removed unread")
    return None


def _forget_events(context: Context, site_id: str, words: Collection[str]) -> None:
    """Entries that name the customer, in the stream and in replies: a few, for the door masks addresses."""
    for key in (redis_keys.named(site_id), redis_keys.named(None)):
        _forget_noted(context, key, words)
    for stream in strange_keys.of_type(context.redis, REPLIES, "stream"):
        _forget_in(context, stream, words)


def _forget_noted(context: Context, key: str, words: Collection[str]) -> None:
    """The entries that were noted under a key; where something else stands there, all of them are read."""
    try:
        noted: Any = context.redis.smembers(key)
    except ResponseError as wrong:
        if not strange_keys.is_wrong_type(wrong):
            raise
        strange_keys.tell(strange_keys.Strange(key, "key of another type", "set"))
        _forget_in(context, STREAM, words)
        context.redis.delete(key)
        return
    for entry in noted:
        if _remove_named(context, STREAM, _entries(context, STREAM, entry, entry), words):
            context.redis.srem(key, entry)


def _forget_in(context: Context, stream: bytes, words: Collection[str]) -> None:
    """Read a whole stream. One that is none any more has nothing to forget."""
    start = b"-"
    try:
        while entries := _entries(context, stream, start):
            _remove_named(context, stream, entries, words)
            start = b"(%b" % entries[-1][0]
    except ResponseError as wrong:
        if not strange_keys.is_wrong_type(wrong):
            raise


def _remove_named(context: Context, stream: bytes, entries: Entries, words: Collection[str]) -> int:
    """Take those of the entries out that name the customer; how many."""
    named = [entry for entry, fields in entries if _holds(b"".join(fields.values()), words)]
    return context.redis.xdel(stream, *named) if named else 0


def _entries(context: Context, stream: bytes, start: bytes, end: bytes = b"+") -> Entries:
    found: Any = context.redis.xrange(stream, start, end, count=BATCH)
    return list(found)


def _holds(body: bytes, words: Collection[str]) -> bool:
    """Whether a message names an address in whatever spelling."""
    return names(body.decode(errors="backslashreplace"), words)


def _rewrite(context: Context) -> None:
    """Let Redis write its append-only file anew: the old one has every message that ever was in a queue."""
    if not context.redis.info("persistence").get("aof_enabled"):
        return
    asked, deadline = False, time.monotonic() + REWRITE_SECONDS
    while time.monotonic() < deadline:
        said = context.redis.info("persistence")
        if not (said["aof_rewrite_in_progress"] or said.get("aof_rewrite_scheduled")):
            if asked and said["aof_last_bgrewrite_status"] == "ok":
                return
            asked = _ask_to_rewrite(context)
            if not asked:
                return
        time.sleep(POLL_SECONDS)
    raise Temporary(f"Redis did not rewrite its append-only file within {REWRITE_SECONDS:.0f} s")


def _ask_to_rewrite(context: Context) -> bool:
    """False where an operator has forbidden it: then the file's life is that operator's to limit."""
    try:
        context.redis.bgrewriteaof()
    except ResponseError as wrong:
        if "in progress" in str(wrong):
            return True
        log.warning("alarm", code="redis.keeps", error=f"the append-only file was not rewritten: {wrong}")
        return False
    return True
