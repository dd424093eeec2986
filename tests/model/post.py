"""A walk whose letters are written by the real code, late or early, and checked at the moment at which they leave."""

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

import engine
from models import invoices
from models.columns import to_json
from tests.model.books import Bill
from tests.model.ledger import Ledger
from tests.model.letters_checked import check
from tests.model.letters_read import Declined, Document, Leaving
from tests.model.seen import Seen, must
from tests.model.story import Step
from tests.model.walk import Walk
from workers.adapters.mailer import Mail
from workers.base.errors import Held
from workers.effects import mail as correspondence
from workers.effects.claim import Claim
from workers.effects.letters import letter

CODES = {
    "later": ("insufficient_funds", "do_not_honor"),
    "never": ("stolen_card", "lost_card", "fraudulent"),
    "new_card": ("expired_card",),
    "customer": ("authentication_required",),
}
AWAY = ("mail", "mail", "mail", "mail", "export", "back_up", "provision")
"""What is away in a life of letters: most often the mail server, for hours or days."""


class BooksOnly(Ledger):
    """A ledger that keeps the books and judges nothing."""

    def look(self, seen: Seen) -> None:
        """Take down what is owed and paid."""
        if seen.applied:
            if seen.kind == "start_trial":
                self.__init__()  # type: ignore[misc]
            self.books.look(seen)


