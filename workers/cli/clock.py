"""`tenure clock`: engine time, and the test clock."""

import click

from workers.base.terminal import out, warn
from workers.cli import test_clock
from workers.cli.verb import Document, as_json, with_context
from workers.context import Context
from workers.safety import safe_mode as safety


@click.group()
def clock() -> None:
    """The engine's time, and the test clock."""


@clock.command("show")
@as_json
@with_context
def show_clock(context: Context, *, as_json: bool) -> None:
    """Where engine time stands."""
    out({"schema": "tenure/clock/1", "now": test_clock.where(context)}, _now, as_json=as_json)


@clock.command()
@click.argument("length")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds of machine time at most.")
@as_json
@with_context
def advance(context: Context, length: str, *, timeout: float, as_json: bool) -> None:
    """Test clock only: live through every due moment of LENGTH (29d23h59m59s)."""
    try:
        step = test_clock.duration(length)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    test_clock.advance(context, step, timeout)
    doubt = safety.shown(context)["why"]
    if doubt is not None:
        warn(safety.warning(doubt))
    out({"schema": "tenure/clock/1", "now": test_clock.where(context)}, _now, as_json=as_json)


def _now(document: Document) -> str:
    return str(document["now"])
