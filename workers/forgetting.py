"""Forgetting a customer, before `deleted` is said: queues and stream, then tables, then the files under both."""

import time
from collections.abc import Collection, Iterator
from typing import Any

from redis.exceptions import ResponseError

from engine.spelling import names, plain
from models import person
from models import site as sites
from models.database import reading, writing
from workers import announce, strange_keys
from workers.announce import STREAM
from workers.crash import reached
from workers.errors import Temporary
from workers.logs import log
from workers.message import LONGEST
from workers.workplace import Workplace

REPLIES = "tenure:reply:*"
MESSAGES = "dramatiq:*.msgs"
DEAD = b".XQ.msgs"
BATCH = 1000
REWRITE_SECONDS = 60.0
POLL_SECONDS = 0.01

Entries = list[tuple[bytes, dict[bytes, bytes]]]

REMOVE_STRAY = """
if redis.pcall("lpos", KEYS[2], ARGV[1]) then return 0 end
local prefix, queue = string.match(KEYS[2], "^([^:]+):(.*)$")
for _, worker in ipairs(redis.pcall("zrange", prefix .. ":__heartbeats__", 0, -1)) do
  if redis.pcall("sismember", prefix .. ":__acks__." .. worker .. "." .. queue, ARGV[1]) == 1 then return 0 end
end
return redis.call("hdel", KEYS[1], ARGV[1])
"""
"""A body that no list names and no worker holds is nobody's: its producer died half-way, and it will never be read."""


def forget_others(place: Workplace, site_id: str) -> None:
    """Everything but the site's own address, which the last letter needs.

    Redis comes first: its addresses are known from the tables, and a crash in between finds them there again.
    """
    with reading(place.database) as tx:
        known = person.addresses(tx, site_id)
    if known:
        words = frozenset(map(plain, known))
        _forget_messages(place, words)
        reached("forget.messages")
        _forget_events(place, site_id, words)
        reached("forget.events")
    with writing(place.database) as tx:
        sites.find(tx, site_id)  # its lock: nothing is written about the site meanwhile
        person.forget(tx, site_id, known)
        reached("forget.masking")
    reached("forget.masked")


def forget_address(place: Workplace, site_id: str) -> None:
    """The address itself, and whatever the files of the database and of Redis still have of any.

    Raises Temporary when a reader keeps SQLite's log from being emptied, or Redis does not rewrite its file.
    """
    with writing(place.database) as tx:
        person.forget_address(tx, site_id)
    reached("forget.address")
    if not person.erase(place.database):
        raise Temporary("the database's log could not be emptied: a long reader, or who carries it over, is in the way")
    reached("forget.erased")
    _rewrite(place)
    reached("forget.rewritten")


def _forget_messages(place: Workplace, words: Collection[str]) -> None:
    """Dead letters that name the customer go: the database keeps them, masked. A living message is waited for."""
    for key in strange_keys.of_type(place.redis, MESSAGES, "hash"):
        for redis_id in _ids(place, key):
            body = _body(place, key, redis_id)
            if body is None or not _holds(body, words):
                continue
            if key.endswith(DEAD):
                place.redis.zrem(key.removesuffix(b".msgs"), redis_id)
                place.redis.hdel(key, redis_id)
            elif not place.redis.eval(REMOVE_STRAY, 2, key, key.removesuffix(b".msgs"), redis_id):
                raise Temporary(f"a message of {key.decode()} still holds the customer's address: it comes first")


def _ids(place: Workplace, key: bytes) -> Iterator[bytes]:
    """The ids of a queue's bodies, without the bodies: one of them may be as large as the memory."""
    try:
        yield from place.redis.hscan_iter(key, count=BATCH, no_values=True)
    except ResponseError as wrong:
        if strange_keys.is_wrong_type(wrong):  # it was a hash a moment ago
            return
        names: Any = place.redis.hkeys(key)
        yield from names  # before Redis 7.4 nobody goes through the names alone


