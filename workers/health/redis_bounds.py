"""What keeps Redis within its bounds: an alarm before it is full, and the removal of what is nobody's.

Whoever reaches Redis may write what no rate counts: bodies that no list names, huge values, thousands of heartbeats,
dead letters without end. A look goes through a part of them, so that it costs milliseconds, and the next one goes on.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import ResponseError

from engine.alarms import ALARMS, alarm
from models.clock import engine_now, machine_now
from models.database import writing
from models.event import tell
from workers.base import up_file
from workers.base.logs import log
from workers.context import Context
from workers.outbox import relay
from workers.queue import redis_keys
from workers.queue.queue_names import QUEUES
from workers.queue.upkeep_scripts import REMOVE_STRAY, TEND_HEARTBEATS, TRIM_DEAD
from workers.safety import strange_keys

GRACE = timedelta(minutes=10)
"""How long a body may be without a list: a producer that enqueues in two steps is between them for less."""

SAMPLE = 2_000
LOOKED_THROUGH = 4_000_000
"""Entries of lists that one look compares with: the longer a list, the fewer bodies are looked for in it."""

REMEMBERED = 20_000
LARGE = 1 << 20
"""Bytes of a value that is nobody's, from which it is removed from our own server."""

KEYS = 500
DEAD_LETTERS, DEAD_BYTES = 1_000, 16 << 20
"""Of one queue in Redis: the database has them as well."""

CROWDED, FULL, RELIEF = 0.7, 0.9, 0.05
"""Shares of the memory at which an alarm is raised, and how far it has to fall before it is raised again."""

FUTURE_MS = 60_000
MOST_HEARTBEATS = 1_000


