"""Deletions as a whole: the breaker that stands before each of them, its pause and its release."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

import engine
from engine.alarms import alarm
from models import breaker, ready_effects, timer
from models import site as sites
from models.clock import engine_now, machine_now
from models.database import reading, writing
from models.event import tell
from models.timestamps import stamp
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.base.settings import Settings
from workers.commands.apply import AfterCommit, Decisions, log_moves
from workers.commands.attributes import OPERATOR
from workers.context import Context
from workers.outbox import clock_wake_up, relay, wake_ups


def caps(settings: Settings) -> breaker.Caps:
    """The caps that the settings name."""
    return breaker.Caps(settings.deletions_per_hour, settings.deletions_per_day, settings.deletions_share)


def stopped(tx: Connection, context: Context, now: datetime) -> tuple[str, datetime] | None:
    """Why the breaker lets no deletion through now, and when to ask again; None when one may pass.

    It trips before the first deletion of a plan that is too large, and tells operators once.
    """
    again = now + context.policy.held_retry
    current = breaker.state(tx, now)
    if current.state in {"tripped", "paused"}:
        return f"deletions are {current.state}: {current.why}; `tenure deletion preview`, then `resume`", again
    if current.state == "closed":
        too_many = breaker.excess(breaker.plan(tx, now), caps(context.settings))
        if too_many is not None:
            _trip(tx, too_many, now)
            return f"the breaker tripped: {too_many}", again
    free_at = breaker.free_again_at(tx, caps(context.settings), now)
    return None if free_at is None else ("deletions are paced", free_at)


def _trip(tx: Connection, why: str, now: datetime) -> None:
    breaker.turn(tx, "tripped", why, now)
    tell(tx, "alarm.raised", alarm("deletions.tripped", why), now, host="*", site_id=None, cause=None)
    log.error(
        "tripped",
        code="deletions.tripped",
        error=f"{why}; nothing is deleted until `tenure deletion resume --confirm N`",
    )


def pause(context: Context) -> None:
    """Let no deletion through until somebody resumes."""
    with writing(context.database) as tx:
        breaker.turn(tx, "paused", "paused by an operator", engine_now(tx))
        fault_point("breaker.pausing")
    fault_point("breaker.paused")
    log.warning("paused", error="deletions are paused by an operator")


def resume(context: Context, confirmed: int) -> None:
    """Let the deletions of the preview through, paced; those that are late are told anew first.

    Raises ValueError when the number is not the one that the preview shows now.
    """
    ids = late_ids(context)
    with writing(context.database) as tx:
        late = sites.find_all(tx, ids)
        now = engine_now(tx)
        planned = breaker.plan(tx, now).next_day
        if planned != confirmed:
            raise ValueError(f"--confirm {confirmed} is not the {planned} that `tenure deletion preview` shows now")
        breaker.turn(tx, "released" if planned else "closed", "released by an operator", now, budget=planned)
        after = tell_again(tx, context, late.values(), now)
        timer.ask_deletions_again(tx, now)
        ready_effects.ask_again(tx, "delete", machine_now())
        fault_point("breaker.resuming")
    fault_point("breaker.resumed")
    say_told_again(context, after)
    clock_wake_up.send(context)


def late_ids(context: Context) -> list[str]:
    """The sites whose deletion was due and has removed nothing yet."""
    with reading(context.database) as tx:
        return [*timer.late_deletions(tx, engine_now(tx)), *sites.deleting_whole(tx)]


def tell_again(tx: Connection, context: Context, late: Iterable[engine.Site], now: datetime) -> AfterCommit:
    """Who was told a date that passed in a pause or in safe mode gets a new notice, and 48 h (design.md, Edges)."""
    decisions = Decisions(tx, now, context.policy)
    for site in late:
        key = f"{site.id}:tell_again:{site.generation}:{stamp(now)}"
        command = engine.Command("site.tell_again", OPERATOR, key, host=site.host)
        decision = engine.decide(site, command, now, context.policy)
        if decision.outcome == "applied":
            decisions.apply(command, decision)
    return decisions.write()


def say_told_again(context: Context, after: AfterCommit) -> None:
    """After the commit: the moves' lines, the wake-ups of their letters, their events."""
    log_moves(after.moves)
    wake_ups.offer(context, after.wake_ups)
    relay.publish_soon(context)
