"""`tenure deletion`: what is planned, the breaker, the receipts."""

import click

import workers.effects.registry  # noqa: F401 - it registers the kinds of effects
from workers.base.terminal import out
from workers.cli import deletion_reports
from workers.cli import text as shown
from workers.cli.exit_codes import Missing
from workers.cli.verb import FAILED, as_json, with_context
from workers.context import Context
from workers.safety import breaker as deletions


@click.group("deletion")
def deletion_group() -> None:
    """Show, stop, release and prove deletions."""


@deletion_group.command("list")
@as_json
@with_context
def list_deletions(context: Context, *, as_json: bool) -> None:
    """List all coming deletions, and what each waits for."""
    out(deletion_reports.listing(context), shown.deletions, as_json=as_json)


@deletion_group.command("preview")
@as_json
@with_context
def preview_deletions(context: Context, *, as_json: bool) -> None:
    """Show the deletions of the next 24 hours and their number."""
    out(deletion_reports.preview(context), shown.deletions, as_json=as_json)


@deletion_group.command("pause")
@with_context
def pause_deletions(context: Context) -> None:
    """Stop all deletions until `resume`."""
    deletions.pause(context)


@deletion_group.command("resume")
@click.option(
    "--confirm",
    "confirmed",
    type=int,
    required=True,
    metavar="N",
    help="The number of deletions that `tenure deletion preview` shows.",
)
@with_context
def resume_deletions(context: Context, confirmed: int) -> None:
    """Release the deletions that `preview` shows, paced by the hour."""
    deletions.resume(context, confirmed)


@deletion_group.command("verify")
@as_json
@with_context
def verify_deletions(context: Context, *, as_json: bool) -> None:
    """Check the chain of receipts and that nothing is left in any store."""
    found = deletion_reports.verify(context)
    out(found, shown.deletion_check, as_json=as_json)
    if found["broken_at"] is not None or found["left"]:
        raise click.exceptions.Exit(FAILED)


@deletion_group.command("receipt")
@click.argument("site")
@as_json
@with_context
def show_receipt(context: Context, site: str, *, as_json: bool) -> None:
    """Show what was removed of a site, and on what evidence."""
    found = deletion_reports.receipt(context, site)
    if found is None:
        raise Missing(f"{site!r} has no receipt: it was not deleted")
    out(found, shown.receipt, as_json=as_json)
