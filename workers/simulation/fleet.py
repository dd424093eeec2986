"""The simulated fleet: sites, a virtual clock, and effects that take a while and are then reported."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

import engine
from workers.simulation.invariants import Promises
from workers.simulation.population import wishes

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DURATIONS = {
    "provision": timedelta(minutes=3),
    "export": timedelta(minutes=20),
    "back_up": timedelta(minutes=10),
    "charge": timedelta(seconds=5),
    "delete": timedelta(minutes=1),
    "mail": timedelta(seconds=1),
}
SLOW_SHARE = 0.03
"""How many effects take days and not minutes."""

Step = tuple[datetime, int, str, tuple[Any, ...]]


class Fleet:
    """Everything that happens, in the order of its moments; the same seed makes the same history."""

    def __init__(self, sites: int, days: int, seed: int, *, backups: bool, policy: engine.Policy) -> None:
        self.random = Random(f"tenure {seed}")
        self.policy = policy
        self.backups = backups
        self.end = START + timedelta(days=days)
        self.now = START
        self.sites: dict[str, engine.Site] = {}
        self.timers: dict[str, dict[str, datetime]] = {}
        self.promises = Promises()
        self.steps: list[Step] = []
        self.numbers = count()
        self.commands = 0
        self.decisions = 0
        self.states: Counter[str] = Counter()
        self.voided: set[str] = set()
        self.per_month: dict[str, Counter[str]] = {}
        self.deletions: Counter[str] = Counter()
        self.charges: Counter[str] = Counter()
        self.invoices: dict[str, engine.Invoice] = {}
        for number in range(sites):
            self._arrive(number, timedelta(days=days))

    def _arrive(self, number: int, horizon: timedelta) -> None:
        """A customer comes, most in the first half of the time, with all that it will ever ask."""
        at = START + self.random.random() ** 2 * horizon
        site_id = f"site_{number:08d}"
        self._later(
            at, "ask", site_id, "site.start_trial", {"account": f"a{number}", "email": f"c{number}@example.com"}
        )
        for wish in wishes(self.random, horizon):
            self._later(at + wish.after, "ask", site_id, wish.type, wish.data)

    def _later(self, at: datetime, what: str, *details: Any) -> None:
        if at < self.end:
            heappush(self.steps, (at, next(self.numbers), what, details))

    def run(self) -> None:
        """Live until the end, then let the checker look for what was forgotten."""
        month = START
        while self.steps:
            at, _, what, details = heappop(self.steps)
            while at >= month:
                self.per_month[f"{month:%Y-%m}"] = Counter(self.states)
                month = (month + timedelta(days=32)).replace(day=1)
            self.now = at
            getattr(self, f"_{what}")(*details)
        self.promises.finished(self.commands, self._overdue())

    def _ask(self, site_id: str, kind: str, data: dict[str, Any]) -> None:
        """A command from outside; one in twenty comes twice."""
        self.commands += 1
        command = self._command(site_id, kind, data, "customer", str(self.commands))
        decision = self._decide(site_id, command)
        self.promises.answered("customer", command.id, moved=decision.outcome == "applied")
        if decision.outcome == "applied":
            self._note_wish(site_id, kind, data)
        if self.random.random() < 0.05:
            self.promises.answered("customer", command.id, moved=False)  # the receipt answers it again

    def _note_wish(self, site_id: str, kind: str, data: dict[str, Any]) -> None:
        match kind:
            case "site.hold" | "site.release":
                self.promises.held(site_id, on=kind == "site.hold")
            case "site.waive":
                self.promises.waived(site_id, data["guard"])
            case "site.extend_trial":
                self.promises.extended(site_id, data["days"], self.now)

    def _fire(self, site_id: str, kind: str, due: datetime) -> None:
        """A timer's moment has come, unless it was changed or cancelled meanwhile."""
        if self.timers[site_id].get(kind) != due:
            return
        command = self._command(
            site_id, f"site.{kind}", {"due_at": due}, "clock", f"{site_id}:{kind}:{due.isoformat()}"
        )
        decision = self._decide(site_id, command)
        if decision.outcome == "applied":
            self.promises.fired(site_id, kind, due, self.now)
        else:
            self._later(self.now + HOUR, "fire", site_id, kind, due)

    def _report(self, site_id: str, effect: engine.Effect, generation: int, asked_at: datetime) -> None:
        """An effect is done; the law hears of it."""
        args = effect.args
        match effect.kind:
            case "provision":
                bad = self.random.random() < 0.01
                self._tell(
                    site_id, effect, "site.provision_failed" if bad else "site.provisioned", {"error": "no room"}
                )
            case "export":
                if args["generation"] == self.sites[site_id].generation == generation:
                    self.promises.exported(site_id, self.now)
                self._tell(site_id, effect, "site.export_ready", {**args, "url": "file:///x", "bytes": 1, "sha256": ""})
            case "back_up":
                if args["purpose"] == "final" and args["generation"] == self.sites[site_id].generation:
                    self.promises.backed_up(site_id)
                self._tell(site_id, effect, "site.backup_verified", args)
            case "charge":
                self._charge(site_id, effect)
            case "mail":
                self._mail(site_id, effect, engine.Letter(args["letter"], args, asked_at, generation))
            case "delete":
                self._tell(site_id, effect, "site.site_deleted", {"removed": {}})

    def _mail(self, site_id: str, effect: engine.Effect, letter: engine.Letter) -> None:
        """A letter leaves if it still stands; the law hears of those without which something may not happen."""
        if not letter.stands(self.sites[site_id], self.now, self.policy):
            return
        if letter.name == "suspension_near":
            self.promises.threatened(site_id, self.now)
            self._tell(site_id, effect, "site.suspension_noticed", effect.args)
        if letter.name == "deletion_in_48_hours":
            self.promises.noticed(site_id, self.now)
            self._tell(site_id, effect, "site.notice_sent", effect.args)

    def _charge(self, site_id: str, effect: engine.Effect) -> None:
        if effect.args["payment_id"] in self.voided:
            return
        card = effect.args["payment_method"] or ""
        declined = card in {"pm_declined", "pm_stolen"} or (card == "pm_flaky" and self.random.random() < 0.3)
        said = {**effect.args, "card_label": card, "decline_code": "no" if declined else None}
        said |= {"retry": "never" if card == "pm_stolen" else "later" if declined else None, "reference": "x"}
        self._tell(site_id, effect, f"site.charge_{'declined' if declined else 'succeeded'}", said)

    def _tell(self, site_id: str, effect: engine.Effect, kind: str, data: Any) -> None:
        self._decide(site_id, self._command(site_id, kind, data, "effect", f"{effect.id}:{kind}:{next(self.numbers)}"))

    def _command(self, site_id: str, kind: str, data: Any, source: str, key: str) -> engine.Command:
        return engine.Command(kind, source, key, data, host=f"{site_id[5:]}.example.com", new_site_id=site_id)

    def _decide(self, site_id: str, command: engine.Command) -> engine.Decision:
        """Ask the law, and let happen what it decided."""
        site = self._looked_at(site_id, command)
        decision = engine.decide(site, command, self.now, self.policy)
        self.decisions += 1
        self.voided.update(decision.voids)
        after = decision.site
        if decision.outcome == "applied" and after is not None:
            self.sites[site_id] = after
            self._note_money(site_id, decision)
            if _first_decline(after) not in {None, _first_decline(site)}:
                self.promises.fell_behind(site_id, self.now)
            self._note_state(site_id, site, after)
            self._set_timers(site_id, decision)
            for effect in decision.effects:
                if effect.kind in DURATIONS:
                    at = self.now + self._duration(effect)
                    self._later(at, "report", site_id, effect, after.generation, self.now)
        return decision

    def _looked_at(self, site_id: str, command: engine.Command) -> engine.Site | None:
        """What production looks at before it decides: the agents in use, and whether a worker has taken the charge."""
        site = self.sites.get(site_id)
        if site is None or command.source == "effect":
            return site
        counted = command.type in engine.COUNTED and self.random.random() < 0.3
        used = self.random.randint(1, site.agents_allowed + 2) if counted else None
        claimed = site.paying is not None and (site.paying.claimed or self.random.random() < 0.5)
        return engine.with_live_facts(site, used_agents=used, claimed=claimed)

    def _duration(self, effect: engine.Effect) -> timedelta:
        """Mostly quick; now and then a store, a mail server or a card network is away for days."""
        if self.random.random() >= SLOW_SHARE or effect.kind in {"provision", "delete"}:
            return DURATIONS[effect.kind]
        return self.random.uniform(0, 3 if effect.kind == "charge" else 20) * timedelta(days=1)

    def _note_state(self, site_id: str, before: engine.Site | None, after: engine.Site) -> None:
        was = before.state if before else None
        if was == after.state:
            return
        self.states[after.state] += 1
        if was is not None:
            self.states[was] -= 1
        if after.state == "deleted":
            self.deletions[f"{self.now:%Y-%m-%d}"] += 1
        self.promises.moved(site_id, after.state, self.now, by_operator=after.suspended_reason is not None)

    def _note_money(self, site_id: str, decision: engine.Decision) -> None:
        """Invoices are remembered until they are paid; then the checker sees the charge."""
        for entry in decision.entries:
            if isinstance(entry, engine.Invoice):
                self.invoices[entry.id] = entry
            elif isinstance(entry, engine.Closed) and entry.status == "paid":
                bill = self.invoices[entry.invoice_id]
                period = entry.period or (bill.period_start, bill.period_end)
                self.charges[f"{self.now:%Y-%m-%d}"] += 1
                self.promises.charged(site_id, bill.id, bill.kind, bill.agents, bill.amount_cents, period, self.now)

    def _set_timers(self, site_id: str, decision: engine.Decision) -> None:
        timers = dict(decision.timers)
        if not self.backups:
            timers.pop("back_up_nightly", None)
        known = self.timers.get(site_id, {})
        for kind, due in timers.items():
            if known.get(kind) != due or due <= self.now:
                self._later(max(due, self.now), "fire", site_id, kind, due)
        self.timers[site_id] = timers

    def _overdue(self) -> list[str]:
        """Timers whose moment has passed although nothing holds them."""
        late = self.end - 2 * HOUR
        return [
            f"{kind} of {site_id}, due {due}"
            for site_id, timers in self.timers.items()
            for kind, due in timers.items()
            if due < late and self.sites[site_id].held_for is None and kind != "delete"
        ]


def _first_decline(site: engine.Site | None) -> datetime | None:
    return None if site is None or site.owed is None else site.owed.declined_at
