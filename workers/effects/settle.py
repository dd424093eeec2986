"""The end of a try: the effect's row, what the law makes of the report, and the place for whoever waited behind it."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

import engine
from models import admission
from models import effect as effects
from models.clock import engine_now, machine_now
from workers.base.fault_points import fault_point
from workers.commands.apply import AfterCommit, Decisions
from workers.commands.attributes import EFFECT
from workers.commands.effect_report import command_about, judge, write_down
from workers.context import Context
from workers.effects.claim import Claim, EffectResult
from workers.effects.registry import definition_of

NOTHING_TO_TELL = AfterCommit([], [])


class Failure(NamedTuple):
    """Why a try failed, in one line, and when the next one may begin (machine time); None: it gives up."""

    error: str
    again_at: datetime | None
    is_held: bool
    is_counted: bool = True
    """Whether the try uses up one of those that the effect has."""

    @property
    def word(self) -> str:
        """What the log calls it."""
        return "gave_up" if self.again_at is None else "held" if self.is_held else "failed"


class Settling:
    """One claim being settled. Its transaction may run twice, when the reply to its commit was lost.

    `after` is what is to be told once it is committed; a second run that finds the first committed keeps that.
    """

    def __init__(self, context: Context, claim: Claim) -> None:
        self.context = context
        self.claim = claim
        self.after = NOTHING_TO_TELL

    def done(self, result: EffectResult, tx: Connection, site: engine.Site | None) -> bool:
        """Settle what was done; False when the claim was lost."""
        row, now = self.claim.row, engine_now(tx)
        if effects.settle(tx, row.id, row.fence, "done", now):
            decisions = self._give_on(tx, now)
            write_result(decisions, self.context, self.claim, site, result)
            self.after = decisions.write()
            is_ours = True
        else:
            is_ours = self._was_settled(tx)
            self.after = self.after if is_ours else NOTHING_TO_TELL
        fault_point("effect.settling", row.kind)
        return is_ours

    def failed(self, failure: Failure, tx: Connection, site: engine.Site | None) -> bool:
        """Write down that a try failed, for a later one or for good; False when the claim was lost."""
        row, now = self.claim.row, engine_now(tx)
        if failure.again_at is None:
            is_ours = effects.settle(tx, row.id, row.fence, "gave_up", now, failure.error)
        else:
            again_at, counted = failure.again_at, failure.is_counted
            is_ours = effects.put_off(tx, row.id, row.fence, again_at, failure.error, counted=counted)
        self.after = NOTHING_TO_TELL
        if is_ours:
            decisions = self._give_on(tx, now)
            write_failure(decisions, self.context, self.claim, site, failure)
            self.after = decisions.write()
        fault_point("effect.giving_up" if failure.again_at is None else "effect.putting_off")
        return is_ours

    def _give_on(self, tx: Connection, now: datetime) -> Decisions:
        """The place goes to those that waited for it before the report's own effects are written: they are older."""
        decisions = Decisions(tx, now, self.context.policy)
        row = self.claim.row
        decisions.journal.woken += admission.give_on(tx, row.site_id, row.lane, machine_now())
        return decisions

    def _was_settled(self, tx: Connection) -> bool:
        """Whether an earlier run of this transaction was committed after all."""
        row = effects.find(tx, self.claim.row.id)
        return row is not None and row.status == "done" and row.fence == self.claim.row.fence


def write_result(
    decisions: Decisions, context: Context, claim: Claim, site: engine.Site | None, result: EffectResult
) -> None:
    """What follows from a done effect: events, its own rows, what the law makes of it."""
    journal, row = decisions.journal, claim.row
    if result.drops_older:
        effects.drop_older(journal.tx, row.site_id, row.id, journal.now)
    _tell(decisions, claim, "effect.done", {**_try(claim), "error": None})
    if result.event is not None:
        _tell(decisions, claim, *result.event)
    if result.command is None:
        _clear_faults(decisions, context, claim, site)
        return
    command = command_about(row, claim.site.host, result.command, result.data, EFFECT)
    decision = engine.decide(site, command, journal.now, context.policy)
    result.write(journal, decision)
    write_down(decisions, command, decision)


def _clear_faults(decisions: Decisions, context: Context, claim: Claim, site: engine.Site | None) -> None:
    """One of the same kind that gave up before is a fault no more."""
    kind = claim.row.kind
    if site is None or not definition_of(kind).clears_faults or kind not in {fault.kind for fault in site.faults}:
        return
    judge(decisions, context, site, command_about(claim.row, site.host, "site.effect_done", {"kind": kind}, EFFECT))


def write_failure(
    decisions: Decisions, context: Context, claim: Claim, site: engine.Site | None, failure: Failure
) -> None:
    """What follows from a failed try: an event, and for one that gave up what the law makes of it."""
    if failure.again_at is not None:
        if not failure.is_held:
            _tell(decisions, claim, "effect.failed", {**_try(claim), "error": failure.error})
        return
    _tell(decisions, claim, "effect.gave_up", {**_try(claim), "error": failure.error})
    journal, row, definition = decisions.journal, claim.row, definition_of(claim.row.kind)
    if definition.failure_drops_older(claim.args):
        effects.drop_older(journal.tx, row.site_id, row.id, journal.now)
    command = command_about(row, claim.site.host, definition.gave_up, _what_gave_up(claim, failure.error), EFFECT)
    if judge(decisions, context, site, command).outcome == "no_op":
        effects.drop(journal.tx, row.id, journal.now)


def _what_gave_up(claim: Claim, error: str) -> dict[str, Any]:
    """What the law hears of an effect that gave up."""
    row, args = claim.row, claim.args
    about_it = {"effect": row.id, "kind": row.kind, "about": effects.about(args), "generation": row.generation}
    return {**about_it, **{name: args.get(name) for name in ("purpose", "to", "payment_id")}, "error": error}


def _try(claim: Claim) -> dict[str, Any]:
    return {"effect": claim.row.id, "kind": claim.row.kind, "attempt": claim.row.attempt}


def _tell(decisions: Decisions, claim: Claim, kind: str, data: dict[str, Any]) -> None:
    decisions.journal.tell(
        kind,
        data,
        host=claim.site.host,
        site_id=claim.site.id,
        cause=claim.row.cause_id,
        correlation_id=claim.row.correlation_id,
    )
