"""The end of a try: the effect's row, what the law makes of the report, and the place for whoever waited behind it."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

import engine
from models import admission, claims
from models import effect as effects
from models.clock import engine_now, machine_now
from workers.base.fault_points import fault_point
from workers.commands.apply import AfterCommit, Decisions
from workers.commands.attributes import EFFECT
from workers.commands.effect_report import command_about, judge, write_down
from workers.context import Context
from workers.effects.claim import Claim, EffectResult
from workers.effects.registry import definition_of
from workers.effects.site_lock import Sites

NOTHING_TO_TELL = AfterCommit([], [])


class FailedTry(NamedTuple):
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


class LostError(Exception):
    """Of these claims at least one is another worker's by now."""


class Done(NamedTuple):
    """A claim whose act is done, what its handler reports, and when the act began (monotonic)."""

    claim: Claim
    result: EffectResult
    began: float

    @property
    def fence(self) -> claims.Fence:
        """What tells this try from all others."""
        return self.claim.row.id, self.claim.row.fence


class Settling:
    """Claims being settled together. The transaction may run twice, when the reply to its commit was lost.

    `after` is what is to be told once it is committed; a second run that finds the first committed keeps that.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.after = NOTHING_TO_TELL

    def done(self, all_done: list[Done], tx: Connection, sites: Sites) -> None:
        """Settle what was done, all of it or nothing. Raises LostError when a claim was lost."""
        now = engine_now(tx)
        if claims.close(tx, [done.fence for done in all_done], now):
            self.after = self._written(all_done, tx, now, sites)
        elif not claims.are_closed(tx, [done.fence for done in all_done]):
            raise LostError
        for done in all_done:
            fault_point("effect.settling", done.claim.row.kind)

    def _written(self, all_done: list[Done], tx: Connection, now: datetime, sites: Sites) -> AfterCommit:
        """Each report is judged on what those before it have made of its site."""
        decisions = self._give_on({(done.claim.row.site_id, done.claim.row.lane) for done in all_done}, tx, now)
        for done in all_done:
            site_id = done.claim.row.site_id
            after = write_result(decisions, self.context, done.claim, sites.get(site_id), done.result)
            if after is not None:
                sites[site_id] = after
        return decisions.write()

    def failed(self, claim: Claim, failure: FailedTry, tx: Connection, site: engine.Site | None) -> bool:
        """Write down that a try failed, for a later one or for good; False when the claim was lost."""
        row, now = claim.row, engine_now(tx)
        if failure.again_at is None:
            is_ours = effects.settle(tx, row.id, row.fence, "gave_up", now, failure.error)
        else:
            again_at, counted = failure.again_at, failure.is_counted
            is_ours = effects.put_off(tx, row.id, row.fence, again_at, failure.error, counted=counted)
        self.after = NOTHING_TO_TELL
        if is_ours:
            decisions = self._give_on({(row.site_id, row.lane)}, tx, now)
            write_failure(decisions, self.context, claim, site, failure)
            self.after = decisions.write()
        fault_point("effect.giving_up" if failure.again_at is None else "effect.putting_off")
        return is_ours

    def _give_on(self, freed: set[tuple[str, str]], tx: Connection, now: datetime) -> Decisions:
        """The places go to those that waited for them before the reports' own effects are written: they are older."""
        decisions = Decisions(tx, now, self.context.policy)
        decisions.journal.woken += admission.give_on_all(tx, freed, machine_now())
        return decisions


def write_result(
    decisions: Decisions, context: Context, claim: Claim, site: engine.Site | None, result: EffectResult
) -> engine.Site | None:
    """What follows from a done effect: events, its own rows, what the law makes of it; the site after that."""
    journal, row = decisions.journal, claim.row
    if result.drops_older:
        effects.drop_older(journal.tx, row.site_id, row.id, journal.now)
    _tell(decisions, claim, "effect.done", {**_try(claim), "error": None})
    if result.event is not None:
        _tell(decisions, claim, *result.event)
    if result.command is None:
        return _clear_faults(decisions, context, claim, site)
    command = command_about(row, claim.site.host, result.command, result.data, EFFECT)
    decision = engine.decide(site, command, journal.now, context.policy)
    result.write(journal, decision)
    write_down(decisions, command, decision)
    return decision.site or site


def _clear_faults(decisions: Decisions, context: Context, claim: Claim, site: engine.Site | None) -> engine.Site | None:
    """One of the same kind that gave up before is a fault no more."""
    kind = claim.row.kind
    if site is None or not definition_of(kind).clears_faults or kind not in {fault.kind for fault in site.faults}:
        return site
    command = command_about(claim.row, site.host, "site.effect_done", {"kind": kind}, EFFECT)
    return judge(decisions, context, site, command).site or site


def write_failure(
    decisions: Decisions, context: Context, claim: Claim, site: engine.Site | None, failure: FailedTry
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
