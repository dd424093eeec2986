"""What is wrong now, as `tenure status` says it: asked of the database in one transaction, of Redis in a few calls."""

import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from models import backlog, breaker, dead, effect, failing, overview, safety, site_fault, takings
from models.clock import engine_now, last_beat, machine_now
from workers.base.effect_kinds import queue_of
from workers.base.errors import HELD
from workers.base.reasons import folded
from workers.base.settings import Settings
from workers.context import Context
from workers.health import disk_space, doctor_fleet, fleet, liveness, redis_checks
from workers.health.doctor_queues import LATE as LATE_WORK
from workers.health.problem import Problem, problem
from workers.health.readiness import SILENCE_SECONDS
from workers.queue import queue_lengths
from workers.safety.breaker import caps

LATE = timedelta(minutes=5)
"""So late no timer and no event is where all is well."""


def in_database(tx: Connection, context: Context, processes: list[Any]) -> Iterator[Problem]:
    """All that the database knows; `processes` are the rows of those that live."""
    yield from _guards(tx, context.settings)
    yield from _silent_clock(tx)
    yield from _seen_by(processes)
    yield from _late(tx)
    yield from _stuck(tx)
    yield from reasons(failing.that_gave_up(tx), "effects.gave_up")
    yield from reasons(failing.that_fail(tx, HELD), "effects.failing")
    yield from _messages(tx)
    yield from _sites(tx)
    for finding in disk_space.judge(fleet.as_running(context.settings, processes)):
        if not finding.well:
            yield problem("disk.full" if finding.fails else "disk.scarce", f"{finding.what}: {finding.value}")


def _guards(tx: Connection, settings: Settings) -> Iterator[Problem]:
    """What has stopped time or deletions until somebody looks."""
    known = safety.state(tx)
    if known is not None and known.why is not None:
        yield problem("safe_mode", f"safe mode: {known.why}; no timer fires", since=known.since)
    planned = breaker.plan(tx, engine_now(tx))
    row = breaker.row(tx)
    if row is not None and row.state in {"tripped", "paused"}:
        what = f"deletions are {row.state}: {row.why}; {planned.next_day} wait or come within a day"
        yield problem(
            f"deletions.{row.state}", what, since=row.since, count=max(planned.next_day, 1), N=planned.next_day
        )
    elif row is None or row.state == "closed":
        excess = breaker.excess(planned, caps(settings))
        if excess is not None:
            yield problem("deletions.many", f"{excess}: the breaker will trip", count=planned.next_day)


def _silent_clock(tx: Connection) -> Iterator[Problem]:
    silence = last_beat(tx, "clock")
    if silence is None or silence.total_seconds() >= SILENCE_SECONDS:
        since = None if silence is None else machine_now() - silence
        yield problem("clock.silent", "no clock answers: no timer fires, nothing is swept", since=since)


def _seen_by(processes: list[Any]) -> Iterator[Problem]:
    """The adapters as the running processes see them, and settings in which these differ."""
    for name, seen in adapters(processes).items():
        if seen["trouble"] is not None:
            what = f"{name} is out of reach for {seen['troubled']} of {seen['processes']} processes: {seen['trouble']}"
            yield problem("adapter.away", what, count=seen["troubled"])
    for finding in doctor_fleet.differences(processes) if processes else ():
        yield problem("settings.differ", finding.value)


def adapters(processes: list[Any]) -> dict[str, dict[str, Any]]:
    """By adapter: how many processes use it, for how many it is out of reach, and what one of these says."""
    found: dict[str, dict[str, Any]] = {}
    for row in processes:
        for name, trouble in row.report["adapters"].items():
            seen = found.setdefault(name, {"processes": 0, "troubled": 0, "trouble": None})
            seen["processes"] += 1
            seen["troubled"] += trouble is not None
            seen["trouble"] = seen["trouble"] or trouble
    return found


