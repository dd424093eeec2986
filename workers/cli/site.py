"""`tenure site`: look at sites."""

import click

import engine
from workers.base.terminal import out, warn
from workers.cli import reports
from workers.cli import text as shown
from workers.cli.verb import as_json, with_context
from workers.context import Context


@click.group("site")
def site_group() -> None:
    """Look at sites."""


@site_group.command("list")
@click.option("--state", type=click.Choice(engine.STATES), help="Only sites in this state.")
@click.option("--account", help="Only sites of this account.")
@click.option("--over-plan", "only", flag_value="over_plan", help="Only those with more agents in use than paid for.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--after", metavar="CURSOR", help="`next` of the page before.")
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
    """All sites, oldest first."""
    try:
        found = reports.site_list(context, state=state, account=account, after=after, limit=limit, only=only)
    except reports.NotFoundError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--after") from None
    out(found, shown.sites, as_json=as_json)
    if found["next"]:
        warn(f"these are {limit}, and there are more: --after {found['next']} shows the next")


@site_group.command()
@click.argument("site")
@as_json
@with_context
def show(context: Context, site: str, *, as_json: bool) -> None:
    """One site: state, promises, money, data, what comes next."""
    out(reports.show(context, site), shown.site, as_json=as_json)


@site_group.command()
@click.argument("site")
@as_json
@with_context
def history(context: Context, site: str, *, as_json: bool) -> None:
    """Everything that was ever asked of a site, and what was answered."""
    out(reports.history(context, site), shown.moves, as_json=as_json)


@site_group.command()
@click.argument("site")
@as_json
@with_context
def why(context: Context, site: str, *, as_json: bool) -> None:
    """For every command: possible, or what stops it and what would free it."""
    out(reports.why(context, site), shown.why, as_json=as_json)
