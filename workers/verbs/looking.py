"""Looking: sites, what comes next, the fleet in numbers."""

from collections.abc import Callable
from datetime import timedelta

import click

import engine
from engine.diagram import diagram as draw
from workers import advance as test_clock
from workers import reports, safety, shown
from workers import stats as numbers
from workers.simulation import report
from workers.terminal import json_line, out, say, warn
from workers.verbs.verb import FAILED, Document, as_json, with_place
from workers.workplace import Workplace


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
@with_place
def list_(
    place: Workplace,
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
        found = reports.site_list(place, state=state, account=account, after=after, limit=limit, only=only)
    except reports.NotFoundError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--after") from None
    out(found, shown.sites, as_json=as_json)
    if found["next"]:
        warn(f"these are {limit}, and there are more: --after {found['next']} shows the next")


@site_group.command()
@click.argument("site")
@as_json
@with_place
def show(place: Workplace, site: str, *, as_json: bool) -> None:
    """One site: state, promises, money, data, what comes next."""
    out(reports.show(place, site), shown.site, as_json=as_json)


@site_group.command()
@click.argument("site")
@as_json
@with_place
def history(place: Workplace, site: str, *, as_json: bool) -> None:
    """Everything that was ever asked of a site, and what was answered."""
    out(reports.history(place, site), shown.moves, as_json=as_json)


@site_group.command()
@click.argument("site")
@as_json
@with_place
def why(place: Workplace, site: str, *, as_json: bool) -> None:
    """For every command: possible, or what stops it and what would free it."""
    out(reports.why(place, site), shown.why, as_json=as_json)


@click.command()
@click.option("--within", metavar="7d", help="Only so far ahead.")
@click.option("--site", "subject", help="Only this site.")
@click.option("--limit", default=reports.DUE, show_default=True, type=click.IntRange(1, 1_000_000))
@as_json
@with_place
def due(place: Workplace, *, within: str | None, subject: str | None, limit: int, as_json: bool) -> None:
    """What the engine will do next, before it does it."""
    length = None if within is None else _duration(within)
    found = reports.due(place, within=length, subject=subject, limit=limit)
    out(found, shown.due, as_json=as_json)
    if found["safe_mode"]:
        warn(safety.warning(found["safe_mode"]))
    if found["more"]:
        warn(f"these are the first {limit}: --limit shows more, --within and --site less")


def _duration(text: str) -> timedelta:
    try:
        return test_clock.duration(text)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--within") from None


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json", "prom"]), default="text", show_default=True)
@with_place
def stats(place: Workplace, *, form: str) -> None:
    """The fleet in numbers."""
    found = numbers.stats(place)
    forms: dict[str, Callable[[Document], str]] = {
        "json": json_line,
        "prom": numbers.prometheus,
        "text": numbers.text,
    }
    say(forms[form](found))


@click.command()
@click.option("--site", "subject", help="Mark where this site stands.")
@click.pass_context
def diagram(context: click.Context, subject: str | None) -> None:
    """The states and moves as a Mermaid diagram."""
    state = None if subject is None else context.invoke(_state_of, subject=subject)
    say(draw(state).removesuffix("\n"))


@with_place
def _state_of(place: Workplace, subject: str) -> str:
    """Where a site stands; only this asks for a database."""
    return str(reports.show(place, subject)["state"])


@click.command()
@click.option("--sites", required=True, type=click.IntRange(1, 10_000_000))
@click.option("--days", required=True, type=click.IntRange(1, 36_500))
@click.option("--seed", required=True, type=int)
@click.option("--backups", is_flag=True, help="Nightly backups too: many more moments.")
@as_json
def simulate(sites: int, days: int, seed: int, *, backups: bool, as_json: bool) -> None:
    """The same law under a virtual clock: years in seconds, checked against the promises."""
    found = report.simulate(sites, days, seed, backups=backups, policy=engine.Policy())
    out(found, report.text, as_json=as_json)
    if found["violations"]:
        raise click.exceptions.Exit(FAILED)
