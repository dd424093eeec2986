"""One site's walk through a story: `decide` is asked, the world around it answers late, and a ledger looks on."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import engine
from tests.model.books import Bill
from tests.model.ledger import Ledger
from tests.model.seen import Seen
from tests.model.story import AWAY, Step, steps
from tests.model.surroundings import QUIET, Surroundings

HOUR = timedelta(hours=1)
HOST = "acme.example.com"
NOTICES = {"deletion_in_48_hours": "notice_sent", "suspension_near": "suspension_noticed"}
REPORTS = {"export": "export_ready", "back_up": "backup_verified", "restore": "restored"}


class Walk(Surroundings):
    """The world of one site: its clock, its card network, its host, its post and its settings."""

    parts: tuple[str, ...] = AWAY

    def __init__(self) -> None:
        super().__init__()
        self.ids = count(1)
        self.ledger = Ledger()
        self.commands = 0

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
        self.commands += 1
        if kind == "record_refund":
            self._refund(str(data["invoice"]))
        else:
            self._judge(kind, data, "tests", f"c{next(self.ids)}")

    def _refund(self, which: str) -> None:
        """An operator says that money went back; the command comes with the invoice as the books have it."""
        paid = [bill for bill in self.ledger.books.bills.values() if bill.paid_at is not None]
        chosen = {"the first": paid[:1], "the last": paid[-1:]}.get(which, [])
        bill = chosen[0] if chosen else None
        data = {"invoice": bill.invoice.id if bill else which, "reference": "r", "reason": "asked"}
        self._judge("record_refund", data, "tests", f"c{next(self.ids)}", bill=_as_the_law_reads_it(bill))

    def do_answer(self, outcome: str) -> None:
        """The card network answers the oldest charge that was claimed."""
        for effect in self._charges()[:1]:
            self._answer(effect, outcome)
        self._settle()

    def do_give_up(self) -> None:
        """The oldest effect that waits gives up, deletions and buildings aside."""
        kinds = {"export", "back_up", "restore", "mail", "charge"}
        gone = next((one for one in self.waiting if one.kind in kinds), None)
        if gone is not None and self.site is not None:
            self.waiting.remove(gone)
            self.gone.append((self.site.generation, gone))
            self._report(gone, "gave_up", {**_about(gone), "error": "no room"})

    def do_drop(self) -> None:
        """An operator drops a charge that gave up; nobody knows whether it was made."""
        for generation, gone in [one for one in self.gone if one[1].kind == "charge"][:1]:
            self.gone.remove((generation, gone))
            self.dropped.append(gone)
            self._report(gone, "effect_dropped", _about(gone))

    def do_late(self) -> None:
        """A charge that was dropped was made after all."""
        for effect in self.dropped[:1]:
            self.dropped.remove(effect)
            self.ledger.books.taken(effect.args)
            said = {**effect.args, "card_label": "Visa 4242", "reference": "r", "status": "succeeded"}
            self._report(effect, "charge_succeeded", said)

    def do_finish(self) -> None:
        """Everything answers, operators let go, the customer leaves: the site must come to its end."""
        self.network = "ok"
        self.do_claim()
        for _ in self._charges():
            self.do_answer("ok")
        self.do_back()
        self.do_drop()
        for kind in ("release", "resume", "cancel", "retry"):
            self.do_ask(kind, {})
        self._live_until(self.now + timedelta(days=62))
        self.ledger.ended(self.site, self.now, self.timers)

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
            for left in (self.waiting, self.gone, self.dropped):
                left.clear()
        self.timers = dict(decision.timers)
        voided = set(decision.voids)
        self.waiting = [one for one in self.waiting if one.args.get("payment_id") not in voided]
        self.waiting += decision.effects
        if decision.revives == "everything" and self.site is not None:
            self._revive(self.site.generation)
        self._settle()

    def _revive(self, generation: int) -> None:
        """What gave up in this generation is tried again; a restore is asked for anew."""
        again = [one for one in self.gone if one[0] == generation and one[1].kind != "restore"]
        self.gone = [one for one in self.gone if one not in again]
        self.waiting += [effect for _, effect in again]

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
        others = effect.kind == "delete" and any(one is not effect for one in self.waiting)  # it comes last
        return effect.kind in self.away or (held and farewell) or others

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


def _about(effect: engine.Effect) -> dict[str, Any]:
    """What the law hears of an effect that an operator or a worker gave up."""
    args = effect.args
    more = {name: args.get(name) for name in ("purpose", "to", "payment_id")}
    about = args.get("letter") or args.get("purpose") or ""
    return {
        "effect": effect.id,
        "kind": effect.kind,
        "about": about,
        "generation": int(effect.id.split(":")[1]),
        **more,
    }


def _as_the_law_reads_it(bill: Bill | None) -> engine.Bill | None:
    if bill is None:
        return None
    own = bill.invoice
    return engine.Bill(own.id, own.kind, bill.status, own.agents, own.amount_cents, own.currency, *bill.period)
