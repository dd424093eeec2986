"""Restoring a site: a safety backup, the content unpacked beside the live site, one swap, the entitlements again.

Killed at any step the site is the old or the restored one, whole, and the next try goes on. What was live just before
the swap is kept as a backup that is restored by its id.
"""

from pathlib import Path

import engine
from models import backup
from models import effect as effects
from models import site as sites
from models.clock import engine_now, machine_now
from models.database import reading, writing
from models.event import tell
from workers.base.errors import Permanent, Temporary
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.commands.shortfall import shortfall
from workers.context import Context
from workers.effects.access import entitle
from workers.effects.backup import about, lacks_of, save
from workers.effects.claim import Claim, EffectResult
from workers.storage.site_content import MOST_NAMED

LONGEST_NAMED = 400
"""Of one thing that was not made again, in ASCII: a customer chose its name."""


def restore(context: Context, work: Claim) -> EffectResult:
    """Put a backup's content in the place of the live one; never plan, dates, invoices or address."""
    if context.host.is_replaced(work.site.id, key=work.row.id):
        context.host.tidy(work.site.id)
        left_out = _said_of_the_backup(context, work)
    else:
        _must_be_possible(work.site)
        into = context.host.beside(work.site.id)
        _keep_what_is_there(context, work)
        left_out = _swap_in(context, work, into)
    _tell_what_holds(context, work)
    told = {"backup": work.args["backup"], "taken_at": work.args["taken_at"], "left_out": left_out[:MOST_NAMED]}
    return EffectResult("site.restored", work.args, event=("site.restored", told), drops_older=True)


def _said_of_the_backup(context: Context, work: Claim) -> list[str]:
    """What can't be made again, as its backup says: the try that swapped it in did not live to tell."""
    with reading(context.database) as tx:
        row = backup.find(tx, work.args["backup"])
    return list(shortfall(row)["not_restorable"]) if row is not None else []


def _must_be_possible(site: engine.Site | None) -> None:
    """A hold or the end of service may have come since the restore was decided, and while it was prepared."""
    if site is None or not site.online:
        raise Permanent(f"the site is {site.state if site else 'gone'} by now: nothing was restored")
    if site.held_for is not None:
        raise Permanent("a hold is on the site: nothing was restored; site.release ends it")


def _keep_what_is_there(context: Context, work: Claim) -> None:
    """Each try makes a safety backup of its own: users go on writing between two tries."""
    row = save(context, work, "safety")
    fault_point("restore.saved")
    with writing(context.database) as tx:
        sites.find(tx, work.site.id)  # its lock: the events of a site are written one after the other
        _must_be_ours(effects.extend_lease(tx, work.row.id, work.row.fence, machine_now() + context.lease))
        backup.note_backup(tx, row)
        tell(
            tx,
            "backup.verified",
            {**about(row), **lacks_of(row)},
            engine_now(tx),
            host=work.site.host,
            site_id=work.site.id,
            cause=work.row.cause_id,
            correlation_id=work.row.correlation_id,
        )
        fault_point("restore.keeping")
    fault_point("restore.kept")


def _swap_in(context: Context, work: Claim, into: Path) -> list[str]:
    """Unpack and swap; returns what was not made again."""
    site_id = work.site.id
    left_out = [_told(name) for name in _unpacked(context, work, into)]
    fault_point("restore.unpacked")
    with writing(context.database) as tx:
        _must_be_possible(sites.find(tx, site_id))
        _must_be_ours(effects.extend_lease(tx, work.row.id, work.row.fence, machine_now() + context.lease))
    context.host.replace(site_id, into, key=work.row.id)
    for what, named in _sorted_out(left_out):
        error = f"{what} were not made again: {', '.join(named[:MOST_NAMED])}"
        log.warning("alarm", site=work.site.host, site_id=site_id, effect_id=work.row.id, error=error)
    return left_out


def _told(name: str) -> str:
    shown = name if name.isascii() and name.isprintable() else ascii(name)[1:-1]
    return shown[:LONGEST_NAMED]


def _sorted_out(left_out: list[str]) -> list[tuple[str, list[str]]]:
    """Links have their path alone, other things a reason behind it."""
    links = [name for name in left_out if ": " not in name]
    others = [name for name in left_out if ": " in name]
    sorts = (("links that lead out of the site", links), ("things that no backup can hold", others))
    return [(what, named) for what, named in sorts if named]


def _unpacked(context: Context, work: Claim, into: Path) -> list[str]:
    """Unpack beside the live site. Of a backup that can't be unpacked nothing stays there: it is not tried again."""
    try:
        return context.vault.extract(work.site.id, work.args["backup"], into, context.host.home(work.site.id))
    except Permanent:
        context.host.tidy(work.site.id)
        raise


def _must_be_ours(ours: bool) -> None:
    if not ours:
        raise Temporary("another worker has taken this restore over: it goes on with it")


def _tell_what_holds(context: Context, work: Claim) -> None:
    """What the site may do is a fact of now, not of the backup nor of the moment of the command."""
    with reading(context.database) as tx:
        site = sites.find(tx, work.site.id)
    if site is None:
        raise Permanent(f"{work.site.id} is not known any more")
    entitle(context, site, work.row.id)
