"""One effect: claim it, act outside of any transaction, settle it with what it reports."""

import random
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

import engine
from engine.printable import escaped
from engine.words import masked
from models import admission, backup, deletion, site_fault
from models import effect as effects
from models import site as sites
from models.admission import Woken
from models.clock import engine_now, machine_now
from models.database import reading
from models.journal_entries import record, tell, write_receipt
from workers.base.errors import Held, Permanent, Temporary, Unknown
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.base.masking import hidden
from workers.commands import log_lines
from workers.commands.answer import answer
from workers.context import Context
from workers.effects.claim import Claim, EffectResult
from workers.effects.compensation import compensate, tell_late
from workers.effects.delete import receipt_of
from workers.effects.lease import keeping
from workers.effects.registry import HANDLERS
from workers.effects.site_lock import with_site_lock
from workers.outbox import relay, wake_ups

MOST_ATTEMPTS = 12
BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(minutes=10)
TAKEN_OVER = "another worker has taken it over"
KNOWN = (Permanent, Temporary, Unknown, OSError)


def run(context: Context, effect_id: str) -> None:
    """Do one try of an effect, if it may be done now and nobody else does it."""
    work = _claim(context, effect_id)
    if work is None:
        return
    fault_point("effect.claimed", work.row.kind)
    started = time.monotonic()
    try:
        with keeping(context, work.row):
            report = _act(context, work)
        fault_point("effect.acted", work.row.kind)
        ours, woken = _done(context, work, report)
    except Exception as wrong:  # noqa: BLE001 - whatever it is, it is tried so often and then shown to operators
        _not_done(context, work, wrong, started)
        return
    word, lost = ("done", None) if ours else ("rescued", TAKEN_OVER)
    log_lines.effect(word, work.row, work.site, _ms(started), error=lost)
    if not ours:
        woken = tell_late(context, work, report)
    _after(context, work, woken, ours=ours)


def _act(context: Context, work: Claim) -> EffectResult:
    """Do it, unless its time is over."""
    if work.row.attempt > MOST_ATTEMPTS:
        raise Permanent(f"{MOST_ATTEMPTS} workers died or were stopped while they did it")
    if work.site.state in {"deleting", "deleted"} and work.row.kind not in {"delete", "mail"}:
        raise Permanent(f"the site is {work.site.state}: nothing is made again")
    return HANDLERS[work.row.kind](context, work)


def _claim(context: Context, effect_id: str) -> Claim | None:
    """The site comes first: whoever decides about it then knows what is claimed, and no other claim is under way."""
    with reading(context.database) as tx:
        known = effects.find(tx, effect_id)
    return None if known is None else with_site_lock(context, known.site_id, partial(_claim_of_site, context, known))


def _claim_of_site(context: Context, known: Any, tx: Connection, site: engine.Site | None) -> Claim | None:
    if site is None:
        raise LookupError(f"effect {known.id} belongs to site {known.site_id}, which is not there")
    now = engine_now(tx)
    row = effects.claim(tx, known.id, machine_now(), context.lease)
    if row is None:
        admission.step_back(tx, known.id)
    fault_point("effect.claiming", known.kind)
    return None if row is None else Claim(row, site, now)


def _done(context: Context, work: Claim, report: EffectResult) -> tuple[bool, list[Woken]]:
    """Settle what was done; a claim that was taken over meanwhile is the other one's to settle."""
    return with_site_lock(context, work.site.id, partial(_settle, context, work, report))


def _settle(
    context: Context, work: Claim, report: EffectResult, tx: Connection, _site: engine.Site | None
) -> tuple[bool, list[Woken]]:
    """A commit whose reply was lost is found settled by this claim: the sweep announces what followed from it.

    The place goes to those that waited for it before the report's own effects are written: they are older.
    """
    now = engine_now(tx)
    ours = effects.settle(tx, work.row.id, work.row.fence, "done", now)
    woken = _give_on(tx, work) + _report(tx, context, work, report, now) if ours else []
    fault_point("effect.settling", work.row.kind)
    return ours or _was_settled(tx, work), woken