class Post(Walk):
    """One site whose letters go through `workers.effects.mail`; its card network has codes, its downloads links."""

    parts: tuple[str, ...] = AWAY

    def __init__(self) -> None:
        super().__init__()
        self.ledger = BooksOnly()
        self.contact = ""
        self.exports: list[str] = []
        self.asked: dict[str, datetime] = {}
        self.held_back: set[str] = set()
        self.numbers: dict[str, int] = {}
        self.declined: list[Declined] = []
        self.sent: Counter[str] = Counter()
        self.receipts: Counter[str] = Counter()
        self.unsent: Counter[str] = Counter()
        self.lost = 0

    def _happen(self, decision: engine.Decision) -> None:
        site = decision.site
        assert site is not None
        if self.site is None or self.site.id != site.id:
            self.exports, self.numbers, self.receipts = [], {}, Counter()
        self.contact = site.email or self.contact
        self.held_back.clear()
        self.asked |= {effect.id: self.now for effect in decision.effects}
        for bill in self.ledger.books.bills.values():
            if bill.invoice.numbered or bill.status == "paid":
                self.numbers.setdefault(bill.invoice.id, len(self.numbers) + 1)
        super()._happen(decision)

    def _declines(self, effect: engine.Effect, outcome: str) -> dict[str, Any]:
        codes = CODES[outcome]
        args = effect.args
        invoice = self.ledger.books.bills[args["invoice_id"]].invoice
        self.declined.append(Declined(self.now, invoice.id, invoice.currency, invoice.amount_cents))
        return {"status": "declined", "decline_code": codes[len(self.declined) % len(codes)], "retry": outcome}

    def _report(self, effect: engine.Effect, kind: str, data: dict[str, Any]) -> None:
        if kind == "export_ready":
            data = {**data, "id": effect.id, "url": f"file:///{effect.id}.zip"}
            self.exports.append(data["url"])
        super()._report(effect, kind, data)

    def do(self, step: Step) -> None:
        """Live through one step; what was held back is asked again."""
        self.held_back.clear()
        super().do(step)

    def _waits(self, effect: engine.Effect) -> bool:
        if effect.kind == "mail":
            return "mail" in self.away or effect.id in self.held_back
        return super()._waits(effect)

    def _act(self, effect: engine.Effect) -> None:
        if effect.kind != "mail":
            if effect.kind == "delete" and self.site is not None:
                self._say_deleted()
            super()._act(effect)
            return
        self.waiting.remove(effect)
        report = self._write(effect)
        if report is not None and report.command is not None:
            self._report(effect, report.command.removeprefix("site."), dict(report.data))

    def _write(self, effect: engine.Effect) -> Any:
        """What a worker does with one letter; None if it is held back."""
        assert self.site is not None
        args = json.loads(to_json(dict(effect.args)))
        own = {"id": effect.id, "args": args, "asked_at": self.asked[effect.id], "fence": 1, "kind": "mail"}
        row = SimpleNamespace(**own, generation=int(effect.id.split(":")[1]))
        shipped = SimpleNamespace(letters_dir=None)
        place = SimpleNamespace(policy=self.settings, mailer=self, database=self, agents=self, settings=shipped)
        before = sum(self.sent.values())
        try:
            report = correspondence.mail(place, Claim(row, self.site, self.now))  # type: ignore[arg-type]
        except Held:
            self.waiting.append(effect)
            self.held_back.add(effect.id)
            return None
        if sum(self.sent.values()) == before:
            self.unsent[effect.args["letter"]] += 1
        return report

    def do_give_up(self) -> None:
        """The oldest effect that waits gives up, and its letter with it."""
        self.lost += any(one.kind == "mail" for one in self.waiting)
        super().do_give_up()

    def do_finish(self) -> None:
        """Everything is back: who paid has a receipt, and one only."""
        super().do_finish()
        paid = {str(self.numbers[bill.invoice.id]) for bill in self.ledger.books.bills.values() if bill.paid_at}
        if not self.lost:
            must(self.receipts == Counter(paid), "one receipt for each payment", f"{self.receipts}, paid {paid}")

    def ask(self, site_ids: Iterable[str]) -> dict[str, int]:
        """How many agents are in use, as the host says."""
        return dict.fromkeys(site_ids, self.used)

    def send(self, mail: Mail) -> None:
        """The letter leaves: its facts are those of this moment."""
        leaving = Leaving(mail, self.document(), self.now, self.contact, tuple(self.declined))
        check(leaving)
        self.sent[leaving.kind] += 1
        if leaving.kind == "receipt":
            self.receipts[leaving.receipt] += 1

    def document(self) -> Document:
        """The site as its customer sees it, with the books of the ledger."""
        site = self.site
        assert site is not None
        plan = None
        if site.plan_agents is not None and site.state != "trial":
            names = {"agents": site.plan_agents, "next_agents": site.next_agents}
            plan = {**names, "price_cents": site.price_cents, "currency": site.currency}
        dates = ("trial_ends_at", "period_ends_at", "cancels_at", "cancelled_at", "deletes_at")
        return {
            "site": site.host,
            "state": site.state,
            "online": site.online,
            "agents_allowed": site.agents_allowed,
            "used_agents": self.used,
            "plan": plan,
            **{name: getattr(site, name) for name in dates},
            "hold": site.held_for,
            "waived": site.waived,
            "noticed": site.notice_sent_at is not None,
            "paying": site.paying,
            "suspended_for": site.suspended_for,
            "next": self.timers,
            "exports": self.exports,
            "invoices": [self._invoice(bill) for bill in self.ledger.books.bills.values()],
        }

    def _invoice(self, bill: Bill) -> Document:
        names = ("id", "currency", "amount_cents", "unit_price_cents", "agents", "kind", "reason")
        facts = {name: getattr(bill.invoice, name) for name in names}
        start, end = bill.period
        number = self.numbers.get(bill.invoice.id)
        return {**facts, "status": bill.status, "period_start": start, "period_end": end, "number": number}

    def row(self, invoice_id: str) -> Any:
        """A row of the books, as a receipt reads it."""
        invoice = self.ledger.books.bills[invoice_id].invoice
        row = self._invoice(self.ledger.books.bills[invoice_id])
        return SimpleNamespace(**row, seconds=invoice.seconds, of_seconds=invoice.of_seconds)

    def _say_deleted(self) -> None:
        assert self.site is not None
        facts = {**correspondence.about(self.site), "deleted_at": self.now}
        written = letter("deleted", facts)
        self.send(Mail(f"{self.site.id}:deleted", self.site.email, written.subject, written.body, self.now))


def without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receipts are read from the walk's own books."""
    monkeypatch.setattr(correspondence, "reading", nullcontext)
    monkeypatch.setattr(invoices, "invoice", lambda post, invoice_id: post.row(invoice_id))
