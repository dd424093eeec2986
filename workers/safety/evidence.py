"""What allows a deletion and what proves it: the warrant's evidence, the guards behind the last look, the receipt."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

import engine
from models import backup, breaker, deletion, safety, site_fault
from models import effect as effects
from models import site as sites
from models.clock import engine_now
from models.timestamps import stamp
from workers.base.documents import Document
from workers.base.errors import Held, Temporary
from workers.context import Context

STOPPED = {"tripped", "paused"}
MOMENTS = (
    *("created_at", "ready_at", "cancelled_at", "export_ready_at", "final_backup_at"),
    *("notice_sent_at", "deletes_at"),
)


def evidence_of(site: engine.Site) -> Document:
    """The moments on which a deletion was allowed, and the guards that were waived."""
    known = {name: getattr(site, name) for name in MOMENTS}
    return {"waived": list(site.waived), **{name: stamp(at) if at else None for name, at in known.items()}}


def receipt_of(site: engine.Site, data: Document, backups: int, now: datetime) -> Document:
    """What was removed, and the evidence that it was allowed; no word about a person."""
    return {
        "site_id": site.id,
        "generation": site.generation,
        "removed": data["removed"],
        "tries": data.get("tries", 1),
        "backups": backups,
        **evidence_of(site),
        "deleted_at": stamp(now),
    }


def close_the_ledger(tx: Connection, site: engine.Site, data: Document, now: datetime) -> Document:
    """Write the receipt of a deletion, chained to the one before it, and forget the rows of what no longer exists."""
    kept = len(backup.backups_of(tx, site.id))
    receipt: Document = deletion.chain(tx, site.id, receipt_of(site, data, kept, now), now)
    backup.forget(tx, site.id)
    site_fault.forget(tx, site.id)
    return receipt


def authorize(tx: Connection, context: Context, effect: Any) -> None:
    """The last look before an act of a deletion, at everything as it is now.

    Raises Held while something must end or somebody must decide first, Temporary for every other missing proof.
    """
    site = sites.find(tx, effect.site_id)
    reasons = _missing(tx, context, site)
    waits = bool(site is not None and (site.held_for is not None or (reasons and site.removing_since is None)))
    for reason, is_waited_for in _outside(tx, effect):
        reasons.append(reason)
        waits = waits or is_waited_for
    if reasons:
        raise (Held if waits else Temporary)(f"the deletion waits: {'; '.join(reasons)}")


def _missing(tx: Connection, context: Context, site: engine.Site | None) -> list[str]:
    """The guards that look at the site's facts."""
    if site is None:
        return ["the site is not known"]
    return list(engine.authorize_destruction(site, engine_now(tx), context.policy))


def _outside(tx: Connection, effect: Any) -> list[tuple[str, bool]]:
    """The guards that look beyond the site's facts: why not, and whether it is only to be waited for."""
    others = effects.open_of_site(tx, effect.site_id) - 1
    warrant, (state, why, _) = breaker.warrant(tx, effect.site_id), breaker.look(tx)
    found = [
        (others > 0, f"{others} other effects of the site are not finished", True),
        (warrant is None or warrant.generation != effect.generation, "no warrant of this generation", False),
        (state in STOPPED, f"deletions are {state}: {why}", True),
        (safety.holds(tx), "safe mode holds: look at `tenure safe-mode`", True),
    ]
    return [(reason, is_waited_for) for stands, reason, is_waited_for in found if stands]