def _late(tx: Connection) -> Iterator[Problem]:
    """What nobody does in time. While safe mode holds, late timers are its consequence and not said again."""
    now, machine = engine_now(tx), machine_now()
    due = backlog.timers(tx, now - LATE)
    if due.since is not None and not safety.holds(tx):
        yield problem("timers.overdue", f"{due.count} timers are overdue", since=due.since, count=due.count)
    unsent = backlog.events(tx, now - LATE)
    if unsent.since is not None:
        yield problem("events.unsent", f"{unsent.count} events are unsent", since=unsent.since, count=unsent.count)
    for ready in backlog.ready(tx, machine, queue_of):
        if ready.admitted:
            yield from _waits(f"{ready.count} effects of queue {ready.queue} could be done", ready, machine)


def _waits(what: str, line: Any, now: datetime) -> Iterator[Problem]:
    warns, fails = LATE_WORK[line.queue]
    if now - line.since >= warns:
        code = "queue.stopped" if now - line.since >= fails else "queue.late"
        yield problem(code, f"{what} and wait for a worker", since=line.since, count=line.count)


def _stuck(tx: Connection) -> Iterator[Problem]:
    rows = effect.stuck(tx)
    if rows:
        first = rows[0]
        what = f"{first.kind} of {first.site_id} moves nothing" + (f", and {len(rows) - 1} more" if rows[1:] else "")
        yield problem("work.stuck", what, since=first.stuck_since, count=len(rows), SITE=first.site_id)


def reasons(found: list[failing.Trouble], code: str) -> list[Problem]:
    """One problem for each reason, with numbers, ids and hosts folded out of it."""
    groups: dict[str, list[failing.Trouble]] = {}
    for one in found:
        groups.setdefault(folded(one.error), []).append(one)
    return [_of_reason(code, reason, ones) for reason, ones in groups.items()]


def _of_reason(code: str, reason: str, ones: list[failing.Trouble]) -> Problem:
    by_kind = groupby(sorted(ones, key=attrgetter("kind")), key=attrgetter("kind"))
    counts = {kind: sum(one.count for one in group) for kind, group in by_kind}
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    since = min(one.since for one in ones)
    how = "gave up" if code == "effects.gave_up" else "failing"
    return problem(
        code, f"{kinds} {how}: {reason}", since=since, count=sum(counts.values()), REASON=shlex.quote(reason)
    )


def _messages(tx: Connection) -> Iterator[Problem]:
    found = dead.counts(tx)
    if found.readable:
        yield problem("messages.dead", f"{found.readable} commands could not be done", count=found.readable)
    if found.unreadable:
        what = f"{found.unreadable} messages could not be read"
        yield problem("messages.unreadable", what, count=found.unreadable)


def _sites(tx: Connection) -> Iterator[Problem]:
    """What sites lack that no effect says."""
    missing = overview.missing_points(tx)
    if missing.count:
        what = f"restore points are missing or too old in {missing.count} sites"
        yield problem("restore_point.missing", what, since=missing.first_at, count=missing.count, SITE=missing.site_id)
    refunds = takings.refunds_due(tx)
    if refunds:
        yield problem("refund.due", f"{len(refunds)} refunds are due", count=len(refunds), SITE=refunds[0])
    for row in site_fault.by_code(tx):
        code, count, since, site_id = tuple(row)
        yield problem("site.content", f"{code} in {count} sites", since=since, count=count, SITE=site_id)


def in_redis(context: Context) -> Iterator[Problem]:
    """Whether Redis keeps what it has, workers answer, and messages are taken in time."""
    for finding in redis_checks.judge(redis_checks.ask(context.redis)):
        if finding.fails:
            yield problem("redis.unsafe", f"{finding.what}: {finding.value}; {finding.remedy}")
    if not liveness.ages(context.redis, "worker"):
        yield problem("workers.none", "no worker answers: nothing is done")
    now = machine_now()
    for queue, line in queue_lengths.look(context.redis).items():
        if line.since is not None:
            yield from _waits(f"{line.count} messages of queue {queue} are not taken", _Line(queue, line), now)


class _Line:
    """A queue in Redis in the form of one in the database."""

    def __init__(self, queue: str, line: queue_lengths.QueueLength) -> None:
        self.queue, self.count, self.since = queue, line.count, line.since
