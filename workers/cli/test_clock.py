"""The test clock: `tenure clock advance` lives through every due moment, and rests at each."""

import time
from datetime import datetime, timedelta
from typing import Any

from uuid_utils import uuid7

from models import effect, event, ready_effects, safety, timer
from models.clock import engine_now, is_test, machine_now, move
from models.database import reading, writing
from models.timestamps import stamp
from workers.base.errors import HELD
from workers.base.fault_points import fault_point
from workers.base.terminal import warn
from workers.cli.exit_codes import WaitOverError
from workers.context import Context
from workers.outbox import clock_wake_up
from workers.queue.queue_names import COMMANDS
from workers.queue.redis_keys import ADVANCE_LOCK, HEARTBEATS, bodies, messages
from workers.queue.scripts import KEEP_LOCK, RELEASE_LOCK
from workers.queue.upkeep_scripts import COMMANDS_UNDER_WAY

PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.004
LOCK_SECONDS = 15
"""An advance that was killed makes room for another after so long; a living one extends its lock."""


def advance(context: Context, length: timedelta, seconds: float) -> datetime:
    """Move engine time forward through every due moment; where it stands at the end.

    Raises ValueError without a test clock or while another advance runs, WaitOverError after `seconds`.
    """
    with reading(context.database) as tx:
        if not is_test(tx):
            raise ValueError("there is no test clock here: start with TENURE_TEST_CLOCK=1 and a fresh data folder")
    token = str(uuid7())
    if not context.redis.set(ADVANCE_LOCK, token, nx=True, ex=LOCK_SECONDS):
        raise ValueError("another advance is running; wait until it is done")
    try:
        return _live_through(context, length, time.monotonic() + seconds, token)
    finally:
        context.redis.eval(RELEASE_LOCK, 1, ADVANCE_LOCK, token)


def _live_through(context: Context, length: timedelta, deadline: float, token: str) -> datetime:
    rest(context, deadline, token)
    with reading(context.database) as tx:
        target = engine_now(tx) + length
    while True:
        with reading(context.database) as tx:
            now = engine_now(tx)
            due = timer.earliest(tx, after=now)
        if now >= target:
            return now
        _go_to(context, target if due is None else min(due, target))
        rest(context, deadline, token)


def _go_to(context: Context, moment: datetime) -> None:
    """Reach a moment: what waits for a retry is ready at once, and everybody is told."""
    with writing(context.database) as tx:
        move(tx, moment)
        ready_effects.ready_for_new_moment(tx, machine_now())
        fault_point("advance.moving")
    fault_point("advance.moved")
    clock_wake_up.send(context)


def rest(context: Context, deadline: float, token: str) -> None:
    """Wait until nothing is queued, due, running, ready or unsent; what keeps failing is named and passed.

    Raises ValueError when another advance has acquired the lock meanwhile, WaitOverError at the deadline.
    """
    stuck_since = time.monotonic()
    while True:
        _keep_lock(context, token)
        looked = time.monotonic()
        state = _state(context)
        if state == []:
            return
        if time.monotonic() > deadline:
            raise WaitOverError(f"the engine did not come to rest in time: {_names(state)}")
        if state is None:
            stuck_since = time.monotonic()
        elif time.monotonic() - stuck_since > PATIENCE_SECONDS:
            warn(f"passing what still fails: {_names(state)}")
            return
        time.sleep(max(POLL_SECONDS, time.monotonic() - looked))  # a fleet's look is not cheap: half the time at most


def _keep_lock(context: Context, token: str) -> None:
    """Extend the lock; acquire it again if it expired, or Redis was emptied, and nobody else holds it."""
    if not context.redis.eval(KEEP_LOCK, 1, ADVANCE_LOCK, token, LOCK_SECONDS):
        raise ValueError("another advance has taken over, for this one stood still too long; wait until it is done")


def _state(context: Context) -> list[Any] | None:
    """None while something goes on, else the effects that wait for a retry or behind one that does."""
    if context.redis.eval(COMMANDS_UNDER_WAY, 3, messages(COMMANDS), bodies(COMMANDS), HEARTBEATS):
        return None
    with reading(context.database) as tx:
        now = engine_now(tx)
        due = None if safety.holds(tx) else timer.earliest(tx)
        rows = [row for row in effect.unfinished(tx) if not _is_held(row)]
        if (due is not None and due <= now) or event.count_unsent(tx):
            return None
    failing = [row for row in rows if row.error is not None]
    waits_for = {row.site_id for row in failing}
    going_on = [row for row in rows if row.error is None and (row.status == "running" or row.site_id not in waits_for)]
    return None if going_on else rows


def _is_held(row: Any) -> bool:
    """Stopped by a guard until a later moment: that is rest."""
    waits = row.status == "pending" and row.retry_at is not None and row.retry_at > machine_now()
    return waits and (row.error or "").startswith(HELD)


def _names(rows: list[Any] | None) -> str:
    if rows is None:
        return "commands, timers or events are still moving"
    return "; ".join(f"{row.kind} of {row.site_id} ({row.error or 'waits behind it'})" for row in rows)


def where(context: Context) -> str:
    """Engine time now, as a stamp."""
    with reading(context.database) as tx:
        return stamp(engine_now(tx))
