"""`tenure site`: look at sites."""

import click

import engine
from workers.base.terminal import out, warn
from workers.cli import reports
from workers.cli import text as shown
from workers.cli.exit_codes import NotFoundError
from workers.cli.verb import as_json, with_context
from workers.context import Context


@click.group("site")
def site_group() -> None:
    """List sites, or look at one of them."""


@site_group.command("list")
@click.option("--state", type=click.Choice(engine.STATES), help="Only sites in this state.")
@click.option("--account", help="Only sites of this account.")
@click.option("--over-plan", "only", flag_value="over_plan", help="Only sites with more agents in use than paid for.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@click.option("--after", metavar="CURSOR", help="Go on where the last page ended: its `next`.")
@as_json
@with_context
def list_(
    context: Context,
    *,
    state: str | None,
    account: str | None,
    only: str | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """List sites, oldest first."""
    try:
        found = reports.site_list(context, state=state, account=account, after=after, limit=limit, only=only)
    except NotFoundError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--after") from None
    out(found, shown.sites, as_json=as_json)
    if found["next"]:
        warn(f"these are {limit}, and there are more: --after {found['next']} shows the next")


@site_group.command()
@click.argument("site")
@as_json
@with_context
def show(context: Context, site: str, *, as_json: bool) -> None:
    """Show one site: state, dates, money, backups, what comes next.

    SITE is a hostname or a site's id; a hostname without a living site shows its latest deleted one.
    """
    out(reports.show(context, site), shown.site, as_json=as_json)


@site_group.command()
@click.argument("site")
@as_json
@with_context
def history(context: Context, site: str, *, as_json: bool) -> None:
    """Show every command to a site, with who sent it and the answer."""
    out(reports.history(context, site), shown.moves, as_json=as_json)


@site_group.command()
@click.argument("site")
@as_json
@with_context
def why(context: Context, site: str, *, as_json: bool) -> None:
    """Say for every command whether it is possible now, and if not why."""
    out(reports.why(context, site), shown.why, as_json=as_json)
