"""The history does not grow for ever: what matters to nobody any more is removed, a few rows at a time.

| what | how long |
|---|---|
| applied commands from outside, moves, money, letters, receipts of deletions | for ever |
| refused and no-op commands, events | HISTORY_DAYS |
| what nights and reports leave that moves nothing; effects that are over and not referred to | BOOKKEEPING_DAYS |

Both count engine time. A row goes only when its key can be neither derived nor asked again: a timer's key has its due
moment, and an effect's id the key of what asked for it. Nothing is removed in safe mode.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from models import done_effects, event, history, receipt, safety
from models.clock import engine_now
from models.database import one_at_a_time, reading, writing, writing_lightly
from workers.base.fault_points import fault_point
from workers.base.settings import Settings
from workers.context import Context
from workers.outbox import relay
from workers.safety import safe_mode

LONGEST_SECONDS = 0.02
"""The writer is not held for longer by one batch."""

AIM_SECONDS = LONGEST_SECONDS / 4
"""A batch is made so large that it takes so long: the next one may take a few times as long, on a disk that is busy."""

LEAST, FIRST, MOST = 4, 32, 1000
"""Rows of a batch."""

SHARE = 0.2
"""Of the time, that the writer works for the past."""

RUN_SECONDS = 0.5
"""One run; the next one is a second later."""

LOOK = 1000
"""Rows that are looked at in one go, outside of the writer's transaction."""

AGAIN = timedelta(hours=1)
"""Engine time until effects that had to stay are looked at again."""


@dataclass(frozen=True, slots=True)
class Page:
    """The next rows of a pass: the numbers of those that go, how far it has come, and whether it is done for now."""

    gone: list[int]
    seq: int
    is_end: bool


@dataclass(frozen=True)
class Pass:
    """One way over a table, oldest rows first, for what is kept for one length of time."""

    name: str
    days: Callable[[Settings], int]
    look: Callable[[Connection, int, datetime, int], list[Any]]
    """The next rows by their number: `seq`, `at`, `is_over`; None in place of `is_over` stops the pass there."""
    removal: Callable[[], Any]
    looks_again: bool = False
    """Whether rows that stay may go later, so that the pass begins anew."""


def _history_days(settings: Settings) -> int:
    return settings.history_days


def _bookkeeping_days(settings: Settings) -> int:
    return settings.bookkeeping_days


def _remove_event() -> Any:
    return history.removal(event.EVENTS)


def _remove_receipt() -> Any:
    return history.removal(receipt.RECEIPTS)


EVENTS = "events"
PASSES = (
    Pass("bookkeeping events", _bookkeeping_days, event.look_for_bookkeeping, _remove_event),
    Pass(EVENTS, _history_days, event.look_for_all, _remove_event),
    Pass("bookkeeping receipts", _bookkeeping_days, receipt.look_for_bookkeeping, _remove_receipt),
    Pass("receipts", _history_days, receipt.look_for_unapplied, _remove_receipt),
    Pass("effects", _bookkeeping_days, done_effects.look, done_effects.removal, looks_again=True),
)


class Removal:
    """Removes what is old; one for each clock. Several at once do no harm, and one of them is enough."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.size = FIRST
        self.longest = 0.0

    def run(self) -> int:
        """Work on every pass for a while; how many rows went."""
        with reading(self.context.database) as tx:
            now, at, since = engine_now(tx), history.positions(tx), history.since(tx)
            wanted = [one for one in PASSES if self._is_wanted(tx, one, at.get(one.name, 0), since.get(one.name), now)]
        if not wanted:
            return 0
        with writing(self.context.database) as tx:
            if not safe_mode.allows(tx, self.context, self.context.sanity):
                return 0
        return sum(map(self._pass, wanted))

    def _is_wanted(self, tx: Connection, one: Pass, at: int, since: datetime | None, now: datetime) -> bool:
        """Whether the next row of a pass is old. Rows that had to stay are looked at again after a while."""
        before = self._before(one, now)
        if one.looks_again and at == 0 and since is not None and before < since + AGAIN:
            return False
        return any(row.at < before and row.is_over is not None for row in one.look(tx, at, before, 1))

    def _before(self, one: Pass, now: datetime) -> datetime:
        return now - timedelta(days=one.days(self.context.settings))

    def _pass(self, one: Pass) -> int:
        """Look at pages and remove what is old in them, until the rows are young or the time is over."""
        count, end = 0, time.monotonic() + RUN_SECONDS / len(PASSES)
        while time.monotonic() < end:
            with reading(self.context.database) as tx:
                now, at = engine_now(tx), history.positions(tx).get(one.name, 0)
                before = self._before(one, now)
                page = _next(tx, one, at, before, min(LOOK, self.size * 4))
            page = _first(page, self.size)
            count += self._remove(one, at, page, before)
            if page.is_end:
                break
        if one.name == EVENTS and count:
            relay.trim(self.context, timedelta(days=self.context.settings.history_days))
        return count

    def _remove(self, one: Pass, at: int, page: Page, before: datetime) -> int:
        """One batch in a transaction of its own. A power cut may take it back: then it is done again."""
        seq = 0 if page.is_end and one.looks_again else page.seq
        with writing_lightly(self.context.database) as tx:
            began = time.monotonic()
            one_at_a_time(tx, "history")
            history.begin(tx, one.name)
            if safety.holds(tx) or not history.move_on(tx, one.name, at, seq, before):
                return 0
            count = history.remove(tx, one.removal(), page.gone)
            fault_point("history.removing")
        fault_point("history.removed")
        self._keep_pace(time.monotonic() - began, len(page.gone))
        return count

    def _keep_pace(self, seconds: float, rows: int) -> None:
        """Make the next batch as large as the time allows, and leave the writer to others meanwhile."""
        self.longest = max(self.longest, seconds)
        if rows:
            self.size = max(LEAST, min(MOST, 2 * self.size, int(self.size * AIM_SECONDS / seconds)))
        time.sleep(min(seconds * (1 / SHARE - 1), LONGEST_SECONDS * 4))


def _next(tx: Connection, one: Pass, at: int, before: datetime, limit: int) -> Page:
    """The next rows of a pass, up to the first that is young."""
    rows = one.look(tx, at, before, limit)
    gone: list[int] = []
    seq = at
    for row in rows:
        if row.at >= before or row.is_over is None:
            return Page(gone, seq, is_end=True)
        seq = row.seq
        if row.is_over:
            gone.append(seq)
    return Page(gone, seq, is_end=len(rows) < limit)


def _first(page: Page, size: int) -> Page:
    """As many rows as one batch may remove."""
    if len(page.gone) <= size:
        return page
    return Page(page.gone[:size], page.gone[size - 1], is_end=False)
