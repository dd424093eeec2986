"""One try of effects: claim them, act outside of any transaction, settle them with what their handlers report."""

import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from engine.printable import escaped
from engine.words import masked
from models import admission, claims, failing
from models import effect as effects
from models import site as sites
from models.clock import engine_now, machine_now
from models.database import reading, writing
from workers.base.backoff import pause_seconds
from workers.base.errors import Held, Outage, Permanent, Temporary, Unknown
from workers.base.fault_points import fault_point
from workers.base.logs import batched, log
from workers.base.masking import hidden
from workers.commands import log_lines
from workers.commands.apply import AfterCommit, log_moves
from workers.context import Context
from workers.effects import outage_alarm
from workers.effects.claim import Claim, EffectResult
from workers.effects.compensation import compensate, tell_late
from workers.effects.lease import keeping
from workers.effects.registry import definition_of
from workers.effects.settle import Done, FailedTry, LostError, Settling
from workers.effects.site_lock import Sites, with_site_lock, with_site_locks
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
    for claim in claim_all(context, [effect_id]):
        done = act(context, claim)
        if done is not None:
            settle_alone(context, done)


def claim_all(context: Context, effect_ids: list[str]) -> list[Claim]:
    """Claim those of these effects that may be done now, in their order, in one transaction.

    The sites come first: whoever decides about one then knows what is claimed, and no other claim is under way.
    """
    with reading(context.database) as tx:
        known = {row.id: row for row in claims.known(tx, effect_ids)}
    if not known:
        return []
    wanted = [known[effect_id] for effect_id in effect_ids if effect_id in known]
    return with_site_locks(context, {row.site_id for row in wanted}, partial(_claim_all, context, wanted))


def _claim_all(context: Context, wanted: list[Any], tx: Connection, found: Sites) -> list[Claim]:
    for row in wanted:
        if row.site_id not in found:
            raise LookupError(f"effect {row.id} belongs to site {row.site_id}, which is not there")
    now = engine_now(tx)
    taken = claims.take(tx, [row.id for row in wanted], machine_now(), context.lease)
    admission.step_back(tx, [row.id for row in wanted if row.id not in taken])
    for row in wanted:
        fault_point("effect.claiming", row.kind)
    return [Claim(taken[row.id], found[row.site_id], now) for row in wanted if row.id in taken]


def renewed(context: Context, claim: Claim) -> Claim | None:
    """A claim that waited for its thread, with the facts of now; None when another worker has taken it."""
    with writing(context.database) as tx:
        site = sites.find(tx, claim.row.site_id)
        is_ours = effects.extend_lease(tx, claim.row.id, claim.row.fence, machine_now() + context.lease)
        return Claim(claim.row, site, engine_now(tx)) if is_ours and site is not None else None


def act(context: Context, claim: Claim) -> Done | None:
    """Do what was claimed; None when it failed, which is written down. Raises what keeps that from being written."""
    fault_point("effect.claimed", claim.row.kind)
    began = time.monotonic()
    try:
        with keeping(context, claim.row):
            result = _act(context, claim)
        fault_point("effect.acted", claim.row.kind)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is tried so often and then shown to operators
        _fail(context, claim, error, began)
        return None
    return Done(claim, result, began)


def _act(context: Context, claim: Claim) -> EffectResult:
    """Do it, unless its time is over."""
    definition = definition_of(claim.row.kind)
    if claim.row.attempt > MOST_ATTEMPTS:
        raise Permanent(f"{MOST_ATTEMPTS} workers died or were stopped while they did it")
    if claim.site.state in {"deleting", "deleted"} and not definition.runs_after_deletion:
        raise Permanent(f"the site is {claim.site.state}: nothing is made again")
    return definition.handler(context, claim)


def settle_together(context: Context, all_done: list[Done]) -> None:
    """Settle what was done in one transaction, and tell of it. Raises what keeps one of them from it: then none is.

    Claims that were taken over meanwhile are the others' to settle: that too is raised, as LostError.
    """
    settling = Settling(context)
    with_site_locks(context, {done.claim.site.id for done in all_done}, partial(settling.done, all_done))
    with batched():
        log_moves(settling.after.moves)
        for done in all_done:
            _log("done", done.claim, done.began)
    for done in all_done:
        fault_point("effect.settled", done.claim.row.kind)
    _announce(context, settling.after)
    for done in all_done:
        fault_point("effect.announced", done.claim.row.kind)


def settle_alone(context: Context, done: Done) -> None:
    """Settle one, whatever comes: what can't be written down has failed, and what came late may still matter."""
    try:
        settle_together(context, [done])
    except LostError:
        _make_good(context, done)
    except Exception as error:  # noqa: BLE001 - as in `act`
        _fail(context, done.claim, error, done.began)


def _make_good(context: Context, done: Done) -> None:
    """It came late: the law hears of it if it matters, and the host is told again what holds."""
    _log("rescued", done.claim, done.began, error=TAKEN_OVER)
    after = tell_late(context, done.claim, done.result)
    log_moves(after.moves)
    _end_lost(context, done.claim, after)


def _end_lost(context: Context, claim: Claim, after: AfterCommit) -> None:
    fault_point("effect.settled", claim.row.kind)
    compensate(context, claim)
    _announce(context, after)
    fault_point("effect.announced", claim.row.kind)


def _announce(context: Context, after: AfterCommit) -> None:
    """Wake whoever has work now: new effects, those that waited behind this one, the stream."""
    wake_ups.offer(context, after.wake_ups)
    relay.publish_soon(context)


def _fail(context: Context, claim: Claim, error: Exception, began: float) -> None:
    """Try again later with backoff and jitter, or give up where everybody can see it."""
    failure = _failure(claim, error)
    settling = Settling(context)
    ours = with_site_lock(context, claim.site.id, partial(settling.failed, claim, failure))
    fault_point("effect.gave_up" if failure.again_at is None else "effect.put_off")
    log_moves(settling.after.moves)
    if ours:
        _log(failure.word, claim, began, error=failure.error, again=failure.again_at)
    else:  # whose try it is now has cleared away what this one had made
        _log("rescued", claim, began, error=TAKEN_OVER)
    if isinstance(error, Outage) and claim.row.attempt >= failing.SECOND:
        outage_alarm.raise_once(context, error.alarm_code, failure.error)
    if not isinstance(error, KNOWN):
        reason = failure.error if ours else TAKEN_OVER
        log.error("alarm", effect=claim.row.kind, effect_id=claim.row.id, error=reason, exc_info=error)
    if not ours:
        _end_lost(context, claim, settling.after)
        return
    fault_point("effect.settled", claim.row.kind)
    _announce(context, settling.after)
    fault_point("effect.announced", claim.row.kind)


def _failure(claim: Claim, error: Exception) -> FailedTry:
    """When it is tried again: never after a permanent error or too many tries, always what is no fault of its own."""
    is_held, is_outage = isinstance(error, Held), isinstance(error, Outage)
    gives_up = isinstance(error, Permanent) or (claim.row.attempt >= MOST_ATTEMPTS and not (is_held or is_outage))
    again_at = None if gives_up else machine_now() + _pause(claim, error)
    is_free = is_held or (is_outage and claim.row.attempt > MOST_ATTEMPTS - KEPT_ATTEMPTS)
    return FailedTry(_sentence(error), again_at, is_held, is_counted=not is_free)


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
