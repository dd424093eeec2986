"""Keeping claims while their work takes long: short leases, extended by one thread as long as the work moves."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Condition, Thread
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from engine.alarms import ALARMS, alarm
from models import effect as effects
from models import site as sites
from models.clock import engine_now, machine_now
from models.database import writing
from models.event import tell
from models.timestamps import stamp
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.base.progress import Progress, can_tell, watched
from workers.context import Context
from workers.effects.registry import definition_of

STILL_SECONDS = 120.0
"""An act that moves nothing for so long is stuck: its claim is let go, and another worker may try."""

GATHER_SECONDS = 0.25
"""Leases that are to be extended within so short a time are extended together, where they are that long."""


@contextmanager
def keeping(context: Context, row: Any) -> Iterator[None]:
    """Extend the claim's lease at a third of its length, until the work is over, is stuck, or the claim is lost.

    Each extension is a line of the log: whoever waits for a long backup sees that it goes on, and for how long.
    """
    with watched() as progress:
        act = Act(context, row, progress)
        KEEPER.watch(act)
        try:
            yield
        finally:
            KEEPER.forget(act)


def keep_waiting(context: Context, row: Any) -> "Act":
    """Keep a claim that waits for its thread, so that waiting uses up no try; `KEEPER.forget` ends it."""
    act = Act(context, row, None)
    KEEPER.watch(act)
    return act


class Act:
    """One act of another thread, as the keeper of leases sees it; without `progress` it waits for its thread."""

    def __init__(self, context: Context, row: Any, progress: Progress | None) -> None:
        self.context = context
        self.row = row
        self.progress = progress
        self.every = context.lease.total_seconds() / 3
        self.began = self.moved = time.monotonic()
        self.look_at = self.began + self.every
        self.patience = definition_of(row.kind).patience_seconds or STILL_SECONDS
        self.is_stuck = False

    def moves(self) -> bool:
        """Whether it has moved lately."""
        now = time.monotonic()
        self.look_at = now + self.every
        if self.progress is None or self.progress.has_moved() or not can_tell():
            self.moved, self.is_stuck = now, False
        return now - self.moved < self.patience


class LeaseKeeper:
    """The one thread of a process that keeps its claims. It starts with the first act and ends with the last."""

    def __init__(self) -> None:
        self._acts: set[Act] = set()
        self._looked_at: set[Act] = set()
        self._turn = Condition()
        self._thread: Thread | None = None

    def watch(self, act: Act) -> None:
        """Keep the claim of an act from now on."""
        with self._turn:
            self._acts.add(act)
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._keep, daemon=True, name="leases")
                self._thread.start()
            elif all(act.look_at <= other.look_at for other in self._acts):
                self._turn.notify_all()

    def forget(self, act: Act) -> None:
        """It is over; returns when nothing is being written about it any more."""
        with self._turn:
            self._acts.discard(act)
            self._turn.wait_for(lambda: act not in self._looked_at)

    def _keep(self) -> None:
        while due := self._next():
            try:
                _look_at(due, self._let_go)
            except Exception:  # noqa: BLE001 - a keeper that ended would let every claim of the process run out
                log.exception("alarm", error="leases were not extended, it is tried again")
            with self._turn:
                self._looked_at.clear()
                self._turn.notify_all()

    def _next(self) -> list[Act]:
        """Wait for the next acts to look at; none when no act is left, and then the thread is over."""
        with self._turn:
            while self._acts:
                now, first = time.monotonic(), min(self._acts, key=lambda act: act.look_at)
                if first.look_at <= now:
                    gather = min(GATHER_SECONDS, first.every / 4)
                    due = [act for act in self._acts if act.look_at <= now + gather]
                    self._looked_at = set(due)
                    return due
                self._turn.wait(first.look_at - now)
            self._thread = None
            return []

    def _let_go(self, act: Act) -> None:
        with self._turn:
            self._acts.discard(act)


KEEPER = LeaseKeeper()


def _look_at(due: list[Act], let_go: Callable[[Act], None]) -> None:
    """Extend the leases of those that move, together; tell once of each that does not."""
    moving = [act for act in due if act.moves()]
    for context in {id(act.context): act.context for act in moving}.values():
        for act in _extended(context, [act for act in moving if act.context is context]):
            let_go(act)
    for act in due:
        if act not in moving and not act.is_stuck:
            _tell_that_it_is_stuck(act)


def _extended(context: Context, acts: list[Act]) -> list[Act]:
    """Extend leases; the acts whose claims are lost. A database that is away is asked again the next time."""
    try:
        with writing(context.database) as tx:
            until = machine_now() + context.lease
            kept = [act for act in acts if effects.extend_lease(tx, act.row.id, act.row.fence, until)]
            fault_point("lease.extending")
        fault_point("lease.extended")
    except SQLAlchemyError as wrong:
        for act in acts:
            log.warning("failed", **_named(act), error=f"the lease was not extended: {wrong}")
        return []
    _say_that_they_go_on(act for act in kept if act.progress is not None)
    return [act for act in acts if act not in kept]


def _say_that_they_go_on(acts: Iterable[Act]) -> None:
    for act in acts:
        lasts = round((time.monotonic() - act.began) * 1000)
        log.info("started", site_id=act.row.site_id, **_named(act), attempt=act.row.attempt, duration_ms=lasts)


def _named(act: Act) -> dict[str, Any]:
    return {"effect": act.row.kind, "effect_id": act.row.id}


def _tell_that_it_is_stuck(act: Act) -> None:
    """Once: in the row, where `doctor` looks, as two events, and in the log."""
    row, still = act.row, time.monotonic() - act.moved
    what = f"{row.kind} of {row.site_id} has moved nothing for {still:.0f} s"
    try:
        with writing(act.context.database) as tx:
            site = sites.find(tx, row.site_id)
            now = engine_now(tx)
            act.is_stuck = True
            if not effects.note_stuck(tx, row.id, row.fence, now):
                return
            where = {"host": "" if site is None else site.host, "site_id": row.site_id, "cause": row.cause_id}
            told = {"effect": row.id, "kind": row.kind, "since": stamp(now)}
            tell(tx, "work.stuck", told, now, **where)
            tell(tx, "alarm.raised", alarm("work.stuck", what), now, **where)
    except SQLAlchemyError as wrong:
        log.warning("failed", **_named(act), error=f"that it is stuck was not told: {wrong}")
        act.is_stuck = False
        return
    facts = {"site_id": row.site_id, **_named(act), "attempt": row.attempt}
    log.error("alarm", **facts, code="work.stuck", error=f"{what}; {ALARMS['work.stuck']}")
