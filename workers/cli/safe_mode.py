"""`tenure safe-mode`: whether it holds and why; `leave` ends it."""

import click

from workers.base.terminal import out
from workers.cli import text as shown
from workers.cli.verb import as_json, with_context
from workers.context import Context
from workers.safety import safe_mode as safety


@click.command("safe-mode")
@click.argument("leave", required=False, type=click.Choice(["leave"]))
@as_json
@with_context
def safe_mode(context: Context, leave: str | None, *, as_json: bool) -> None:
    """Whether safe mode holds, and why; `leave` ends it once somebody has looked."""
    if leave:
        safety.leave(context)
    out(safety.shown(context), shown.safe_mode, as_json=as_json)
