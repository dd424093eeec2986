"""The money side of the ledger: what is owed, asked, taken and given back, added up without asking the law."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

import engine
from tests.model.seen import DAY, SECOND, Seen, must

ENDED_BADLY = ("declined", "error")


@dataclass(slots=True)
class Bill:
    """An invoice, and what became of it."""

    invoice: engine.Invoice
    asked_at: datetime
    asked_by: str
    period: tuple[datetime, datetime]
    status: str = "open"
    paid_at: datetime | None = None

    def covers(self, start: datetime, end: datetime) -> bool:
        """Whether it is for any of these days."""
        return self.period[0] < end and start < self.period[1]


@dataclass(slots=True)
class Try:
    """One payment that was asked for."""

    payment: engine.Payment
    at: datetime
    by: str
    outcome: str = "pending"


class Books:
    """Invoices and payments as they are told, and the card network's own list of what it took."""

    def __init__(self) -> None:
        self.bills: dict[str, Bill] = {}
        self.tries: dict[str, Try] = {}
        self.network: dict[str, int] = {}
        self.asked_currency: dict[str, str] = {}

    def taken(self, args: Mapping[str, Any]) -> None:
        """The card network took money: once per key, and only what was asked."""
        key = args["payment_id"]
        must(key not in self.network, "a payment is taken once", key)
        must(key in self.tries, "only what was asked is taken", key)
        must(args["amount_cents"] == self.tries[key].payment.amount_cents, "what was asked is taken", key)
        self.network[key] = args["amount_cents"]

    def pending(self) -> list[Try]:
        """Payments that nobody has answered yet."""
        return [one for one in self.tries.values() if one.outcome == "pending"]

    def beside(self) -> list[Try]:
        """Payments that were dropped and made after all: nothing was bought with them."""
        return [one for key, one in self.tries.items() if one.outcome == "void" and key in self.network]

    def paid_periods(self) -> list[Bill]:
        """Periods that were paid and not given back."""
        return [one for one in self.bills.values() if one.status == "paid" and one.invoice.kind == "period"]

    def paid_until(self, now: datetime) -> datetime | None:
        """The end of the paid period that a moment lies in."""
        return next((one.period[1] for one in self.paid_periods() if one.period[0] <= now < one.period[1]), None)

    def open_bills(self) -> list[Bill]:
        """Invoices that are neither paid nor closed."""
        return [one for one in self.bills.values() if one.status == "open"]

    def look(self, seen: Seen) -> None:
        """Take down what a decision tells the books, and hold it against the rules of money."""
        for entry in seen.decision.entries:
            match entry:
                case engine.Invoice():
                    self._owed(entry, seen)
                case engine.Payment():
                    self._asked(entry, seen)
                case engine.Answered():
                    self._answered(entry, seen)
                case engine.Closed():
                    self._closed(entry, seen)
        for payment_id in seen.decision.voids:
            self._voided(payment_id)
        self._add_up(seen)

    def _owed(self, invoice: engine.Invoice, seen: Seen) -> None:
        must(invoice.id not in self.bills, "an invoice has an id of its own", invoice.id)
        exact = Fraction(invoice.agents * invoice.unit_price_cents * invoice.seconds, invoice.of_seconds)
        rounded = int(exact + Fraction(1, 2))
        must(invoice.amount_cents == rounded, "an amount recomputes from its columns", f"{invoice} is not {rounded}")
        must(invoice.amount_cents > 0, "nothing is billed where nothing is owed", invoice.id)
        bill = Bill(invoice, seen.now, seen.kind, (invoice.period_start, invoice.period_end))
        if invoice.kind == "period":
            must(invoice.seconds == invoice.of_seconds, "a period is billed as a whole", f"{invoice}")
            twice = [one for one in self.bills.values() if _same_period(one, invoice)]
            must(not twice, "one invoice for a period", f"{invoice.period_start}: {twice}")
        self.bills[invoice.id] = bill

    def _asked(self, payment: engine.Payment, seen: Seen) -> None:
        must(payment.id not in self.tries, "a payment has an id of its own", payment.id)
        must(not self.pending(), "one payment at a time", f"{payment.id} beside {self.pending()}")
        bill = self.bills[payment.invoice_id]
        must(bill.status == "open", "only what is owed is charged", f"{payment.id}: {bill.status}")
        must(payment.amount_cents == bill.invoice.amount_cents, "what is owed is charged", payment.id)
        self.tries[payment.id] = Try(payment, seen.now, seen.kind)
        charge = seen.decision.charge
        must(charge is not None, "the answer says what is charged now", payment.id)
        assert charge is not None
        must(charge.amount_cents == payment.amount_cents, "the answer says the amount that is charged", f"{charge}")
        must(charge.currency == bill.invoice.currency, "what is charged is in the invoice's currency", f"{charge}")
        for effect in seen.decision.effects:
            if effect.kind == "charge":
                asked = effect.args.get("currency", bill.invoice.currency)
                must(asked == bill.invoice.currency, "the card network is asked in the invoice's currency", f"{asked}")

    def _answered(self, answered: engine.Answered, seen: Seen) -> None:
        asked = self.tries[answered.payment_id]
        again = asked.outcome == answered.outcome == "void"  # it was dropped, and made after all
        alarms = [event for event in seen.decision.events if event.type == "alarm.raised"]
        must(not again or alarms, "operators are told of a charge that was dropped and made", f"{answered}")
        must(asked.outcome == "pending" or again, "a payment is answered once", f"{answered}")
        if answered.outcome == "succeeded":
            must(answered.payment_id in self.network, "only what the network took counts as paid", f"{answered}")
        asked.outcome = answered.outcome

    def _voided(self, payment_id: str) -> None:
        must(payment_id not in self.network, "what was taken can't be void", payment_id)
        self.tries[payment_id].outcome = "void"

    def _closed(self, closed: engine.Closed, seen: Seen) -> None:
        bill = self.bills[closed.invoice_id]
        if closed.status == "refunded":
            taken = any(one.payment.invoice_id == closed.invoice_id for one in self.beside())
            must(bill.status == "paid" or taken, "only what was paid is given back", closed.invoice_id)
        else:
            must(bill.status == "open", "an invoice is closed once", f"{closed}: was {bill.status}")
        if closed.status == "paid":
            self._paid(bill, closed, seen)
        bill.status = closed.status

    def _paid(self, bill: Bill, closed: engine.Closed, seen: Seen) -> None:
        payments = [one for one in self.tries.values() if one.payment.invoice_id == closed.invoice_id]
        taken = [one for one in payments if one.payment.id in self.network and one.outcome != "void"]
        must(len(taken) == 1, "an invoice is paid by one charge", f"{closed.invoice_id}: {payments}")
        bill.period, bill.paid_at = closed.period or bill.period, seen.now
        if bill.invoice.kind != "period":
            return
        start, end = bill.period
        twice = [one for one in self.paid_periods() if one is not bill and one.covers(start, end)]
        must(not twice, "no day is paid twice", f"{start} to {end}, and {[one.period for one in twice]}")
        must(28 * DAY <= end - start <= 31 * DAY, "a period is a month", f"{start} to {end}")

    def _add_up(self, seen: Seen) -> None:
        """What the network took is in the books, but for what it is being asked at this moment."""
        paid = sum(one.invoice.amount_cents for one in self.bills.values() if one.paid_at is not None)
        paid += sum(one.payment.amount_cents for one in self.beside())
        waits = sum(cents for key, cents in self.network.items() if self.tries[key].outcome == "pending")
        must(paid + waits == sum(self.network.values()), "all that was taken is in the books", f"{paid} + {waits}")
        known = {one.payment.id for one in self.pending()}
        site = seen.decision.site
        paying = {site.paying.payment_id} if site is not None and site.paying is not None else set()
        must(known == paying, "the payment under way is known to the site", f"{known} and {paying}")


def _same_period(bill: Bill, invoice: engine.Invoice) -> bool:
    living = bill.invoice.kind == "period" and bill.status in {"open", "paid"}
    return living and bill.period[0] == invoice.period_start


def added_amount(agents: int, price_cents: int, now: datetime, period: tuple[datetime, datetime]) -> int:
    """Charge Now: so many agents for the whole seconds that are left of a period, rounded half up."""
    left, whole = (period[1] - now) // SECOND, (period[1] - period[0]) // SECOND
    return int(Fraction(agents * price_cents * left, whole) + Fraction(1, 2))
