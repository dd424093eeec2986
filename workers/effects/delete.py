"""The deletion itself: authorized before each step, proved by the stores, and then forgotten."""

from collections.abc import Callable
from functools import partial

import engine
from engine.words import masked
from models import breaker
from models import site as sites
from models.clock import engine_now
from models.database import reading, writing
from models.journal import Journal
from workers.base.errors import Awaited, Held, Mounted, Permanent, Temporary
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.commands.apply import Decisions, log_moves
from workers.commands.effect_report import tell_law
from workers.context import Context
from workers.effects.claim import Claim, EffectResult, Facts
from workers.effects.mail import about, written
from workers.outbox import wake_ups
from workers.safety import evidence
from workers.safety.erasure import forget_address, forget_others
from workers.storage.site_content import Removed


def delete(context: Context, work: Claim) -> EffectResult:
    """Authorize before each step, remove, then ask every store whether anything is left: only nothing counts.

    What is mounted in a store is an operator's: the deletion waits until it is unmounted, and never gives up.
    """
    try:
        return _delete(context, work)
    except Mounted as mount:
        raise Awaited(f"the deletion waits: {mount}") from mount


def _delete(context: Context, work: Claim) -> EffectResult:
    site = work.site
    _authorize(context, work)
    fault_point("delete.authorized")
    _begin(context, work)
    _remove(context, work, "site", partial(context.host.remove, site.id, key=work.row.id))
    fault_point("delete.site_removed")
    _authorize(context, work)
    _remove(context, work, "exports", partial(context.downloads.remove_all, site.id))
    fault_point("delete.exports_removed")
    _authorize(context, work)
    _remove(context, work, "backups", partial(context.vault.remove_all, site.id))
    fault_point("delete.all_removed")
    left = [*context.host.remains(site.id), *context.downloads.remains(site.id), *context.vault.remains(site.id)]
    if left:
        raise Temporary(f"{len(left)} things are left after the deletion, {left[0]} first")
    fault_point("delete.proved")
    forget_others(context, site.id)
    _say_deleted(context, work)
    fault_point("delete.said")
    forget_address(context, site.id)
    with reading(context.database) as tx:
        removed = breaker.removed_of(tx, site.id)
    data = {"removed": removed, "tries": work.row.attempt}
    return EffectResult("site.site_deleted", data, write=partial(_close_the_ledger, work, data))


def _close_the_ledger(work: Claim, data: Facts, journal: Journal, decision: engine.Decision) -> None:
    """Once the law has taken the deletion for done: its receipt, which other systems are told."""
    if decision.outcome != "applied":
        return
    site, row = work.site, work.row
    receipt = evidence.close_the_ledger(journal.tx, site, data, journal.now)
    where = {"host": site.host, "site_id": site.id, "cause": row.cause_id, "correlation_id": row.correlation_id}
    journal.tell("site.deleted", receipt, **where)


def _begin(context: Context, work: Claim) -> None:
    """The law hears of it before the first thing goes: from then on nobody is told of another date.

    Whoever tells the customer anew holds the site's lock, so the guards are asked once more behind it.
    """
    if work.site.removing_since is not None:
        return
    with writing(context.database) as tx:
        site, now = sites.find(tx, work.site.id), engine_now(tx)
        reasons = [] if site is None else engine.authorize_destruction(site, now, context.policy)
        if site is None or reasons:
            raise Held(f"the deletion waits: {'; '.join(reasons)}")
        decisions = Decisions(tx, now, context.policy)
        tell_law(decisions, context, site, work.row, "site.removal_began")
        after = decisions.write()
        fault_point("delete.beginning")
    fault_point("delete.begun")
    log_moves(after.moves)
    wake_ups.offer(context, after.wake_ups)


def _remove(context: Context, work: Claim, store: str, remove: Callable[[], Removed]) -> None:
    """Remove from one store, and write down at once what went: the receipt counts every try, also one that fails."""
    removed = Removed()
    try:
        removed = remove()
    except Exception as wrong:
        removed = _removed_before(wrong)
        raise
    finally:
        with writing(context.database) as tx:
            breaker.note_removed(tx, work.site.id, store, removed.files, removed.bytes)


def _removed_before(wrong: BaseException | None) -> Removed:
    """What a removal took before it failed, as the error or its cause knows."""
    while wrong is not None:
        known = getattr(wrong, "removed", None)
        if isinstance(known, Removed):
            return known
        wrong = wrong.__cause__
    return Removed()


def _authorize(context: Context, work: Claim) -> None:
    with reading(context.database) as tx:
        evidence.authorize(tx, context, work.row)


def _say_deleted(context: Context, work: Claim) -> None:
    """The last letter: the address is forgotten as soon as it is sent, or refused for good."""
    if not work.site.email:
        return
    facts = {**about(work.site), "deleted_at": work.now}
    last = written(context, "deleted", facts, key=f"{work.row.id}:deleted", to=work.site.email, at=work.now)
    try:
        context.mailer.send(last)
    except Permanent as refused:
        error = f"the customer could not be told that the site is deleted: {masked(str(refused))}"
        log.warning("alarm", site=work.site.host, site_id=work.site.id, effect_id=work.row.id, error=error)
