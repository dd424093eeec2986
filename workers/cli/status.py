"""`tenure status`: what is wrong now, on one screen."""

import click

from workers.base.terminal import out
from workers.cli import status_text
from workers.cli.verb import as_json, with_context
from workers.context import Context
from workers.health import status as health


@click.command(epilog="Example: tenure status --json")
@as_json
@with_context
def status(context: Context, *, as_json: bool) -> None:
    """Show what is wrong now, each with a command that helps.

    Red problems come first: something stands still, or data is at risk. Then queues, rates, the money of today and
    the deletions of the next day. `ok` in the document says whether nothing is wrong.
    """
    out(health.status(context), status_text.status, as_json=as_json)
