"""One effect: claim it, act outside of any transaction, settle it with what it reports."""

import random
import time
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

import engine
from models import backup, deletion
from models import effect as effects
from models import site as sites
from models.clock import engine_now, machine_now
from models.database import writing
from models.record import record, tell, write_receipt
from workers import announce, narrate
from workers.acts import ACTS, Report, Work, receipt_of
from workers.answer import answer
from workers.errors import Permanent, Temporary, Unknown
from workers.lease import keeping
from workers.workplace import Workplace

MOST_ATTEMPTS = 12
BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(minutes=10)


def run(place: Workplace, effect_id: str) -> None:
    """Do one try of an effect, if it may be done now and nobody else does it."""
    work = _claim(place, effect_id)
    if work is None:
        return
    started = time.monotonic()
    try:
        with keeping(place, work.row):
            report = ACTS[work.row.kind](place, work)
    except (Permanent, Temporary, Unknown, OSError) as wrong:
        _not_done(place, work, wrong, started)
        return
    _done(place, work, report, started)


def _claim(place: Workplace, effect_id: str) -> Work | None:
    with writing(place.database) as tx:
        row = effects.claim(tx, effect_id, machine_now(), place.lease)
        if row is None:
            return None
        site = sites.find(tx, row.site_id)
        if site is None:
            raise LookupError(f"effect {effect_id} belongs to site {row.site_id}, which is not there")
        return Work(row, site, engine_now(tx))


def _done(place: Workplace, work: Work, report: Report, started: float) -> None:
    """Settle what was done; a claim that was taken over meanwhile is the other one's to settle."""
    with writing(place.database) as tx:
        now = engine_now(tx)
        ours = effects.settle(tx, work.row.id, work.row.fence, "done", now)
        decisions = _report(tx, place, work, report, now) if ours else []
    word = "done" if ours else "rescued"
    narrate.effect(word, work.row, work.site, _ms(started), error=None if ours else "another worker has taken it over")
    _after(place, work.site.id, decisions)


def _report(tx: Connection, place: Workplace, work: Work, report: Report, now: datetime) -> list[engine.Decision]:
    """What follows from a done effect: rows, the law's command, events."""
    if report.backup is not None:
        backup.note_backup(tx, report.backup)
    if report.export is not None:
        backup.note_export(tx, report.export)
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
        return []
    return [apply(tx, place, work, report.command, report.data, now)]


def apply(
    tx: Connection, place: Workplace, work: Work, kind: str, data: dict[str, Any], now: datetime
) -> engine.Decision:
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
    decision = engine.decide(site, command, now, place.policy)
    record(tx, command, decision, now, place.policy)
    write_receipt(tx, command, decision, now, "", answer(command, decision, subject=work.site.host))
    if decision.outcome == "applied" and kind == "site.site_deleted":
        _close_the_ledger(tx, work, data, now)
    for event in decision.events:
        _tell(tx, work, event.type, dict(event.data), now)
    narrate.move(command, decision)
    return decision


def _close_the_ledger(tx: Connection, work: Work, data: dict[str, Any], now: datetime) -> None:
    """The receipt of a deletion, and the rows of what no longer exists."""
    kept = len(backup.backups_of(tx, work.site.id))
    written = deletion.chain(tx, work.site.id, receipt_of(work.site, data, kept, now), now)
    backup.forget(tx, work.site.id)
    _tell(tx, work, "site.deleted", written, now)


def _not_done(place: Workplace, work: Work, wrong: Exception, started: float) -> None:
    """Try again later with backoff and jitter, or give up where everybody can see it."""
    gives_up = isinstance(wrong, Permanent) or work.row.attempt >= MOST_ATTEMPTS
    again = None if gives_up else machine_now() + backoff(work.row.attempt)
    with writing(place.database) as tx:
        now = engine_now(tx)
        decisions = _give_up(tx, place, work, wrong, now) if again is None else _put_off(tx, work, wrong, again, now)
    word = "gave_up" if gives_up else "failed"
    narrate.effect(word, work.row, work.site, _ms(started), error=str(wrong), again=again)
    _after(place, work.site.id, decisions)


def _put_off(tx: Connection, work: Work, wrong: Exception, again: datetime, now: datetime) -> list[engine.Decision]:
    if effects.put_off(tx, work.row.id, work.row.fence, again, str(wrong)):
        _tell(tx, work, "effect.failed", _failure(work, wrong), now)
    return []


def _give_up(tx: Connection, place: Workplace, work: Work, wrong: Exception, now: datetime) -> list[engine.Decision]:
    if not effects.settle(tx, work.row.id, work.row.fence, "gave_up", now, str(wrong)):
        return []
    _tell(tx, work, "effect.gave_up", _failure(work, wrong), now)
    kind = "site.provision_failed" if work.row.kind == "provision" else "site.gave_up"
    return [apply(tx, place, work, kind, {"kind": work.row.kind, "error": str(wrong)}, now)]


def backoff(attempt: int) -> timedelta:
    """Twice as long each time, with jitter so that a herd spreads; machine time."""
    longest: timedelta = min(BACKOFF * 2 ** (attempt - 1), LONGEST_BACKOFF)
    share: float = random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    return longest * share


def _failure(work: Work, wrong: Exception) -> dict[str, Any]:
    return {"effect": work.row.id, "kind": work.row.kind, "attempt": work.row.attempt, "error": str(wrong)}


def _tell(tx: Connection, work: Work, kind: str, data: dict[str, Any], now: datetime) -> None:
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


def _after(place: Workplace, site_id: str, decisions: list[engine.Decision]) -> None:
    """Wake whoever has work now: new effects, those that waited behind this one, the stream."""
    for decision in decisions:
        announce.effects(place, decision.effects)
    announce.next_of_site(place, site_id)
    announce.events(place)


def _ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
