"""`tenure tail`: the events, live."""

import click

from workers.base.terminal import out
from workers.cli import reports
from workers.cli import text as shown
from workers.cli.following import follow
from workers.cli.verb import as_json, with_context
from workers.context import Context


@click.command()
@click.option("--site", "subject", help="Only this site.")
@as_json
@with_context
def tail(context: Context, *, subject: str | None, as_json: bool) -> None:
    """Follow the events as they are published, until Ctrl-C."""
    only = None if subject is None else reports.find(context, subject).id
    for body in follow(context, only):
        out({"schema": "tenure/event/1", **body}, shown.event, as_json=as_json)
