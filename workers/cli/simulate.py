"""`tenure simulate`: the same law under a virtual clock."""

import click

import engine
from workers.base.terminal import out
from workers.cli.verb import FAILED, as_json
from workers.simulation import report


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
