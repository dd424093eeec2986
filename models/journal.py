"""Writing decisions down: what one transaction decided, gathered, and written with few statements."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

import engine
from models import admission, effect, event, invoices, letter, receipt, site, timer
from models.clock import machine_now
from models.columns import SerializedJson
from models.timestamps import stamp

Values = dict[str, Any]
"""A row that is to be written, by column."""

LaneOf = Callable[[str], str]
"""The lane of an effect, by its kind."""


@dataclass(slots=True)
class Change:
    """A site as it was read, and as it is after all that was decided about it here."""

    before: engine.Site | None
    after: engine.Site
    timers: Mapping[str, datetime]

    def facts(self) -> Values:
        """What is another than it was, by name; of a new site nothing was."""
        return {} if self.before is None else engine.changed_facts(self.before, self.after)


class Journal:
    """All that a transaction's decisions change. Many of them cost little more than one.

    A site is written once, from what was read to what was decided last; everything else in the order of its decisions.
    Nothing is in the database before `write`; whoever asks the database about a site of the journal writes first.
    `woken` has, once it is written, the effects whose wake-ups are to be sent after the commit.
    """

    def __init__(self, tx: Connection, now: datetime, policy: engine.Policy, lane_of: LaneOf) -> None:
        self.tx = tx
        self.lane_of = lane_of
        self.now = now
        self.stamp = stamp(now)
        self.policy = policy
        self.changes: dict[str, Change] = {}
        self.money: list[tuple[str, engine.Invoice | engine.Payment]] = []
        self.effects: list[Values] = []
        self.woken: list[admission.Woken] = []
        self.receipts: list[Values] = []
        self.events: list[Values] = []
        self.letters: list[Values] = []

    def record(self, command: engine.Command, decision: engine.Decision) -> None:
        """Take in a decision; one that changes nothing leaves nothing. The receipt's form is its caller's to know."""
        after = decision.site
        if decision.outcome != "applied" or after is None:
            return
        if _looks_back(decision):
            self.write()
        self._change(decision.before, after, decision.timers)
        self._book(after.id, decision)
        if decision.voids:
            effect.void(self.tx, decision.voids, after.id, self.now)
            self.woken += admission.give_on(self.tx, after.id, effect.MONEY, machine_now())
        if decision.revives:
            effect.revive(self.tx, after, decision.revives, self.now, self.policy)
            self.woken += admission.admit(self.tx, after.id, effect.LANES, machine_now())
        if gone := _let_go(decision):
            effect.let_go(self.tx, gone, self.now)
        self.effects += effect.rows_of(after, command, decision.effects, self.now, machine_now(), self.lane_of)

    def answered(
        self, command: engine.Command, decision: engine.Decision, digest: str, answer: SerializedJson | None
    ) -> None:
        """Remember that a command was answered, and how; `answer` is its JSON, None where nobody can ask again."""
        before, shown = decision.before, decision.site or decision.before
        self.receipts.append(
            {
                "source": command.source,
                "id": command.id,
                "site_id": shown.id if shown else None,
                "type": command.type,
                "digest": digest,
                "at": self.now,
                "from_state": before.state if before else None,
                "to_state": shown.state if shown else None,
                "outcome": decision.outcome,
                "code": decision.code,
                "answer": answer,
            }
        )

    def tell(
        self,
        kind: str,
        data: Mapping[str, Any] | SerializedJson,
        *,
        host: str,
        site_id: str | None,
        cause: str | None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
    ) -> None:
        """Tell others, as a CloudEvent; the publisher sends it after the commit. `data` that is text has its site.

        A letter that went out is written down as well: its event is removed one day, and the letter stays.
        """
        if kind == letter.SENT and isinstance(data, Mapping) and site_id is not None:
            self.letters.append({"site_id": site_id, "name": data["letter"], "at": self.now, "facts": data["facts"]})
        where = {"host": host, "site_id": site_id, "cause": cause, "correlation_id": correlation_id}
        self.events.append(event.cloud_event(kind, data, self.now, self.stamp, reply_to=reply_to, **where))

    def write(self) -> None:
        """Put everything into the database, and begin a new page."""
        if self.changes:
            changes = [(change, change.facts()) for change in self.changes.values()]
            site.put_all(self.tx, [(change.before, change.after, facts) for change, facts in changes])
            timer.rewrite_all(self.tx, [self._timers(change, facts) for change, facts in changes], self.now)
        invoices.add_all(self.tx, self.money, self.now)
        self.woken += admission.add_all(self.tx, self.effects)
        receipt.add_all(self.tx, self.receipts)
        event.add(self.tx, self.events)
        letter.add_all(self.tx, self.letters)
        self.changes, self.money, self.effects, self.receipts, self.events, self.letters = {}, [], [], [], [], []

    def _change(self, before: engine.Site | None, after: engine.Site, timers: Mapping[str, datetime]) -> None:
        known = self.changes.get(after.id)
        if known is None:
            is_same = before is not None and before.id == after.id
            self.changes[after.id] = Change(before if is_same else None, after, timers)
        else:
            known.after, known.timers = after, timers

    def _book(self, site_id: str, decision: engine.Decision) -> None:
        """Bills and tries are gathered; what closes or answers one looks at its row."""
        for entry in decision.entries:
            if isinstance(entry, engine.Invoice | engine.Payment):
                self.money.append((site_id, entry))
            else:
                invoices.add_all(self.tx, self.money, self.now)
                self.money = []
                invoices.settle(self.tx, entry, self.now)

    def _timers(self, change: Change, facts: Values) -> timer.Rewrite:
        """Most commands change nothing that a timer looks at: then those of before are not derived."""
        same = change.before is not None and engine.UNTIMED.issuperset(facts)
        before = change.timers if same else engine.timers(change.before, self.policy)
        begins = "generation" in facts
        return timer.Rewrite(change.after.id, change.after.generation, before, change.timers, begins)


def _looks_back(decision: engine.Decision) -> bool:
    """Whether writing it needs the rows of what was decided before it."""
    closes = any(isinstance(entry, engine.Closed | engine.Answered) for entry in decision.entries)
    return closes or bool(decision.voids) or bool(decision.revives) or bool(_let_go(decision))


def _let_go(decision: engine.Decision) -> set[str]:
    """The effects that gave up and are no fault any more: nobody need try them again."""
    before, after = decision.before, decision.site
    if before is None or after is None or before.faults is after.faults:
        return set()
    return {fault.effect for fault in before.faults} - {fault.effect for fault in after.faults} - {""}
