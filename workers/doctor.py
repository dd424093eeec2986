"""`tenure doctor`: what would lose data or stand still, each with its remedy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pysqlite3.dbapi2 as sqlite
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from models import clock, dead, effect, safety, schema, timer
from models.database import reading
from workers import alive
from workers.errors import Permanent, Temporary
from workers.settings import SettingsError
from workers.workplace import Workplace

SAFE_SQLITE = (3, 51, 3)
SILENCE = timedelta(seconds=30)
LATE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` is None when it is well."""

    what: str
    value: str
    remedy: str | None = None

    @property
    def well(self) -> bool:
        """Whether nothing needs to be done."""
        return self.remedy is None


def examine(place: Workplace) -> list[Finding]:
    """Look at everything; a part that can't be reached is a finding too."""
    looks: tuple[Callable[[Workplace], Iterator[Finding]], ...] = (_sqlite, _database, _redis, _stores, _processes)
    return [finding for look in looks for finding in _safely(look, place)]


def _safely(look: Callable[[Workplace], Iterator[Finding]], place: Workplace) -> Iterator[Finding]:
    try:
        yield from look(place)
    except (SQLAlchemyError, RedisError, SettingsError, OSError, ValueError) as wrong:
        yield Finding(look.__name__.strip("_"), "out of reach", str(wrong).splitlines()[0])


def _sqlite(place: Workplace) -> Iterator[Finding]:
    if not place.settings.database_url.startswith("sqlite"):
        return
    safe = sqlite.sqlite_version_info >= SAFE_SQLITE
    yield Finding("sqlite", sqlite.sqlite_version, None if safe else "install pysqlite3 as constraints.txt has it")


def _database(place: Workplace) -> Iterator[Finding]:
    with reading(place.database) as tx:
        current, head = schema.current(tx), schema.head()
        yield Finding("schema", str(current), None if current == head else f"run `tenure migrate`: {head} is needed")
        if current != head:
            return
        mode = "test" if clock.is_test(tx) else "wall"
        yield Finding("clock", mode)
        known = safety.state(tx)
        why = None if known is None else known.why
        yield Finding("safe mode", why or "off", "look at it, then `tenure safe-mode leave`" if why else None)
        due, now = timer.earliest(tx), clock.engine_now(tx)
        late = due is not None and now - due > LATE
        yield Finding("timers", "on time" if not late else f"overdue since {due}", "start the clock" if late else None)
        stuck = len(effect.all_that_gave_up(tx)) + len(dead.messages(tx))
        yield Finding("dead", f"{stuck} gave up", "`tenure dead list` says why" if stuck else None)


def _redis(place: Workplace) -> Iterator[Finding]:
    info: dict[str, Any] = place.redis.info()
    yield Finding("redis", str(info.get("valkey_version") or info.get("redis_version")))
    on = bool(info.get("aof_enabled"))
    yield Finding(
        "append-only file", "on" if on else "off", None if on else "set `appendonly yes`: a restart loses commands"
    )
    policy = str(info.get("maxmemory_policy"))
    yield Finding("eviction", policy, None if policy == "noeviction" else "set `maxmemory-policy noeviction`")


def _stores(place: Workplace) -> Iterator[Finding]:
    for name in ("host", "vault", "downloads", "payments", "mailer"):
        try:
            getattr(place, name).writable()
        except (Permanent, Temporary, OSError, ValueError) as wrong:
            yield Finding(name, "not writable", str(wrong))
        else:
            yield Finding(name, "writable")


def _processes(place: Workplace) -> Iterator[Finding]:
    workers = alive.count(place.redis, "worker")
    yield Finding("workers", f"{workers} answering", None if workers else "start `tenure up` or the Procfile's worker")
    with reading(place.database) as tx:
        silent = clock.last_beat(tx, "clock")
    well = silent is not None and silent < SILENCE
    shown = "never" if silent is None else f"{silent.total_seconds():.0f} s ago"
    yield Finding("clock heartbeat", shown, None if well else "start `tenure up` or the Procfile's clock")
