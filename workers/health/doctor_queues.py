"""What `tenure doctor` finds in the queues: messages and effects that wait too long, and what gave up."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from models import backlog, dead, effect
from models.clock import machine_now
from workers.base.effect_kinds import queue_of
from workers.base.errors import HELD
from workers.context import Context
from workers.health.check import Finding, failure, warning, well
from workers.producers import rejections
from workers.queue import queue_lengths
from workers.queue.queue_names import COMMANDS, QUEUES
from workers.safety import strange_keys

QUICK = (timedelta(minutes=1), timedelta(minutes=5))
PATIENT = (timedelta(hours=1), timedelta(hours=6))
LATE = {"lifecycle": QUICK, "effects": QUICK, "data": PATIENT, "deletions": PATIENT}
"""By queue, for how long its first may wait until it is a warning, and a failure."""

SLOW = timedelta(hours=1)
"""An effect that is not done so long after it was asked for: something outside is away."""

TOO_FEW = "the workers don't keep up: look at their log, and start more of them"
ONE_SITE = "its letters go out a few at a time, and nobody else waits for them: find who asks so much of one site"


def effects(tx: Connection, engine_now: datetime) -> Finding:
    """Whether what could be done is done in time: the age of the first that is ready, in the database."""
    now = machine_now()
    late = [finding for ready in backlog.ready(tx, now, queue_of) if (finding := _late(ready, now)) is not None]
    worst = next((one for one in late if one.fails), next(iter(late), None))
    if worst is not None:
        return worst
    slow = backlog.effects(tx, engine_now - SLOW, HELD)
    if slow.since is None:
        return well("effects", "on time")
    shown = f"{slow.count} not done, the first was asked for {engine_now - slow.since} ago"
    return warning("effects", shown, "`tenure site show` says what each waits for")


def _late(ready: backlog.ReadyWork, now: datetime) -> Finding | None:
    age, (warns, fails) = now - ready.since, LATE[ready.queue]
    shown = f"{ready.count} could be done, the first for {_words(age)} (queue {ready.queue})"
    if not ready.admitted:
        return warning("effects", shown, ONE_SITE) if age >= warns else None
    if age < warns:
        return None
    return (failure if age >= fails else warning)("effects", shown, TOO_FEW)


def given_up(tx: Connection) -> Finding:
    """What nobody does any more; what nobody can read is its sender's mistake and stops nothing."""
    found, stuck = dead.counts(tx), len(effect.all_that_gave_up(tx))
    lost = stuck + found.readable
    shown = f"{lost} gave up" + (f", {found.unreadable} could not be read" if found.unreadable else "")
    shown += f" and {found.forgotten} older ones are gone" if found.forgotten else ""
    if lost:
        return failure(
            "dead",
            shown,
            "`tenure dead list` says why: mend that, then `tenure dead retry ID`, or `tenure dead drop ID`",
        )
    if found.unreadable:
        remedy = "`tenure dead list` shows them: find who sends them, then `tenure dead drop` each"
        return warning("dead", shown, remedy)
    return well("dead", shown)


def judge(context: Context) -> Iterator[Finding]:
    """The length of each queue, and since when its first message waits."""
    now, lines = machine_now(), queue_lengths.look(context.redis)
    for queue in QUEUES:
        line = lines[queue]
        age = None if line.since is None else max(now - line.since, timedelta(0))
        shown = f"{line.count} messages" + ("" if age is None else f", the first for {_words(age)}")
        yield _judged(queue, shown, age)
    counted = rejections.counts(context.redis)
    yield well("rejected commands", ", ".join(f"{count} {code}" for code, count in sorted(counted.items())) or "none")
    yield keys(context)


def keys(context: Context) -> Finding:
    """Whether all keys have the types that they should."""
    found = strange_keys.found_in(context.redis)
    if not found:
        return well("redis keys", "as they should be")
    remedy = "work goes on without them: find who writes to Redis, then DEL each"
    return warning("redis keys", f"{len(found)} strange ones: {'; '.join(one.what for one in found[:3])}", remedy)


def _judged(queue: str, shown: str, age: timedelta | None) -> Finding:
    what, (warns, fails) = f"queue {queue}", LATE[queue]
    if age is None or age < warns:
        return well(what, shown)
    remedy = TOO_FEW if queue != COMMANDS else f"commands are not answered: {TOO_FEW}"
    return (failure if age >= fails else warning)(what, shown, remedy)


def _words(age: timedelta) -> str:
    return f"{max(0, round(age.total_seconds()))} s"