def _body(place: Workplace, key: bytes, redis_id: bytes) -> bytes | None:
    """A body that somebody could read; one that is longer goes at once, unread, for nobody ever will."""
    length: Any = place.redis.hstrlen(key, redis_id)
    if length <= LONGEST:
        found: Any = place.redis.hget(key, redis_id)
        return found  # type: ignore[no-any-return]
    place.redis.hdel(key, redis_id)
    log.warning("gave_up", code="message.dead", error=f"a body of {length} bytes in {key.decode()} was removed unread")
    return None


def _forget_events(place: Workplace, site_id: str, words: Collection[str]) -> None:
    """Entries that name the customer, in the stream and in replies: a few, for the door masks addresses."""
    for key in (announce.named(site_id), announce.named(None)):
        _forget_noted(place, key, words)
    for stream in strange_keys.of_type(place.redis, REPLIES, "stream"):
        _forget_in(place, stream, words)


def _forget_noted(place: Workplace, key: str, words: Collection[str]) -> None:
    """The entries that were noted under a key; where something else stands there, all of them are read."""
    try:
        noted: Any = place.redis.smembers(key)
    except ResponseError as wrong:
        if not strange_keys.is_wrong_type(wrong):
            raise
        strange_keys.tell(strange_keys.Strange(key, "key of another type", "set"))
        _forget_in(place, STREAM.encode(), words)
        place.redis.delete(key)
        return
    for entry in noted:
        if _remove_named(place, STREAM.encode(), _entries(place, STREAM.encode(), entry, entry), words):
            place.redis.srem(key, entry)


def _forget_in(place: Workplace, stream: bytes, words: Collection[str]) -> None:
    """Read a whole stream. One that is none any more has nothing to forget."""
    start = b"-"
    try:
        while entries := _entries(place, stream, start):
            _remove_named(place, stream, entries, words)
            start = b"(%b" % entries[-1][0]
    except ResponseError as wrong:
        if not strange_keys.is_wrong_type(wrong):
            raise


def _remove_named(place: Workplace, stream: bytes, entries: Entries, words: Collection[str]) -> int:
    """Take those of the entries out that name the customer; how many."""
    named = [entry for entry, fields in entries if _holds(b"".join(fields.values()), words)]
    return place.redis.xdel(stream, *named) if named else 0


def _entries(place: Workplace, stream: bytes, start: bytes, end: bytes = b"+") -> Entries:
    found: Any = place.redis.xrange(stream, start, end, count=BATCH)
    return list(found)


def _holds(body: bytes, words: Collection[str]) -> bool:
    """Whether a message names an address in whatever spelling."""
    return names(body.decode(errors="backslashreplace"), words)


def _rewrite(place: Workplace) -> None:
    """Let Redis write its append-only file anew: the old one has every message that ever was in a queue."""
    if not place.redis.info("persistence").get("aof_enabled"):
        return
    asked, deadline = False, time.monotonic() + REWRITE_SECONDS
    while time.monotonic() < deadline:
        said = place.redis.info("persistence")
        if not (said["aof_rewrite_in_progress"] or said.get("aof_rewrite_scheduled")):
            if asked and said["aof_last_bgrewrite_status"] == "ok":
                return
            asked = _ask_to_rewrite(place)
            if not asked:
                return
        time.sleep(POLL_SECONDS)
    raise Temporary(f"Redis did not rewrite its append-only file within {REWRITE_SECONDS:.0f} s")


def _ask_to_rewrite(place: Workplace) -> bool:
    """False where an operator has forbidden it: then the file's life is that operator's to limit."""
    try:
        place.redis.bgrewriteaof()
    except ResponseError as wrong:
        if "in progress" in str(wrong):
            return True
        log.warning("alarm", code="redis.keeps", error=f"the append-only file was not rewritten: {wrong}")
        return False
    return True
