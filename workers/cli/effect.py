"""`tenure effect`: what is done, waits, fails or gave up."""

import click

from models.effect_list import STATES
from workers.base.terminal import out, warn
from workers.cli import effect_reports
from workers.cli.verb import as_json, with_context
from workers.context import Context
from workers.effects.registry import EFFECTS

MOST = 100


@click.group("effect")
def effect_group() -> None:
    """Look at effects: charges, letters, backups and the rest."""


@effect_group.command("list", epilog="Example: tenure effect list --state gave_up --kind mail")
@click.option("--state", type=click.Choice(STATES), help="Only these; all that is not ended if left out.")
@click.option("--kind", type=click.Choice(sorted(EFFECTS)), help="Only effects of this kind.")
@click.option(
    "--reason", help="Only those whose error holds these words, as `tenure status` shows them or as they are."
)
@click.option("--site", "subject", help="Only those of this site.")
@click.option("--limit", default=MOST, show_default=True, type=click.IntRange(1, 1_000_000), help="How many to show.")
@as_json
@with_context
def list_effects(
    context: Context,
    *,
    state: str | None,
    kind: str | None,
    reason: str | None,
    subject: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List effects, oldest first; those that ended newest first."""
    wanted = effect_reports.Wanted(state=state, kind=kind, reason=reason, subject=subject)
    found = effect_reports.listing(context, wanted, limit)
    out(found, effect_reports.text, as_json=as_json)
    if found["more"]:
        warn(f"these are the first {limit}: --limit shows more, --kind, --reason and --site less")
