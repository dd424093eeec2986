"""Saving a site: a backup counts when it has been read back from the store; after a night what is too old goes."""

from functools import partial

import engine
from models import backup
from models import effect as effects
from models import site as sites
from models.database import reading
from models.journal import Journal
from workers.base.effect_kinds import Args
from workers.base.errors import Permanent, Temporary
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.context import Context
from workers.effects.claim import Claim, EffectResult, Facts
from workers.storage.site_content import NOTHING_LACKS, Lacks, Named

NIGHTLY, ON_DEMAND = "nightly", "on_demand"
"""Purposes of a backup."""


def back_up(context: Context, work: Claim) -> EffectResult:
    """Save, then read back from the store: only what was read back counts."""
    row = save(context, work, work.args["purpose"])
    for fence in range(1, work.row.fence):
        context.vault.remove(work.site.id, name_of(work, fence))
    kept, lacks = about(row), lacks_of(row)
    return EffectResult(
        "site.backup_verified",
        {**work.args, **kept, "taken_at": row["taken_at"], "left_out": lacks["left_out"]},
        write=partial(_note, row, prune(context, work, row) if row["purpose"] in {NIGHTLY, ON_DEMAND} else ()),
        event=("backup.verified", {**kept, **lacks}),
        drops_older=row["purpose"] == NIGHTLY,
    )


def is_nightly(args: Args) -> bool:
    """Whether it is one of the nights': each stands for those that failed before it."""
    return args.get("purpose") == NIGHTLY


def is_on_demand(args: Args) -> bool:
    """Whether somebody asked for it; nights and final backups are the engine's own."""
    return args.get("purpose") == ON_DEMAND


def _note(row: Facts, removed: tuple[str, ...], journal: Journal, _decision: engine.Decision) -> None:
    backup.note_backup(journal.tx, {**row, "verified_at": journal.now})
    if removed:
        backup.drop(journal.tx, removed)


def save(context: Context, work: Claim, purpose: str) -> Facts:
    """One verified backup, as its row; each try makes its own, so that none is older than it says."""
    for fence in range(1, work.row.fence):
        context.vault.tidy(work.site.id, name_of(work, fence))
    backup_id = name_of(work, work.row.fence)
    with context.host.snapshot(work.site.id) as snapshot:
        written = context.vault.save(work.site.id, backup_id, snapshot)
    fault_point("backup.saved")
    if purpose == "safety" and written.lacks.partial:
        raise Permanent(_would_be_lost(written.lacks))
    stored = context.vault.verify(work.site.id, backup_id)
    fault_point("backup.read_back")
    return {
        "id": backup_id,
        "bytes": stored.bytes,
        "sha256": stored.sha256,
        "site_id": work.site.id,
        "generation": work.args["generation"],
        "purpose": purpose,
        "taken_at": work.now,
        "verified_at": work.now,
        "files": stored.files,
        "lacks": stored.lacks.row(),
    }


def _would_be_lost(lacks: Lacks) -> str:
    return (
        f"nothing was restored: the safety backup is partial, and what it lacks would be lost ({lacks.out}); remove "
        "what is in the way, or raise the limit (TENURE_SITE_…), then ask for the restore again"
    )


def name_of(work: Claim, fence: int) -> str:
    """The id of the backup that a try makes."""
    return f"bkp_{work.token}_{fence}"


def about(row: Facts) -> Facts:
    """What other systems hear of a backup, beside what it lacks."""
    return {name: row[name] for name in ("id", "bytes", "sha256")}


def lacks_of(row: Facts) -> Facts:
    """What other systems hear of what a backup lacks."""
    lacks = row["lacks"]
    return (NOTHING_LACKS if lacks is None else Lacks(Named(**lacks["out"]), Named(**lacks["remake"]))).told()


def prune(context: Context, work: Claim, new: Facts) -> tuple[str, ...]:
    """Remove from the store what need not be kept now that there is a new one; the ids whose rows are to go.

    The store comes first and the rows with the settling: a crash in between leaves rows whose archives are gone, which
    the next try removes. Nothing goes while the site is offline or held, nor what a restore is made from. Archives
    that no row knows (of tries that failed) are left to the deletion, which removes and probes the whole folder.
    """
    with reading(context.database) as tx:
        backups = [*backup.kept(tx, work.site.id), engine.Kept(new["id"], new["purpose"], new["taken_at"])]
        wanted = effects.backups_wanted(tx, work.site.id)
    stays = engine.to_keep(backups, work.now) | wanted
    return tuple(
        one.id
        for one in backups
        if one.id not in stays and _may_be_pruned(context, work.site.id) and _is_removed(context, work, one.id)
    )


def _may_be_pruned(context: Context, site_id: str) -> bool:
    """Asked before each: a hold may come in between, and an archive does not come back."""
    with reading(context.database) as tx:
        site = sites.find(tx, site_id)
    return site is not None and site.online and site.held_for is None


def _is_removed(context: Context, work: Claim, backup_id: str) -> bool:
    """A store that can't remove is no reason to lose a good night: the next one tries again."""
    fault_point("backup.pruning")
    try:
        context.vault.remove(work.site.id, backup_id)
    except (Permanent, Temporary, OSError) as wrong:
        log.warning("failed", site=work.site.host, site_id=work.site.id, effect_id=work.row.id, error=str(wrong))
        return False
    fault_point("backup.pruned")
    return True
