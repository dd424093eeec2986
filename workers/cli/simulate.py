"""`tenure simulate`: the same law under a virtual clock."""

import click

import engine
from workers.base.terminal import out
from workers.cli.verb import FAILED, as_json
from workers.simulation import report


@click.command(epilog="Example: tenure simulate --sites 10000 --days 365 --seed 1")
@click.option("--sites", required=True, type=click.IntRange(1, 10_000_000), help="How many sites.")
@click.option("--days", required=True, type=click.IntRange(1, 36_500), help="How many days.")
@click.option("--seed", required=True, type=int, help="The same seed gives the same run.")
@click.option("--backups", is_flag=True, help="Simulate nightly backups too; takes much longer.")
@as_json
def simulate(sites: int, days: int, seed: int, *, backups: bool, as_json: bool) -> None:
    """Run the same rules on made-up sites, years in seconds.

    Every step is checked against the promises. Exits 1 if one is broken. Touches no database.
    """
    found = report.simulate(sites, days, seed, backups=backups, policy=engine.Policy())
    out(found, report.text, as_json=as_json)
    if found["violations"]:
        raise click.exceptions.Exit(FAILED)
