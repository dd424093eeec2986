"""`tenure safe-mode`: whether it holds and why; `leave` ends it."""

import click

import workers.effects.registry  # noqa: F401 - it registers the kinds of effects
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
    """Show whether safe mode is on and why, or `leave` it.

    In safe mode no timer fires. Look at the clocks and the database before you leave it.
    """
    if leave:
        safety.leave(context)
    out(safety.shown(context), shown.safe_mode, as_json=as_json)
