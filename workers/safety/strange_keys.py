"""Keys of another type than ours: anybody who reaches Redis may have written them. They are named, and work goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import ResponseError

from workers.base.logs import log
from workers.context import Context
from workers.queue.redis_keys import ASIDE, ASIDE_SECONDS, FIXED, PATTERNS, find
from workers.queue.upkeep_scripts import PUT_ASIDE

LOOKED_AT = 50_000
"""Keys that one look by `tenure doctor` goes through."""


@dataclass(frozen=True, slots=True)
class Strange:
    """A key, the type that it has, and the one that is ours."""

    key: str
    kind: str
    ours: str

    @property
    def what(self) -> str:
        """In words."""
        return f"{self.key[:200]!r} is a {self.kind} and not a {self.ours}"


def put_aside(context: Context) -> list[Strange]:
    """Make room for our own keys: rename what has another type, for a day, and raise an alarm that names it."""
    types = [key.type for key in FIXED.values()]
    try:
        moved: Any = context.redis.eval(PUT_ASIDE, len(FIXED), *FIXED, ASIDE, ASIDE_SECONDS, *types)
    except ResponseError as refusal:  # whoever runs this Redis forbids it; the rest of the sweep goes on
        log.error("alarm", code="redis.strange_key", error=f"the types of our keys could not be looked at: {refusal}")
        return []
    pairs = zip(map(text, moved[::2]), map(text, moved[1::2]), strict=True)
    strange = [Strange(key, kind, FIXED[key].type) for key, kind in pairs]
    for one in strange:
        error = f"{one.what}: it was put aside as {ASIDE}{one.key} for a day; find who wrote it, and guard Redis"
        log.error("alarm", code="redis.strange_key", error=error)
    _remove_endless(context)
    return strange


def _remove_endless(context: Context) -> None:
    """Remove keys without an expiry that ours always have: they would keep everybody from publishing for ever."""
    for name in (key.name for key in FIXED.values() if key.always_expires):
        if context.redis.ttl(name) == -1:
            context.redis.delete(name)
            error = f"{name} had no end, so another wrote it: it was removed"
            log.error("alarm", code="redis.strange_key", error=error)


def type_of_ours(key: bytes) -> str | None:
    """The type of a key that has a name of ours; None for another's."""
    ours = find(shown(key))
    return None if ours is None else ours.type


def of_type(client: redis.Redis, match: str, ours: str) -> Iterator[bytes]:
    """The keys of a pattern that have our type; the others are left alone, and an alarm names each."""
    for key, kind in _typed(client, match):
        if kind == ours:
            yield key
        elif kind != "none":
            tell(Strange(shown(key), kind, ours))


def tell(strange: Strange) -> None:
    """Name a key that was passed over."""
    error = f"{strange.what}: it was passed over; find who wrote it, then DEL it"
    log.warning("alarm", code="redis.strange_key", error=error)


def is_wrong_type(error: ResponseError) -> bool:
    """Whether a call failed because a key has another type."""
    return str(error).startswith("WRONGTYPE")


def found_in(client: redis.Redis) -> list[Strange]:
    """All that are there now, as far as one look goes: in our places, put aside, and where others may write."""
    strange = [Strange(name, text(client.type(name)), ours.type) for name, ours in FIXED.items()]
    for match, ours in PATTERNS.items():
        strange += [Strange(shown(key), kind, ours.type) for key, kind in _typed(client, match)]
    aside = [Strange(shown(key), kind, "key of ours") for key, kind in _typed(client, f"{ASIDE}*")]
    return [one for one in strange if one.kind not in {one.ours, "none"}] + aside


def shown(key: bytes) -> str:
    """A key as text."""
    return key.decode(errors="backslashreplace")


def _typed(client: redis.Redis, match: str) -> Iterator[tuple[bytes, str]]:
    """The keys of a pattern, each with its type, many in one call."""
    cursor, seen = 0, 0
    while seen < LOOKED_AT:
        cursor, keys = client.scan(cursor, match=match, count=1000)
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.type(key)
        yield from zip(keys, map(text, pipeline.execute()), strict=True)
        seen += len(keys)
        if not cursor:
            return


def text(kind: Any) -> str:
    """A type as Redis says it."""
    return kind.decode() if isinstance(kind, bytes) else str(kind)
