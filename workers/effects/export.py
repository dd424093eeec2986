"""Exporting a site: the download that a customer fetches."""

from functools import partial

import engine
from models import backup
from models.journal import Journal
from workers.context import Context
from workers.effects.claim import Claim, EffectResult, Facts
from workers.effects.mail import MOST_IN_A_LETTER


def export(context: Context, claim: Claim) -> EffectResult:
    """Build the download and read it back."""
    export_id = f"exp_{claim.token}"
    with context.host.snapshot(claim.site.id) as snapshot:
        built = context.downloads.build(claim.site.id, export_id, snapshot)
    kept = {"id": export_id, "bytes": built.bytes, "sha256": built.sha256}
    row = {
        **kept,
        "site_id": claim.site.id,
        "generation": claim.args["generation"],
        "url": built.url,
        "lacks": built.lacks.row(),
    }
    missing = {"left_out": built.lacks.out.count, "left_out_names": list(built.lacks.out.names[:MOST_IN_A_LETTER])}
    return EffectResult(
        "site.export_ready",
        {**claim.args, **kept, "url": built.url, **missing},
        write=partial(_note, row),
        event=("export.ready", {**kept, **built.lacks.told()}),
    )


def _note(row: Facts, journal: Journal, _decision: engine.Decision) -> None:
    backup.note_export(journal.tx, {**row, "ready_at": journal.now})