def _give_on(tx: Connection, work: Claim) -> list[Woken]:
    return admission.give_on(tx, work.site.id, work.row.lane, machine_now())


def _was_settled(tx: Connection, work: Claim) -> bool:
    row = effects.find(tx, work.row.id)
    return row is not None and row.status == "done" and row.fence == work.row.fence


def _report(tx: Connection, context: Context, work: Claim, report: EffectResult, now: datetime) -> list[Woken]:
    """What follows from a done effect: rows, the law's command, events; the effects that are to be announced."""
    if report.backup is not None:
        backup.note_backup(tx, {**report.backup, "verified_at": now})
        if report.backup["purpose"] == "nightly":
            effects.forget_failed(tx, work.site.id, "back_up.nightly", now)
    if report.command == "site.suspension_noticed":
        effects.forget_failed(tx, work.site.id, "mail.suspension_near", now)
    if report.command == "site.restored":
        effects.forget_failed(tx, work.site.id, "restore", now)
    if report.removed:
        backup.drop(tx, report.removed)
    if report.export is not None:
        backup.note_export(tx, {**report.export, "ready_at": now})
    _tell(
        tx,
        work,
        "effect.done",
        {"effect": work.row.id, "kind": work.row.kind, "attempt": work.row.attempt, "error": None},
        now,
    )
    if report.event is not None:
        _tell(tx, work, *report.event, now)
    if report.command is None:
        return _make_up(tx, context, work, now)
    return apply(tx, context, work, report.command, report.data, now)[1]


def _make_up(tx: Connection, context: Context, work: Claim, now: datetime) -> list[Woken]:
    """One of the same that gave up before is a fault no more; a letter makes up for no other letter."""
    site = sites.find(tx, work.site.id)
    if site is None or work.row.kind == "mail" or work.row.kind not in {fault.kind for fault in site.faults}:
        return []
    return apply(tx, context, work, "site.effect_done", {"kind": work.row.kind}, now)[1]


def apply(
    tx: Connection, context: Context, work: Claim, kind: str, data: dict[str, Any], now: datetime
) -> tuple[engine.Decision, list[Woken]]:
    """Let the law judge what an effect reports, in the transaction that settles it."""
    site = sites.find(tx, work.site.id)
    command = engine.Command(
        type=kind,
        source="tenure:effect",
        id=f"{work.row.id}:{work.row.fence}:{kind}",
        data=data,
        cause=(work.row.cause_source, work.row.cause_id),
        correlation_id=work.row.correlation_id,
        host=work.site.host,
    )
    decision = engine.decide(site, command, now, context.policy)
    woken = record(tx, command, decision, now, context.policy)
    write_receipt(tx, command, decision, now, "", answer(command, decision, subject=work.site.host))
    if decision.outcome == "applied" and kind == "site.site_deleted":
        _close_the_ledger(tx, work, data, now)
    for event in decision.events:
        _tell(tx, work, event.type, dict(event.data), now)
    log_lines.move(command, decision)
    log_lines.alarms(decision)
    return decision, woken


def _close_the_ledger(tx: Connection, work: Claim, data: dict[str, Any], now: datetime) -> None:
    """The receipt of a deletion, and the rows of what no longer exists."""
    kept = len(backup.backups_of(tx, work.site.id))
    written = deletion.chain(tx, work.site.id, receipt_of(work.site, data, kept, now), now)
    backup.forget(tx, work.site.id)
    site_fault.forget(tx, work.site.id)
    _tell(tx, work, "site.deleted", written, now)


def _not_done(context: Context, work: Claim, wrong: Exception, started: float) -> None:
    """Try again later with backoff and jitter, or give up where everybody can see it."""
    held, error = isinstance(wrong, Held), _sentence(wrong)
    gives_up = isinstance(wrong, Permanent) or (work.row.attempt >= MOST_ATTEMPTS and not held)
    again = None if gives_up else machine_now() + _pause(work, wrong)
    ours, woken = with_site_lock(context, work.site.id, partial(_give_back, context, work, error, again, held))
    fault_point("effect.gave_up" if gives_up else "effect.put_off")
    word = "gave_up" if gives_up else "held" if held else "failed"
    if not ours:  # whose try it is now has cleared away what this one had made
        word, error, again = "rescued", TAKEN_OVER, None
    log_lines.effect(word, work.row, work.site, _ms(started), error=error, again=again)
    if not isinstance(wrong, KNOWN):
        log.error("alarm", effect=work.row.kind, effect_id=work.row.id, error=error, exc_info=wrong)
    _after(context, work, woken, ours=ours)


