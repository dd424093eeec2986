"""A laboratory for the law: `decide`, a clock that the test sets, and effects that are done at once or left waiting."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count

import engine

T0 = datetime(2026, 1, 1, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
POLICY = engine.Policy()
HOST = "acme.example.com"


class Lab:
    """One hostname. Cards that begin with `pm_declined` are declined, `pm_silent` is never answered."""

    def __init__(self, now=T0, policy=POLICY):
        self.now, self.policy, self.site = now, policy, None
        self.stuck = set()  # kinds of effects that are left waiting
        self.retry = "later"  # what a decline allows
        self.effects, self.letters, self.events, self.fired, self.waiting = [], [], [], [], []
        self.invoices, self.payments, self.put_off = {}, {}, {}
        self.backups = (engine.Kept("bkp_1", "nightly", now - DAY),)
        self.ids = count(1)

    # Asking

    def judge(self, kind, data=None, **more):
        command = engine.Command(
            f"site.{kind}", "tests", f"c{next(self.ids)}", data or {}, host=HOST, new_site_id=f"site_{next(self.ids)}"
        )
        books = {
            "backups": self.backups if kind == "restore" else None,
            "bill": self.bill(data.get("invoice")) if kind == "record_refund" and data else None,
        }
        return engine.decide(self.site, command._replace(**{**books, **more}), self.now, self.policy)

    def bill(self, invoice_id):
        """An invoice as the books have it, None if there is none."""
        row = self.invoices.get(invoice_id)
        if row is None:
            return None
        one = row["invoice"]
        start, end = row.get("period", (one.period_start, one.period_end))
        return engine.Bill(one.id, one.kind, row["status"], one.agents, one.amount_cents, one.currency, start, end)

    def say(self, kind, /, **data):
        """Decide, take it down, and do the effects that are not left waiting."""
        return self.take(self.judge(kind, data))

    def take(self, decision):
        if decision.outcome == "applied":
            self.site = decision.site
            self._book(decision)
            self.events += decision.events
            self.effects += [effect.kind for effect in decision.effects]
            for effect in decision.effects:
                if effect.kind == "mail":
                    self.letters.append((effect.args["letter"], dict(effect.args)))
            voided = set(decision.voids)
            self.waiting = [one for one in self.waiting if one.args.get("payment_id") not in voided]
            self.waiting += decision.effects
            self.settle()
        return decision

    def settle(self):
        """Do what waits and is not stuck, oldest first."""
        while ready := next((one for one in self.waiting if not self._is_stuck(one)), None):
            self.waiting.remove(ready)
            report = self._done(ready)
            if report:
                self.say(report[0], **report[1])

    def _is_stuck(self, effect):
        silent = effect.kind == "charge" and str(effect.args["payment_method"]).startswith("pm_silent")
        return silent or effect.kind in self.stuck or effect.args.get("letter") in self.stuck

    def _done(self, effect):
        """What an effect reports when it is done, None for those that say nothing."""
        args = dict(effect.args)
        kept = {**args, "id": "x_1", "url": "file:///x", "bytes": 1, "sha256": "0"}
        if effect.kind == "charge":
            return self._charged(args)
        notices = {"deletion_in_48_hours": "notice_sent", "suspension_near": "suspension_noticed"}
        return {
            "provision": ("provisioned", {}),
            "export": ("export_ready", kept),
            "back_up": ("backup_verified", kept),
            "restore": ("restored", args),
            "mail": (notices[args["letter"]], args) if args.get("letter") in notices else None,
            "delete": ("site_deleted", {"removed": {}}),
        }.get(effect.kind)

    def _charged(self, args):
        declined = str(args["payment_method"]).startswith("pm_declined")
        said = {**args, "reference": "r", "card_label": "Visa 4242"}
        if declined:
            return "charge_declined", {**said, "status": "declined", "decline_code": "no_money", "retry": self.retry}
        return "charge_succeeded", {**said, "status": "succeeded"}

    def answer(self, outcome, **more):
        """What the card network says to the payment under way, whenever the test wants."""
        effect = next(one for one in self.waiting if one.kind == "charge")
        self.waiting.remove(effect)
        return self.say(f"charge_{outcome}", **{**effect.args, "card_label": "Visa 4242", **more})

    def claim(self):
        """A worker has taken the charge under way."""
        self.site = engine.with_live_facts(self.site, used_agents=None, claimed=True)

    def use(self, agents):
        self.site = engine.with_live_facts(self.site, used_agents=agents, claimed=False)

    def _book(self, decision):
        for entry in decision.entries:
            match entry:
                case engine.Invoice():
                    assert entry.id not in self.invoices
                    self.invoices[entry.id] = {"status": "open", "invoice": entry, "at": self.now}
                case engine.Closed():
                    self.invoices[entry.invoice_id]["status"] = entry.status
                    if entry.period:
                        self.invoices[entry.invoice_id]["period"] = entry.period
                case engine.Payment():
                    assert entry.id not in self.payments
                    self.payments[entry.id] = {"outcome": "pending", "payment": entry, "at": self.now}
                case engine.Answered():
                    self.payments[entry.payment_id]["outcome"] = entry.outcome

    # Living

    def timers(self):
        return engine.timers(self.site, self.policy)

    def due(self):
        """The next timer that may be asked, by its moment."""
        asked = {kind: max(at, self.put_off.get((kind, at), at)) for kind, at in self.timers().items()}
        return min(asked.items(), key=lambda one: (one[1], one[0]), default=None)

    def fire(self, kind):
        """Fire one timer now, as the clock does; a held one is asked again an hour later."""
        at = self.timers()[kind]
        decision = self.judge(kind, {"due_at": at}, source="tenure:clock", id=f"{kind}:{self.site.generation}:{at}")
        if decision.outcome == "applied":
            self.fired.append(kind)
        else:
            self.put_off[(kind, at)] = self.now + HOUR
        return self.take(decision)

    def advance(self, *, expecting=None, **length):
        """Live through every due moment; `expecting` names exactly the timers that fire, nightly backups aside."""
        return self.advance_to(self.now + timedelta(**length), expecting=expecting)

    def advance_to(self, moment, *, expecting=None):
        already = len(self.fired)
        while (due := self.due()) and due[1] <= moment:
            self.now = max(self.now, due[1])
            self.fire(due[0])
        self.now = max(moment, self.now)
        if expecting is not None:
            assert [kind for kind in self.fired[already:] if kind != "back_up_nightly"] == expecting
        return self

    def jump(self, **length):
        """Time passes and nobody looks: a silence."""
        self.now += timedelta(**length)
        return self

    # Looking

    def statuses(self):
        return [row["status"] for row in self.invoices.values()]

    def amounts(self):
        return [row["invoice"].amount_cents for row in self.invoices.values()]

    def paid(self):
        """The periods that are paid, as the books have them."""
        rows = [row for row in self.invoices.values() if row["status"] == "paid"]
        rows = [row for row in rows if row["invoice"].kind == "period"]
        return [row.get("period", (row["invoice"].period_start, row["invoice"].period_end)) for row in rows]

    def attention(self):
        """What operators are told, "" when all is well."""
        return engine.attention(self.site) or ""

    def letter(self, name):
        """The facts of the latest letter of a kind."""
        return next(facts for letter, facts in reversed(self.letters) if letter == name)

    def sent(self):
        return Counter(letter for letter, _ in self.letters)


def at(standing, **more):
    """A lab whose site stands somewhere, by the way that a customer would take."""
    lab = Lab(**more)
    STANDINGS[standing](lab)
    return lab


def _provisioning(lab):
    lab.stuck = {"provision"}
    lab.say("start_trial", account="acme", email="owner@acme.example")


def _failed(lab):
    _provisioning(lab)
    lab.waiting.clear()
    lab.say("provision_failed", kind="provision", error="no room")


def _trial(lab):
    lab.say("start_trial", account="acme", email="owner@acme.example")


def _trial_subscribed(lab):
    _trial(lab)
    lab.say("subscribe", agents=3, payment_method="pm_ok")


def _active(lab):
    _trial_subscribed(lab)
    lab.advance(days=30)


def _past_due(lab):
    _trial(lab)
    lab.say("subscribe", agents=3, payment_method="pm_declined")
    lab.advance(days=30)


def _nonpayment(lab):
    _past_due(lab)
    lab.advance(days=7)


def _operator(lab):
    _active(lab)
    lab.say("suspend", reason="abuse")


def _cancelled(lab):
    _active(lab)
    lab.say("cancel")


def _expired(lab):
    _trial(lab)
    lab.advance(days=30)


def _deleting(lab):
    _expired(lab)
    lab.stuck = {"delete"}
    lab.advance(days=14)


def _deleted(lab):
    _expired(lab)
    lab.advance(days=14)


STANDINGS = {
    "provisioning": _provisioning,
    "failed": _failed,
    "trial": _trial,
    "trial_subscribed": _trial_subscribed,
    "active": _active,
    "past_due": _past_due,
    "nonpayment": _nonpayment,
    "operator": _operator,
    "cancelled": _cancelled,
    "expired": _expired,
    "deleting": _deleting,
    "deleted": _deleted,
}
