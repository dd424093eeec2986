"""`tenure status`: what is wrong now, each with its remedy, and the fleet in a few numbers."""

from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import Connection

from models import backlog, breaker, overview, process, safety, schema, takings
from models.clock import engine_now, machine_now
from models.database import reading
from models.timestamps import stamp
from workers.base.documents import Document
from workers.base.effect_kinds import queue_of
from workers.context import Context
from workers.health import problems
from workers.health.problem import Problem, problem, worst_first
from workers.health.readiness import OUT_OF_REACH
from workers.queue import queue_lengths
from workers.queue.queue_names import QUEUES
from workers.safety.breaker import caps

DAY = timedelta(days=1)


def status(context: Context) -> Document:
    """`tenure/status/1`. A part that is away is a problem, and the numbers that it has are left out (None)."""
    found: list[Problem] = []
    facts = _of_database(context, found)
    queues = _queues(facts.pop("ready"), _of_redis(context, found))
    ordered = worst_first(found)
    return {
        "schema": "tenure/status/1",
        "ok": not ordered,
        "at": facts.pop("at"),
        "problems": [one.document for one in ordered],
        **facts,
        "queues": queues,
    }


def _of_database(context: Context, found: list[Problem]) -> Document:
    try:
        with reading(context.database) as tx:
            unfit = schema.unfit(tx)
            if unfit is None:
                rows = process.living(tx, machine_now())
                found.extend(problems.in_database(tx, context, rows))
                return _facts(tx, context, rows)
        found.append(problem("database.away", unfit))
    except OUT_OF_REACH as wrong:
        found.append(problem("database.away", _sentence(wrong)))
    return {"at": stamp(machine_now()), "ready": {}, **dict.fromkeys(FACTS)}


FACTS = ("safe_mode", "breaker", "adapters", "sites", "rates", "money", "deletions")
"""The numbers beside the problems; None while the database is away."""


def _facts(tx: Connection, context: Context, processes: list[Any]) -> Document:
    now = engine_now(tx)
    state, why, budget = breaker.look(tx)
    facts = (
        safety.why(tx),
        {"state": state, "why": why, "budget": budget},
        problems.adapters(processes),
        {**overview.marks(tx), "by_state": overview.states(tx)},
        overview.rates(tx, now),
        money_of(tx, *day_of(now)),
        _deletions(tx, context, now),
    )
    return {"at": stamp(now), "ready": _ready(tx), **dict(zip(FACTS, facts, strict=True))}


def day_of(now: datetime) -> tuple[datetime, datetime]:
    """The UTC day of a moment, half-open."""
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return start, start + DAY


def money_of(tx: Connection, since: datetime, until: datetime) -> Document:
    """Sums of a span of engine time: charged, declined by code; what is open and what is to be given back now."""
    sums = takings.answered(tx, since, until)
    return {
        "from": stamp(since),
        "until": stamp(until),
        "charged": [_sum(one) for one in sums if one.outcome == "succeeded"],
        "declined": [{"code": one.code, **_sum(one)} for one in sums if one.outcome == "declined"],
        "open": [_sum(one) for one in takings.open_now(tx)],
        "refunds_due": len(takings.refunds_due(tx)),
    }


def _sum(one: takings.Sum) -> Document:
    return {"count": one.count, "amount_cents": one.cents, "currency": one.currency}


def _deletions(tx: Connection, context: Context, now: datetime) -> Document:
    some = overview.deletions(tx, now + DAY)
    first = None if some.first_at is None else stamp(some.first_at)
    would_trip = breaker.excess(breaker.plan(tx, now), caps(context.settings))
    return {"next_day": some.count, "first_at": first, "would_trip": would_trip}


def _ready(tx: Connection) -> Document:
    """By queue: how many effects could be done now, and since when the first could."""
    found: Document = {}
    for one in backlog.ready(tx, machine_now(), queue_of):
        known = found.get(one.queue)
        since = one.since if known is None else min(known[1], one.since)
        found[one.queue] = (one.count + (0 if known is None else known[0]), since)
    return found


def _of_redis(context: Context, found: list[Problem]) -> dict[str, queue_lengths.QueueLength]:
    try:
        found.extend(problems.in_redis(context))
        return queue_lengths.look(context.redis)
    except (RedisError, *OUT_OF_REACH) as wrong:
        found.append(problem("redis.away", _sentence(wrong)))
        return {}


def _queues(ready: Document, lines: dict[str, queue_lengths.QueueLength]) -> list[Document]:
    """By queue: its messages in Redis (None while that is away), the effects that are ready, and the oldest of both."""
    now = machine_now()
    found = []
    for queue in QUEUES:
        line, (count, since) = lines.get(queue), ready.get(queue, (0, None))
        moments = [at for at in (since, None if line is None else line.since) if at is not None]
        oldest = max(0.0, round((now - min(moments)).total_seconds(), 3)) if moments else None
        messages = None if line is None else line.count
        found.append({"queue": queue, "messages": messages, "ready": count, "oldest_seconds": oldest})
    return found


def _sentence(wrong: Exception) -> str:
    return next(iter(str(wrong).strip().splitlines()), type(wrong).__name__)