@dataclass(slots=True)
class RedisBounds:
    """What one clock process has seen: what it looked at and may remove later, and the alarm that it raised last."""

    context: Context
    strays: dict[tuple[bytes, bytes], datetime] = field(default_factory=dict)
    large: dict[bytes, datetime] = field(default_factory=dict)
    cursor: int = 0
    level: float = 0.0

    def look(self, now: datetime | None = None) -> None:
        """One look at everything; `now` is machine time."""
        now = now or machine_now()
        self.watch_memory()
        self.tend_heartbeats()
        for queue in QUEUES:
            self.trim_dead_letters(queue)
            for name in (queue, redis_keys.delayed(queue)):
                self.remove_strays(name, now)
        self.remove_large(now)

    def watch_memory(self) -> None:
        """Raise an alarm when the memory passes 70 % and 90 % of its limit; then our own stream makes room first.

        Its events of more than a day ago are in the database for 90 days, where they can be published again.
        """
        try:
            said = self.context.redis.info("memory")
        except ResponseError:  # a managed Redis may forbid it, and watches itself
            return
        used, most = said.get("used_memory", 0), said.get("maxmemory", 0)
        share = used / most if most else 0.0
        reached = next((level for level in (FULL, CROWDED) if share >= level), 0.0)
        if reached > self.level:
            _raise_alarm(self.context, f"Redis uses {used >> 20} of {most >> 20} MiB, {share:.0%} of its memory")
        if reached > self.level or share < self.level - RELIEF:
            self.level = reached
        if share >= FULL:
            relay.trim(self.context, relay.LAST_DAY)

    def tend_heartbeats(self) -> None:
        """Bound what strangers add to Dramatiq's heartbeats."""
        queues = [name for queue in QUEUES for name in (queue, redis_keys.delayed(queue))]
        words: list[Any] = [FUTURE_MS, MOST_HEARTBEATS, *queues]
        changed: Any = self.context.redis.eval(TEND_HEARTBEATS, 1, redis_keys.HEARTBEATS, *words)
        if changed:
            error = f"{changed} heartbeats were of no worker of ours, or of the future: they were put right"
            log.warning("alarm", code="redis.heartbeats", error=error)

    def trim_dead_letters(self, queue: str) -> None:
        """Keep the newest dead letters of a queue; `tenure dead list` has those that were readable, all of them."""
        keys = (redis_keys.dead_letters(queue), redis_keys.dead_bodies(queue))
        if not self.context.redis.zcard(keys[0]):
            return
        gone: Any = self.context.redis.eval(TRIM_DEAD, 2, *keys, DEAD_LETTERS, DEAD_BYTES)
        if gone:
            log.warning("gave_up", code="message.forgotten", error=f"{gone} old dead letters left {keys[0]}")

    def remove_strays(self, queue: str, now: datetime) -> None:
        """Bodies that no list names and no worker holds, seen so for ten minutes."""
        listed, key = redis_keys.messages(queue), redis_keys.bodies(queue).encode()
        length: Any = self.context.redis.llen(listed)
        bodies: Any = self.context.redis.hlen(key)
        if bodies > length:
            count = max(1, min(SAMPLE, LOOKED_THROUGH // (length + 1)))
            self._note(self.strays, [(key, one) for one in self._unlisted(listed, key, count)], now)
        due = [one for one, since in self.strays.items() if one[0] == key and now - since >= GRACE][:SAMPLE]
        removed = [self._remove_stray(listed, *one) for one in due]
        gone = [bytes_ for bytes_ in removed if bytes_ is not None]
        if gone:
            error = f"{len(gone)} bodies of {sum(gone)} bytes in {key.decode()} that no list names were removed"
            log.warning("gave_up", code="message.stray", error=error)

    def _unlisted(self, listed: str, key: bytes, count: int) -> list[bytes]:
        """Some ids of bodies, picked by chance, that their list does not name."""
        ids: Any = self.context.redis.hrandfield(key, count)
        pipeline = self.context.redis.pipeline(transaction=False)
        for one in ids:
            pipeline.lpos(listed, one)
        return [one for one, found in zip(ids, pipeline.execute(), strict=True) if found is None]

    def _remove_stray(self, listed: str, key: bytes, redis_id: bytes) -> int | None:
        """Its bytes, or None if it was somebody's after all."""
        del self.strays[key, redis_id]
        length: Any = self.context.redis.hstrlen(key, redis_id)
        return int(length) if self.context.redis.eval(REMOVE_STRAY, 2, key, listed, redis_id) else None

    def remove_large(self, now: datetime) -> None:
        """Large values that are nobody's: on our own server all that is not ours, elsewhere what has a name of ours."""
        found: Any = self.context.redis.scan(self.cursor, count=KEYS)
        self.cursor, keys = found
        self._note(self.large, [key for key in keys if self._is_large_and_nobodys(key)], now)
        for key in [key for key, since in self.large.items() if now - since >= GRACE]:
            del self.large[key]
            if self._is_large_and_nobodys(key):
                self.context.redis.unlink(key)
                error = f"{strange_keys.shown(key)} was large and nobody's: it was removed"
                log.warning("alarm", code="redis.strange_key", error=error)

    def _is_large_and_nobodys(self, key: bytes) -> bool:
        ours = strange_keys.type_of_ours(key)
        if ours is None and not self._is_embedded():
            return False
        if ours is not None and strange_keys.text(self.context.redis.type(key)) == ours:
            return False
        return _bytes(self.context, key) >= LARGE

    def _is_embedded(self) -> bool:
        return self.context.settings.redis_url == up_file.saved_url(self.context.settings.data_dir)

    def _note(self, seen: dict[Any, datetime], found: list[Any], now: datetime) -> None:
        for one in found:
            if len(seen) < REMEMBERED:
                seen.setdefault(one, now)


def _bytes(context: Context, key: bytes) -> int:
    try:
        used: Any = context.redis.memory_usage(key, samples=5)
    except ResponseError:  # a managed Redis forbids it
        return 0
    return int(used or 0)


def _raise_alarm(context: Context, what: str) -> None:
    """In the log and to other systems: the event waits in the database while Redis has no room."""
    log.error("alarm", code="redis.memory", error=f"{what}; {ALARMS['redis.memory']}")
    with writing(context.database) as tx:
        tell(tx, "alarm.raised", alarm("redis.memory", what), engine_now(tx), host="*", site_id=None, cause=None)
