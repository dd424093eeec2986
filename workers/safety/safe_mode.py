"""Clock sanity: on a clock that jumped or a database that was restored no timer fires until somebody has looked.

| what is found | what happens |
|---|---|
| the wall clock moved 60 s more or less than the steady one between two looks | safe mode |
| it shows 60 s or more before the high-water mark | safe mode |
| Redis's clock, or PostgreSQL's, is 60 s apart from ours | safe mode |
| the database is older than its high-water mark in Redis, or than this process has seen it | safe mode |
| the mark is more than 7 days old | safe mode: so long an outage can't be told from a clock that is wrong at boot |
| the mark is more than 24 hours old | late timers fire, deletions wait for an operator |
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import Connection, Row

from engine.alarms import alarm
from models import breaker, safety
from models import site as sites
from models.clock import engine_now, machine_now
from models.database import reading, writing
from models.event import tell
from models.timestamps import stamp, unstamp
from workers.base.clock_memory import ClockMemory, Outside, steady
from workers.base.logs import log
from workers.context import Context
from workers.outbox import clock_wake_up
from workers.queue.redis_keys import HIGH_WATER_MARK
from workers.safety import breaker as deletion

TOLERANCE = timedelta(seconds=60)
"""How far the wall clock may be from the steady one between two looks, from another's clock, and behind the mark."""

SILENCE = timedelta(hours=24)
"""After a longer silence deletions wait for an operator."""

LONGEST_SILENCE = timedelta(days=7)
"""A longer one is taken for a clock that is wrong: no timer fires."""

LEAVE = "look at the clocks and the database, then `tenure safe-mode leave`"
UNSTEADY_SECONDS = 1.0


def allows(tx: Connection, context: Context, sanity: ClockMemory) -> bool:
    """Whether timers may fire now; asked in the transaction that would fire them."""
    wall, steady_seconds = _look()
    if safety.holds(tx):
        sanity.begin_anew(wall, steady_seconds)
        return False
    outside = sanity.outside = sanity.outside or _ask(context)
    seen = _latest(sanity.mark, outside.high_water_mark)  # before the database is asked: its mark may rise meanwhile
    known = safety.state(tx)
    jumped = sanity.jump(wall, steady_seconds)
    doubt = _of_clocks(tx, wall, jumped, outside.ahead) or _of_database(known, seen) or _of_mark(known, wall)
    if doubt is not None:
        _enter(tx, doubt, wall)
        return False
    if known is not None and wall - known.wall_at > SILENCE:
        _hold_deletions(tx, wall, wall - known.wall_at)
    sanity.accept(wall, steady_seconds, None if known is None else known.wall_at)
    return True


def _look() -> tuple[datetime, float]:
    """Both clocks at one moment: a process that was stopped between them looks again."""
    while True:
        before, wall, after = steady(), machine_now(), steady()
        if after - before < UNSTEADY_SECONDS:
            return wall, after


def _of_clocks(tx: Connection, wall: datetime, jumped: timedelta, redis: timedelta) -> str | None:
    """The wall clock against the steady one, and against those of the machines that we work with."""
    if abs(jumped) > TOLERANCE:
        return f"the wall clock jumped by {_signed(jumped)}"
    theirs = safety.server_now(tx)
    database = timedelta(0) if theirs is None else _apart(theirs, wall)
    for name, apart in (("the database's", database), ("Redis's", redis)):
        if abs(apart) > TOLERANCE:
            return f"{name} clock differs from this machine's by {_signed(apart)}: one of them is wrong"
    return None


def _of_database(known: Row[Any] | None, seen: datetime | None) -> str | None:
    """A mark that is older than one that was seen; one that Redis has lost is written anew."""
    if seen is None or (known is not None and known.wall_at >= seen):
        return None
    found = "none" if known is None else stamp(known.wall_at)
    return f"the database is older than it was: it was seen at {stamp(seen)}, and its own last mark is {found}"


def _latest(*moments: datetime | None) -> datetime | None:
    return max((one for one in moments if one is not None), default=None)


