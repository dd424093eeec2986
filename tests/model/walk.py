"""One site's walk through a story: `decide` is asked, the world around it answers late, and a ledger looks on."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import engine
from tests.model.ledger import Ledger
from tests.model.seen import Seen
from tests.model.story import AWAY, Step, View, steps

START = datetime(2026, 1, 29, 9, 30, 0, 123_456, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
HOST = "acme.example.com"
NOTICES = {"deletion_in_48_hours": "notice_sent", "suspension_near": "suspension_noticed"}
REPORTS = {"export": "export_ready", "back_up": "backup_verified", "restore": "restored"}
QUIET = "back_up_nightly"
"""Nightly backups are nine timers out of ten and decide nothing that the ledger knows."""


class Walk:
    """The world of one site: its clock, its card network, its host, its post and its settings."""

    parts: tuple[str, ...] = AWAY

    def __init__(self) -> None:
        self.now = START
        self.settings = engine.Policy()
        self.site: engine.Site | None = None
        self.timers: dict[str, datetime] = {}
        self.put_off: dict[tuple[str, datetime], datetime] = {}
        self.waiting: list[engine.Effect] = []
        self.gone: list[tuple[int, engine.Effect]] = []
        self.claimed: set[str] = set()
        self.network = "ok"
        self.away: set[str] = set()
        self.used = 1
        self.ids = count(1)
        self.ledger = Ledger()
        self.commands = 0

    def view(self) -> View:
        """What a teller of stories looks at."""
        site = self.site
        if site is None:
            return View("absent", 0, "")
        return View(site.state, site.plan_agents or 0, site.payment_method or "pm_one")

    def story(self, seed: object, asks: int) -> Iterator[Step]:
        """Random steps for this walk, and the end to which they all come."""
        yield from steps(Random(f"{type(self).__name__} {seed}"), self.view, asks, self.parts)
        yield ("finish",)

    def do(self, step: Step) -> None:
        """Live through one step."""
        verb, *given = step
        getattr(self, f"do_{verb}")(*given)

    def do_ask(self, kind: str, data: dict[str, Any]) -> None:
        """A command from outside; what this version does not know is never asked."""
        if f"site.{kind}" not in engine.PUBLIC:
            return
        if kind == "record_refund":
            data = {"invoice": self.ledger.books.latest_paid(), "reference": "r", "reason": "asked"}
        self.commands += 1
        self._judge(kind, data, "tests", f"c{next(self.ids)}")

    def do_network(self, mode: str) -> None:
        """The card network behaves otherwise from now on."""
        self.network = mode
        self._settle()

    def do_claim(self) -> None:
        """A worker takes the charge that waits, and hears nothing."""
        for effect in self._charges():
            self.claimed.add(effect.args["payment_id"])

    def do_answer(self, outcome: str) -> None:
        """The card network answers the oldest charge that was claimed."""
        for effect in self._charges()[:1]:
            self._answer(effect, outcome)
        self._settle()

    def do_give_up(self) -> None:
        """The oldest effect that waits gives up, charges and deletions aside."""
        gone = next((one for one in self.waiting if one.kind in {"export", "back_up", "restore", "mail"}), None)
        if gone is not None:
            self.waiting.remove(gone)
            self.gone.append((self.site.generation if self.site else 0, gone))
            self._report(gone, "gave_up", {"kind": gone.kind, "error": "no room"})

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

    def do_finish(self) -> None:
        """Everything answers, operators let go, the customer leaves: the site must come to its end."""
        self.network = "ok"
        self.do_claim()
        for _ in self._charges():
            self.do_answer("ok")
        self.do_back()
        for kind in ("release", "resume", "cancel", "retry"):
            self.do_ask(kind, {})
        self._live_until(self.now + timedelta(days=62))
        self.ledger.ended(self.site, self.now, self.timers)

    def _live_until(self, moment: datetime) -> None:
        while (due := self._next_due()) and due[1] <= moment:
            self.now = max(self.now, due[1])
            self._fire(due[0])
        self.now = max(moment, self.now)

    def _next_due(self) -> tuple[str, datetime] | None:
        asked = ((kind, max(at, self.put_off.get((kind, at), at))) for kind, at in self.timers.items() if kind != QUIET)
        return min(asked, key=lambda one: (one[1], one[0]), default=None)

    def _fire(self, kind: str) -> None:
        """As the clock does: one that does nothing is asked again an hour later."""
        at = self.timers[kind]
        site_id, generation = (self.site.id, self.site.generation) if self.site else ("", 0)
        decision = self._judge(kind, {"due_at": at}, engine.CLOCK, f"{site_id}:{kind}:{generation}:{at.isoformat()}")
        if decision.outcome != "applied":
            self.put_off[kind, at] = self.now + HOUR

    def _judge(self, kind: str, data: dict[str, Any], source: str, key: str, **more: Any) -> engine.Decision:
        command = engine.Command(f"site.{kind}", source, key, data, host=HOST, **more)
        command = command._replace(new_site_id=f"site_{next(self.ids)}", backups=self._backups(kind))
        before = self._as_production_sees_it(command.type)
        decision = engine.decide(before, command, self.now, self.settings)
        self.ledger.look(Seen(command, before, decision, self.now, self.settings, self.used))
        if decision.outcome == "applied":
            self._happen(decision)
        return decision

    def _backups(self, kind: str) -> tuple[engine.Kept, ...] | None:
        wanted = kind in {"restore", QUIET}
        return (engine.Kept("bkp_1", "nightly", self.now - timedelta(days=1)),) if wanted else None

    def _as_production_sees_it(self, kind: str) -> engine.Site | None:
        site = self.site
        if site is None:
            return None
        if kind in engine.COUNTED and site.ready_at is not None:
            site = replace(site, used_agents=self.used)
        if site.paying is not None:
            claimed = site.paying.payment_id in self.claimed
            site = replace(site, paying=replace(site.paying, claimed=claimed))
        return site

    def _happen(self, decision: engine.Decision) -> None:
        was, self.site = self.site, decision.site
        if was is None or self.site is None or was.id != self.site.id:
            self.used = 1
            self.waiting.clear()
        self.timers = dict(decision.timers)
        voided = set(decision.voids)
        self.waiting = [one for one in self.waiting if one.args.get("payment_id") not in voided]
        self.waiting += decision.effects
        if decision.revives == "everything" and self.site is not None:
            self._revive(self.site.generation)
        self._settle()

    def _revive(self, generation: int) -> None:
        """What gave up in this generation is tried again; a restore is asked for anew."""
        self.waiting += [one for of, one in self.gone if of == generation and one.kind != "restore"]
        self.gone.clear()

    def _settle(self) -> None:
        """Do what waits and can be done, oldest first."""
        while ready := next((one for one in self.waiting if not self._waits(one)), None):
            self._act(ready)

    def _waits(self, effect: engine.Effect) -> bool:
        if effect.kind == "charge":
            if self.network == "silent":
                self.claimed.add(effect.args["payment_id"])
            return self.network in {"silent", "busy"} or effect.args["payment_id"] in self.claimed
        held = self.site is not None and self.site.held_for is not None
        farewell = effect.kind == "delete" or str(effect.args.get("letter")).startswith("deletion")
        return effect.kind in self.away or (held and farewell)

    def _act(self, effect: engine.Effect) -> None:
        if effect.kind == "charge":
            self._answer(effect, self.network)
            return
        self.waiting.remove(effect)
        if effect.kind == "mail" and effect.args["letter"] in NOTICES:
            self._report(effect, NOTICES[effect.args["letter"]], dict(effect.args))
        elif effect.kind == "provision":
            self._report(effect, "provisioned", {})
        elif effect.kind == "delete":
            self._report(effect, "site_deleted", {"removed": {}})
        elif effect.kind in REPORTS:
            kept = {"id": "x_1", "url": "file:///x", "bytes": 1, "sha256": "0"}
            self._report(effect, REPORTS[effect.kind], {**effect.args, **kept})

    def _charges(self) -> list[engine.Effect]:
        return [one for one in self.waiting if one.kind == "charge"]

    def _answer(self, effect: engine.Effect, outcome: str) -> None:
        """The card network's word on one charge, booked there before we hear of it."""
        self.waiting.remove(effect)
        self.claimed.add(effect.args["payment_id"])
        said = {**effect.args, "card_label": "Visa 4242", "reference": "r", "decline_code": None, "retry": None}
        if outcome == "ok":
            self.ledger.books.taken(effect.args)
            self._report(effect, "charge_succeeded", {**said, "status": "succeeded"})
        else:
            self._report(effect, "charge_declined", {**said, **self._declines(effect, outcome)})

    def _declines(self, _effect: engine.Effect, outcome: str) -> dict[str, Any]:
        return {"status": "declined", "decline_code": "no_money", "retry": outcome}

    def _report(self, effect: engine.Effect, kind: str, data: dict[str, Any]) -> None:
        self._judge(kind, data, f"effect:{effect.kind}", f"{effect.id}:{kind}:{next(self.ids)}")
