"""Keeping a claim while the work takes long: a short lease, extended as long as the work moves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
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


@contextmanager
def keeping(context: Context, row: Any) -> Iterator[None]:
    """Extend the claim's lease at a third of its length, until the work is over, is stuck, or the claim is lost.

    Each extension is a line of the log: whoever waits for a long backup sees that it goes on, and for how long.
    """
    with watched() as progress:
        keeper = Keeper(context, row, progress)
        thread = Thread(target=keeper.keep, daemon=True, name=f"lease {row.id}")
        thread.start()
        try:
            yield
        finally:
            keeper.over.set()
            thread.join()


class Keeper:
    """Watches one act of another thread, and keeps its claim while it moves."""

    def __init__(self, context: Context, row: Any, progress: Progress) -> None:
        self.context = context
        self.row = row
        self.progress = progress
        self.over = Event()
        self.began = self.moved = time.monotonic()
        self.patience = definition_of(row.kind).patience_seconds or STILL_SECONDS
        self.is_stuck = False

    def keep(self) -> None:
        """Look at it until it is over; one that is stuck and moves again is kept again, if nobody else took it."""
        while not self.over.wait(self.context.lease.total_seconds() / 3):
            if self._moves():
                if not self._extend():
                    return
            elif not self.is_stuck:
                self._tell_that_it_is_stuck()

    def _moves(self) -> bool:
        now = time.monotonic()
        if self.progress.has_moved() or not can_tell():
            self.moved, self.is_stuck = now, False
        return now - self.moved < self.patience

    def _extend(self) -> bool:
        """Extend the lease; False when the claim is lost. A database that is away is asked again the next time."""
        row = self.row
        try:
            with writing(self.context.database) as tx:
                kept = effects.extend_lease(tx, row.id, row.fence, machine_now() + self.context.lease)
                fault_point("lease.extending")
            fault_point("lease.extended")
        except SQLAlchemyError as wrong:
            log.warning("failed", effect=row.kind, effect_id=row.id, error=f"the lease was not extended: {wrong}")
            return True
        if kept:
            lasts = round((time.monotonic() - self.began) * 1000)
            facts = {"site_id": row.site_id, "effect": row.kind, "effect_id": row.id, "attempt": row.attempt}
            log.info("started", **facts, duration_ms=lasts)
        return kept

    def _tell_that_it_is_stuck(self) -> None:
        """Once: in the row, where `doctor` looks, as two events, and in the log."""
        row, still = self.row, time.monotonic() - self.moved
        what = f"{row.kind} of {row.site_id} has moved nothing for {still:.0f} s"
        try:
            with writing(self.context.database) as tx:
                site = sites.find(tx, row.site_id)
                now = engine_now(tx)
                self.is_stuck = True
                if not effects.note_stuck(tx, row.id, row.fence, now):
                    return
                where = {"host": "" if site is None else site.host, "site_id": row.site_id, "cause": row.cause_id}
                told = {"effect": row.id, "kind": row.kind, "since": stamp(now)}
                tell(tx, "work.stuck", told, now, **where)
                tell(tx, "alarm.raised", alarm("work.stuck", what), now, **where)
        except SQLAlchemyError as wrong:
            log.warning("failed", effect=row.kind, effect_id=row.id, error=f"that it is stuck was not told: {wrong}")
            self.is_stuck = False
            return
        facts = {"site_id": row.site_id, "effect": row.kind, "effect_id": row.id, "attempt": row.attempt}
        log.error("alarm", **facts, code="work.stuck", error=f"{what}; {ALARMS['work.stuck']}")
