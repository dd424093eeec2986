"""Keys of another type than ours: whoever reaches Redis may have put them there. They are named, and work goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from workers.base.logs import log
from workers.outbox.announce import MORE, REFILLED, STREAM, TURN, WAKE_UP_KEY
from workers.queue.broker import QUEUES

if TYPE_CHECKING:
    import redis

    from workers.context import Context

HEARTBEATS = "dramatiq:__heartbeats__"
QUEUE = {"": "list", ".msgs": "hash", ".DQ": "list", ".DQ.msgs": "hash", ".XQ": "zset", ".XQ.msgs": "hash"}
"""The keys of a queue by their ends."""

FIXED = {
    **{f"dramatiq:{queue}{end}": kind for queue in QUEUES for end, kind in QUEUE.items()},
    HEARTBEATS: "zset",
    STREAM: "stream",
    WAKE_UP_KEY: "list",
    MORE: "string",
    REFILLED: "string",
    TURN: "string",
}
ENDING = (TURN, REFILLED)
"""Keys that always have an end: one without would keep everybody from publishing for ever."""

MANY = {
    "tenure:reply:*": "stream",
    "tenure:named:*": "set",
    "tenure:alive:*": "string",
    "tenure:rate:*": "string",
    "dramatiq:__acks__.*": "set",
}
ASIDE = "tenure:aside:"
ASIDE_SECONDS = 86_400
LOOKED_AT = 50_000
"""Keys that one look by `tenure doctor` goes through."""

PUT_ASIDE = """
local found = {}
for at, key in ipairs(KEYS) do
  local kind = redis.call("type", key).ok
  if kind ~= "none" and kind ~= ARGV[at + 2] then
    redis.call("rename", key, ARGV[1] .. key)
    redis.call("expire", ARGV[1] .. key, ARGV[2])
    table.insert(found, key)
    table.insert(found, kind)
  end
end
return found
"""


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


def put_aside(context: "Context") -> list[Strange]:
    """Make room for our own keys: what stands in the place of one goes aside for a day, and an alarm names it."""
    keys = [*FIXED]
    try:
        found: Any = context.redis.eval(PUT_ASIDE, len(keys), *keys, ASIDE, ASIDE_SECONDS, *FIXED.values())
    except ResponseError as wrong:  # whoever runs this Redis forbids it; the rest of the sweep goes on
        log.error("alarm", code="redis.strange_key", error=f"the types of our keys could not be looked at: {wrong}")
        return []
    pairs = zip(map(text, found[::2]), map(text, found[1::2]), strict=True)
    strange = [Strange(key, kind, FIXED[key]) for key, kind in pairs]
    for one in strange:
        error = f"{one.what}: it was put aside as {ASIDE}{one.key} for a day; find who wrote it, and guard Redis"
        log.error("alarm", code="redis.strange_key", error=error)
    for name in ENDING:
        if context.redis.ttl(name) == -1:
            context.redis.delete(name)
            log.error(
                "alarm", code="redis.strange_key", error=f"{name} had no end, so another wrote it: it was removed"
            )
    return strange


def type_of_ours(key: bytes) -> str | None:
    """The type of a key that has a name of ours; None for another's."""
    name = shown(key)
    if name.startswith(ASIDE):
        return None
    return FIXED.get(name) or next((ours for match, ours in MANY.items() if name.startswith(match[:-1])), None)


def of_type(client: "redis.Redis", match: str, ours: str) -> Iterator[bytes]:
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


def is_wrong_type(wrong: ResponseError) -> bool:
    """Whether a call failed because a key has another type."""
    return str(wrong).startswith("WRONGTYPE")


def found_in(client: "redis.Redis") -> list[Strange]:
    """All that are there now, as far as one look goes: in our places, put aside, and where others may write."""
    strange = [Strange(name, text(client.type(name)), ours) for name, ours in FIXED.items()]
    for match, ours in MANY.items():
        strange += [Strange(shown(key), kind, ours) for key, kind in _typed(client, match)]
    aside = [Strange(shown(key), kind, "key of ours") for key, kind in _typed(client, f"{ASIDE}*")]
    return [one for one in strange if one.kind not in {one.ours, "none"}] + aside


def shown(key: bytes) -> str:
    """A key as text."""
    return key.decode(errors="backslashreplace")


def _typed(client: "redis.Redis", match: str) -> Iterator[tuple[bytes, str]]:
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
