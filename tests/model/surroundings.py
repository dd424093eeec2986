"""The world around one site: its clock, its card network, its host, its settings, and what waits to be done."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import engine
from tests.model.story import View

START = datetime(2026, 1, 29, 9, 30, 0, 123_456, tzinfo=UTC)
TICK = timedelta(microseconds=1)
QUIET = "back_up_nightly"
"""Nightly backups are nine timers out of ten and decide nothing that the ledger knows."""


class Surroundings:
    """What a story changes without asking anybody; `_settle` and `_fire` are the walk's."""

    def __init__(self) -> None:
        self.now = START
        self.settings = engine.Policy()
        self.site: engine.Site | None = None
        self.timers: dict[str, datetime] = {}
        self.put_off: dict[tuple[str, datetime], datetime] = {}
        self.waiting: list[engine.Effect] = []
        self.gone: list[tuple[int, engine.Effect]] = []
        self.dropped: list[engine.Effect] = []
        self.claimed: set[str] = set()
        self.network = "ok"
        self.away: set[str] = set()
        self.used = 1

    def view(self) -> View:
        """What a teller of stories looks at."""
        site = self.site
        if site is None:
            return View("absent", 0, "")
        return View(site.state, site.plan_agents or 0, site.payment_method or "pm_one")

    def do_network(self, mode: str) -> None:
        """The card network behaves otherwise from now on."""
        self.network = mode
        self._settle()

    def do_claim(self) -> None:
        """A worker takes the charge that waits, and hears nothing."""
        for effect in self._charges():
            self.claimed.add(effect.args["payment_id"])

    def do_use(self, agents: int) -> None:
        """Agents are added and removed in the site: the host allows no more than the law has told it."""
        if self.site is not None and self.site.online:
            self.used = min(agents, max(self.used, self.site.agents_allowed))

    def do_set(self, name: str, value: Any) -> None:
        """A setting changes."""
        known = {"retention": timedelta(days=value)} if name == "retention_days" else {name: value}
        self.settings = replace(self.settings, **known)

    def do_away(self, kind: str) -> None:
        """A kind of effect waits from now on."""
        self.away.add(kind)

    def do_back(self) -> None:
        """Everything that was away is back."""
        self.away.clear()
        self._settle()

    def do_due(self) -> None:
        """On to the next due moment, and all that it fires."""
        due = self._next_due()
        if due is not None:
            self._live_until(max(due[1], self.now))

    def do_almost(self) -> None:
        """On to the microsecond before the next due moment."""
        due = self._next_due()
        if due is not None:
            self.now = max(self.now, due[1] - TICK)

    def do_pass(self, seconds: float) -> None:
        """Time passes, and what becomes due is fired in order."""
        self._live_until(self.now + timedelta(seconds=seconds))

    def do_silence(self, seconds: float) -> None:
        """Time passes and nobody looks."""
        self.now += timedelta(seconds=seconds)

    def _live_until(self, moment: datetime) -> None:
        while (due := self._next_due()) and due[1] <= moment:
            self.now = max(self.now, due[1])
            self._fire(due[0])
        self.now = max(moment, self.now)

    def _next_due(self) -> tuple[str, datetime] | None:
        asked = ((kind, max(at, self.put_off.get((kind, at), at))) for kind, at in self.timers.items() if kind != QUIET)
        return min(asked, key=lambda one: (one[1], one[0]), default=None)

    def _charges(self) -> list[engine.Effect]:
        return [one for one in self.waiting if one.kind == "charge"]

    def _settle(self) -> None:
        """Do what waits and can be done."""
        raise NotImplementedError

    def _fire(self, kind: str) -> None:
        """Ask the law what a timer asks."""
        raise NotImplementedError