def _of_mark(known: Row[Any] | None, wall: datetime) -> str | None:
    """The machine's time never falls; and nobody leaves an engine alone for so long without knowing it."""
    if known is None:
        return None
    if wall < known.wall_at - TOLERANCE:
        return f"the wall clock shows {stamp(wall)}, before {stamp(known.wall_at)} that was seen already"
    if wall - known.wall_at > LONGEST_SILENCE:
        return f"nothing ran since {stamp(known.wall_at)}, or the wall clock is wrong: it shows {stamp(wall)}"
    return None


def _ask(context: Context) -> Outside:
    """What Redis knows: its own time, and the database's high-water mark. A restored database is behind it."""
    before, theirs = machine_now(), redis_now(context)
    mark: Any = context.redis.get(HIGH_WATER_MARK)
    with suppress(ValueError):
        return Outside(_apart(theirs, before), None if mark is None else unstamp(mark.decode()))
    return Outside(_apart(theirs, before), None)


def redis_now(context: Context) -> datetime:
    """Redis's own clock."""
    said: Any = context.redis.time()
    return datetime.fromtimestamp(said[0], UTC) + timedelta(microseconds=said[1])


def _apart(theirs: datetime, asked_at: datetime) -> timedelta:
    """How far another's clock is ahead of ours, which has gone on since we asked."""
    nearest = min(max(theirs, asked_at), max(machine_now(), asked_at))
    return theirs - nearest


def _signed(length: timedelta) -> str:
    return f"-{-length}" if length < timedelta(0) else f"+{length}"


def _enter(tx: Connection, why: str, at: datetime) -> None:
    """Safe mode; operators are told once."""
    if safety.enter(tx, why, at):
        _alarm(tx, "safe_mode", why)
        log.error("alarm", code="safe_mode", error=f"safe mode: {why}; no timer fires. {LEAVE}")


def _hold_deletions(tx: Connection, wall: datetime, silence: timedelta) -> None:
    """Late timers fire once, oldest first; but nobody was there to stop a deletion. The mark rises with it.

    What an operator paused, and a breaker that tripped, stay so: only what lets deletions through is paused.
    """
    why = f"nothing ran for {silence}"
    state, _, _ = breaker.look(tx)
    if state in {"closed", "released"}:
        breaker.turn(tx, "paused", why, engine_now(tx))
    safety.note(tx, wall)
    _alarm(tx, "silence", why)
    log.error("paused", error=f"{why}: deletions wait for `tenure safe-mode leave` or `tenure deletion resume`")


def _alarm(tx: Connection, code: str, why: str) -> None:
    tell(tx, "alarm.raised", alarm(code, why), engine_now(tx), host="*", site_id=None, cause=None)


def beat(context: Context) -> None:
    """Raise the marks while all is well: first here, then outside, so that only a restored database is behind."""
    with suppress(RedisError):  # the mark rises without Redis too, by what it said last
        context.sanity.outside = _ask(context)
    with writing(context.database) as tx:
        if not allows(tx, context, context.sanity):
            return
        mark = safety.note(tx, machine_now())
    context.redis.set(HIGH_WATER_MARK, stamp(mark))


def warning(why: str) -> str:
    """What whoever waits for a timer must know while safe mode holds."""
    return f"safe mode holds and no timer fires: {why}. {LEAVE[0].upper()}{LEAVE[1:]}"


def shown(context: Context) -> dict[str, Any]:
    """`tenure/safe-mode/1`: whether it holds, why and since when."""
    with reading(context.database) as tx:
        known = safety.state(tx)
    why = None if known is None else known.why
    since = None if known is None or known.since is None else stamp(known.since)
    return {"schema": "tenure/safe-mode/1", "on": why is not None, "why": why, "since": since}


def leave(context: Context) -> None:
    """An operator has looked: timers fire again, and deletions that only silence had paused go on.

    Customers whose date has passed meanwhile are told anew, 48 h before.
    """
    ids = deletion.late_ids(context)
    with writing(context.database) as tx:
        late = sites.find_all(tx, ids)
        now = machine_now()
        safety.leave(tx, now)
        state, why, _ = breaker.look(tx)
        if state == "paused" and why is not None and why.startswith("nothing ran for"):
            breaker.turn(tx, "closed", None, engine_now(tx))
        after = deletion.tell_again(tx, context, late.values(), engine_now(tx))
        context.redis.set(HIGH_WATER_MARK, stamp(now))  # before the commit: a mark that is behind raises no doubt
    deletion.say_told_again(context, after)
    clock_wake_up.send(context)
