"""One try of one effect: claim it, act outside of any transaction, settle it with what the handler reports."""

import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

import engine
from engine.printable import escaped
from engine.words import masked
from models import admission, failing
from models import effect as effects
from models.clock import engine_now, machine_now
from models.database import reading
from workers.base.backoff import pause_seconds
from workers.base.errors import Held, Outage, Permanent, Temporary, Unknown
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.base.masking import hidden
from workers.commands import log_lines
from workers.commands.apply import AfterCommit, log_moves
from workers.context import Context
from workers.effects import outage_alarm
from workers.effects.claim import Claim, EffectResult
from workers.effects.compensation import compensate, tell_late
from workers.effects.lease import keeping
from workers.effects.registry import definition_of
from workers.effects.settle import Failure, Settling
from workers.effects.site_lock import with_site_lock
from workers.outbox import relay, wake_ups

MOST_ATTEMPTS = 12
KEPT_ATTEMPTS = 3
"""So many are left when an outage is over: from there on it uses up none."""

BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(minutes=10)
TAKEN_OVER = "another worker has taken it over"
KNOWN = (Permanent, Temporary, Unknown, OSError)
"""What an adapter may say; anything else is a surprise, and an alarm."""


def run(context: Context, effect_id: str) -> None:
    """Do one try of an effect, if it may be done now and nobody else does it."""
    claim = _claim(context, effect_id)
    if claim is None:
        return
    fault_point("effect.claimed", claim.row.kind)
    started = time.monotonic()
    try:
        with keeping(context, claim.row):
            result = _act(context, claim)
        fault_point("effect.acted", claim.row.kind)
        ours, after = _settle(context, claim, result)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is tried so often and then shown to operators
        _fail(context, claim, error, started)
        return
    word, reason = ("done", None) if ours else ("rescued", TAKEN_OVER)
    log_moves(after.moves)
    _log(word, claim, started, error=reason)
    if not ours:
        after = tell_late(context, claim, result)
        log_moves(after.moves)
    _announce(context, claim, after, ours=ours)


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


def _act(context: Context, claim: Claim) -> EffectResult:
    """Do it, unless its time is over."""
    definition = definition_of(claim.row.kind)
    if claim.row.attempt > MOST_ATTEMPTS:
        raise Permanent(f"{MOST_ATTEMPTS} workers died or were stopped while they did it")
    if claim.site.state in {"deleting", "deleted"} and not definition.runs_after_deletion:
        raise Permanent(f"the site is {claim.site.state}: nothing is made again")
    return definition.handler(context, claim)


def _settle(context: Context, claim: Claim, result: EffectResult) -> tuple[bool, AfterCommit]:
    """Settle what was done; a claim that was taken over meanwhile is the other one's to settle."""
    settling = Settling(context, claim)
    ours = with_site_lock(context, claim.site.id, partial(settling.done, result))
    return ours, settling.after


def _fail(context: Context, claim: Claim, error: Exception, started: float) -> None:
    """Try again later with backoff and jitter, or give up where everybody can see it."""
    failure = _failure(claim, error)
    settling = Settling(context, claim)
    ours = with_site_lock(context, claim.site.id, partial(settling.failed, failure))
    fault_point("effect.gave_up" if failure.again_at is None else "effect.put_off")
    log_moves(settling.after.moves)
    if ours:
        _log(failure.word, claim, started, error=failure.error, again=failure.again_at)
    else:  # whose try it is now has cleared away what this one had made
        _log("rescued", claim, started, error=TAKEN_OVER)
    if isinstance(error, Outage) and claim.row.attempt >= failing.SECOND:
        outage_alarm.raise_once(context, error.alarm_code, failure.error)
    if not isinstance(error, KNOWN):
        reason = failure.error if ours else TAKEN_OVER
        log.error("alarm", effect=claim.row.kind, effect_id=claim.row.id, error=reason, exc_info=error)
    _announce(context, claim, settling.after, ours=ours)


def _failure(claim: Claim, error: Exception) -> Failure:
    """When it is tried again: never after a permanent error or too many tries, always what is no fault of its own."""
    is_held, is_outage = isinstance(error, Held), isinstance(error, Outage)
    gives_up = isinstance(error, Permanent) or (claim.row.attempt >= MOST_ATTEMPTS and not (is_held or is_outage))
    again_at = None if gives_up else machine_now() + _pause(claim, error)
    is_free = is_held or (is_outage and claim.row.attempt > MOST_ATTEMPTS - KEPT_ATTEMPTS)
    return Failure(_sentence(error), again_at, is_held, is_counted=not is_free)


def _sentence(error: Exception) -> str:
    """What went wrong, in one line; a surprise is named by its type."""
    text = hidden(masked(str(error)))
    if isinstance(error, Held):
        return f"{error.prefix}{escaped(text)}"
    first = next(iter(text.splitlines()), "")
    return escaped(text if isinstance(error, KNOWN) else f"{type(error).__name__}: {first}"[:300])


def _pause(claim: Claim, error: Exception) -> timedelta:
    """Machine time."""
    if isinstance(error, Held):
        return timedelta(seconds=error.again_seconds)
    first, longest = BACKOFF.total_seconds(), LONGEST_BACKOFF.total_seconds()
    return timedelta(seconds=pause_seconds(claim.row.attempt, first=first, longest=longest))


def _log(word: str, claim: Claim, started: float, *, error: str | None = None, again: datetime | None = None) -> None:
    name = definition_of(claim.row.kind).name_in_log(claim.row)
    duration_ms = round((time.monotonic() - started) * 1000)
    log_lines.effect(word, name, claim.row, claim.site, duration_ms, error=error, again=again)


def _announce(context: Context, claim: Claim, after: AfterCommit, *, ours: bool) -> None:
    """Wake whoever has work now: new effects, those that waited behind this one, the stream."""
    fault_point("effect.settled", claim.row.kind)
    if not ours:
        compensate(context, claim)
    wake_ups.offer(context, after.wake_ups)
    fault_point("effect.announced", claim.row.kind)
    relay.publish_soon(context)
