"""`tenure up`: everything on one machine. The supervisor starts without what the other verbs import."""

import sys

import click

from workers.cli.starting import settings
from workers.supervisor.up import run


@click.command()
def up() -> None:
    """Run everything on this machine: Valkey, workers and clock.

    Ctrl-C (or TERM) drains: what runs is finished, then everything stops. A second one kills what still runs.
    """
    sys.exit(run(settings()))
