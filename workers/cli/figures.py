"""`tenure stats`: the fleet in numbers, for people, for programs and for Prometheus."""

from datetime import datetime
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import Connection, Select, func, select

import engine
from models import backlog, dead, event, failing, safety, timer
from models.breaker import look
from models.clock import engine_now, last_beat, machine_now
from models.database import reading
from models.effect import EFFECTS, HAS_GIVEN_UP, IS_UNFINISHED, UNFINISHED
from models.site import SITES
from workers.base.documents import Document
from workers.base.effect_kinds import queue_of
from workers.base.errors import HELD
from workers.context import Context
from workers.queue import queue_lengths


def stats(context: Context) -> Document:
    """`tenure/stats/1`: sites by state, effects by status, what waits, why safe mode holds; ages in seconds."""
    with reading(context.database) as tx:
        now = engine_now(tx)
        beat = last_beat(tx, "clock")
        doubt = safety.why(tx)
        return {
            "schema": "tenure/stats/1",
            "sites": _sites(tx),
            "effects": _effects(tx),
            "effects_failing": {one.kind: one.count for one in failing.by_kind(tx, HELD)},
            "timers": {"waiting": _timers(tx), "overdue": _timers(tx, until=now)},
            "events_unsent": event.count_unsent(tx),
            "effects_ready": _ready(tx),
            "queues": queue_lines(context),
            **_dead(tx),
            "breaker": look(tx)[0],
            "safe_mode": doubt,
            "clock_heartbeat_seconds": None if beat is None else round(beat.total_seconds(), 3),
        }


def _sites(tx: Connection) -> dict[str, int]:
    counts = _counts(tx, select(SITES.c.state, func.count()).group_by(SITES.c.state))
    return {state: counts.get(state, 0) for state in engine.STATES}


def _ready(tx: Connection) -> dict[str, Document]:
    """By queue, what could be done now: how many, and for how many seconds the first could."""
    now = machine_now()
    found: dict[str, Document] = {}
    for one in backlog.ready(tx, now, queue_of):
        known = found.setdefault(one.queue, {"count": 0, "oldest_seconds": _seconds(now, one.since)})
        known["count"] += one.count
    return found


def queue_lines(context: Context) -> dict[str, Document]:
    """By queue, how many messages wait, and for how many seconds the first; nothing while Redis is away."""
    try:
        lines = queue_lengths.look(context.redis)
    except RedisError:
        return {}
    now = machine_now()
    return {
        name: {"messages": line.count, "oldest_seconds": None if line.since is None else _seconds(now, line.since)}
        for name, line in lines.items()
    }


def _seconds(now: datetime, since: datetime) -> float:
    return max(0.0, round((now - since).total_seconds(), 3))


def _dead(tx: Connection) -> dict[str, int]:
    """Messages that are kept; those that nobody can read; and those of these that were forgotten to make room."""
    found = dead.counts(tx)
    return {
        "dead_messages": found.readable + found.unreadable,
        "dead_unreadable": found.unreadable,
        "dead_forgotten": found.forgotten,
    }


def _effects(tx: Connection) -> dict[str, int]:
    """What is not done: the done ones are history and their number says nothing."""
    by_status = select(EFFECTS.c.status, func.count()).group_by(EFFECTS.c.status)
    counts = _counts(tx, by_status.where(IS_UNFINISHED)) | _counts(tx, by_status.where(HAS_GIVEN_UP))
    return {status: counts.get(status, 0) for status in (*UNFINISHED, "gave_up")}


def _counts(tx: Connection, query: Select[Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in tx.execute(query)}


def _timers(tx: Connection, until: datetime | None = None) -> int:
    query = select(func.count()).select_from(timer.TIMERS)
    return int(tx.execute(query if until is None else query.where(timer.TIMERS.c.wakes_at <= until)).scalar_one())


def text(found: Document) -> str:
    """One line for each number that is not nought, then the breaker and the clock."""
    sites = [f"sites     {count:>9}  {state}" for state, count in found["sites"].items() if count]
    effects = [f"effects   {count:>9}  {status}" for status, count in found["effects"].items() if count]
    fail = [f"failing   {count:>9}  {kind}" for kind, count in found["effects_failing"].items()]
    timers = [f"timers    {count:>9}  {name}" for name, count in found["timers"].items()]
    ready = [_line("ready", one["count"], queue, one) for queue, one in found["effects_ready"].items()]
    lines = [_line("queue", one["messages"], queue, one) for queue, one in found["queues"].items()]
    beat = found["clock_heartbeat_seconds"]
    rest = [
        f"events    {found['events_unsent']:>9}  unsent",
        f"messages  {found['dead_messages']:>9}  dead",
        f"breaker   {found['breaker']:>9}",
        f"safe mode {'off' if found['safe_mode'] is None else 'ON':>9}  {found['safe_mode'] or ''}".rstrip(),
        f"clock     {'silent' if beat is None else beat:>9}  s ago",
    ]
    return "\n".join([*sites, *effects, *fail, *ready, *lines, *timers, *rest])


def _line(what: str, count: int, queue: str, one: Document) -> str:
    age = one["oldest_seconds"]
    return f"{what:<9} {count:>9}  {queue}" + ("" if age is None else f", the first for {age:.1f} s")


def prometheus(found: Document) -> str:
    """The text format that Prometheus reads; gauges only."""
    lines = [f'tenure_sites{{state="{state}"}} {count}' for state, count in found["sites"].items()]
    lines += [f'tenure_effects{{status="{status}"}} {count}' for status, count in found["effects"].items()]
    lines += [f'tenure_effects_failing{{kind="{kind}"}} {count}' for kind, count in found["effects_failing"].items()]
    lines += [f'tenure_timers{{status="{name}"}} {count}' for name, count in found["timers"].items()]
    lines += _gauges("tenure_effects_ready", "count", found["effects_ready"])
    lines += _gauges("tenure_queue_messages", "messages", found["queues"])
    lines += _gauges("tenure_queue_oldest_seconds", "oldest_seconds", found["queues"])
    lines += _gauges("tenure_effects_ready_oldest_seconds", "oldest_seconds", found["effects_ready"])
    lines += [
        f"tenure_events_unsent {found['events_unsent']}",
        f"tenure_dead_messages {found['dead_messages']}",
        f"tenure_dead_unreadable {found['dead_unreadable']}",
        f"tenure_dead_forgotten {found['dead_forgotten']}",
        f"tenure_breaker_closed {int(found['breaker'] == 'closed')}",
        f"tenure_safe_mode {int(found['safe_mode'] is not None)}",
    ]
    if found["clock_heartbeat_seconds"] is not None:
        lines.append(f"tenure_clock_heartbeat_seconds {found['clock_heartbeat_seconds']}")
    heads = dict.fromkeys(line.partition("{")[0].partition(" ")[0] for line in lines)
    return "\n".join(
        f"# TYPE {name} gauge\n" + "\n".join(line for line in lines if _is_of(name, line)) for name in heads
    )


def _gauges(name: str, which: str, found: Document) -> list[str]:
    return [f'{name}{{queue="{queue}"}} {one[which]}' for queue, one in found.items() if one[which] is not None]


def _is_of(name: str, line: str) -> bool:
    return line.startswith((f"{name}{{", f"{name} "))
