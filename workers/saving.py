"""Saving a site: a backup counts when it has been read back from the store, every byte."""

from workers.work import Facts, Report, Work
from workers.workplace import Workplace


def back_up(place: Workplace, work: Work) -> Report:
    """Save, then read back from the store: only what was read back counts."""
    row = save(place, work, work.args["purpose"])
    for fence in range(1, work.row.fence):
        place.vault.remove(work.site.id, name_of(work, fence))
    kept = about(row)
    return Report("site.backup_verified", {**work.args, **kept}, backup=row, event=("backup.verified", kept))


def save(place: Workplace, work: Work, purpose: str) -> Facts:
    """One verified backup, as its row; each try makes its own, so that none is older than it says."""
    backup_id = name_of(work, work.row.fence)
    with place.host.snapshot(work.site.id) as snapshot:
        place.vault.save(work.site.id, backup_id, snapshot)
    stored = place.vault.verify(work.site.id, backup_id)
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
    }


def name_of(work: Work, fence: int) -> str:
    """The id of the backup that a try makes."""
    return f"bkp_{work.token}_{fence}"


def about(row: Facts) -> Facts:
    """What other systems hear of a backup."""
    return {name: row[name] for name in ("id", "bytes", "sha256")}