def _give_back(
    context: Context,
    work: Claim,
    error: str,
    again: datetime | None,
    held: bool,
    tx: Connection,
    _site: engine.Site | None,
) -> tuple[bool, list[Woken]]:
    """Write down that a try failed: for a later one at `again`, or None for good."""
    now, woken = engine_now(tx), []
    if again is None:
        ours = effects.settle(tx, work.row.id, work.row.fence, "gave_up", now, error)
        woken = _give_on(tx, work) + _give_up(tx, context, work, error, now) if ours else []
    else:
        ours = effects.put_off(tx, work.row.id, work.row.fence, again, error, counted=not held)
        woken = _give_on(tx, work) if ours else []
        if ours and not held:
            _tell(tx, work, "effect.failed", _failure(work, error), now)
    fault_point("effect.giving_up" if again is None else "effect.putting_off")
    return ours, woken


def _give_up(tx: Connection, context: Context, work: Claim, error: str, now: datetime) -> list[Woken]:
    _tell(tx, work, "effect.gave_up", _failure(work, error), now)
    if work.args.get("purpose") == "nightly":
        effects.forget_failed(tx, work.site.id, "back_up.nightly", now, but=work.row.id)
    kind = "site.provision_failed" if work.row.kind == "provision" else "site.gave_up"
    decision, woken = apply(tx, context, work, kind, _what(work, error), now)
    if decision.outcome == "no_op":
        effects.drop(tx, work.row.id, now)
    return woken


def _what(work: Claim, error: str) -> dict[str, Any]:
    """What the law hears of an effect that gave up."""
    row, args = work.row, work.args
    more = {name: args.get(name) for name in ("purpose", "to", "payment_id")}
    return (
        {"effect": row.id, "kind": row.kind, "about": effects.about(args), "generation": row.generation}
        | more
        | {"error": error}
    )


def _sentence(wrong: Exception) -> str:
    """What went wrong, in one line; a surprise is named by its type."""
    if isinstance(wrong, Held):
        return f"{wrong.prefix}{escaped(hidden(masked(str(wrong))))}"
    text = hidden(masked(str(wrong)))
    first = next(iter(text.splitlines()), "")
    return escaped(text if isinstance(wrong, KNOWN) else f"{type(wrong).__name__}: {first}"[:300])


def _pause(work: Claim, wrong: Exception) -> timedelta:
    return timedelta(seconds=wrong.again_seconds) if isinstance(wrong, Held) else backoff(work.row.attempt)


def backoff(attempt: int) -> timedelta:
    """Twice as long each time, with jitter so that a herd spreads; machine time."""
    longest: timedelta = min(BACKOFF * 2 ** (attempt - 1), LONGEST_BACKOFF)
    share: float = random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    return longest * share


def _failure(work: Claim, error: str) -> dict[str, Any]:
    return {"effect": work.row.id, "kind": work.row.kind, "attempt": work.row.attempt, "error": error}


def _tell(tx: Connection, work: Claim, kind: str, data: dict[str, Any], now: datetime) -> None:
    tell(
        tx,
        kind,
        data,
        now,
        host=work.site.host,
        site_id=work.site.id,
        cause=work.row.cause_id,
        correlation_id=work.row.correlation_id,
    )


def _after(context: Context, work: Claim, woken: list[Woken], *, ours: bool) -> None:
    """Wake whoever has work now: new effects, those that waited behind this one, the stream."""
    fault_point("effect.settled", work.row.kind)
    if not ours:
        compensate(context, work)
    wake_ups.offer(context, woken)
    fault_point("effect.announced", work.row.kind)
    relay.publish_soon(context)


def _ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
