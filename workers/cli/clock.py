"""`tenure clock`: engine time, and the test clock."""

import click

import workers.effects.registry  # noqa: F401 - it registers the kinds of effects
from workers.base.documents import Document
from workers.base.terminal import out, warn
from workers.cli import test_clock
from workers.cli.duration import duration
from workers.cli.verb import as_json, with_context
from workers.context import Context
from workers.safety import safe_mode as safety


@click.group()
def clock() -> None:
    """Show engine time, or move the test clock."""


@clock.command("show")
@as_json
@with_context
def show_clock(context: Context, *, as_json: bool) -> None:
    """Show engine time."""
    out({"schema": "tenure/clock/1", "now": test_clock.where(context)}, _now, as_json=as_json)


@clock.command(epilog="Example: tenure clock advance 29d23h59m59s")
@click.argument("length")
@click.option("--timeout", default=600.0, show_default=True, help="How many seconds to wait; then exit with 5.")
@as_json
@with_context
def advance(context: Context, length: str, *, timeout: float, as_json: bool) -> None:
    """Live through LENGTH of engine time (test clock only).

    Every due moment comes in order, and at each the engine is waited for. LENGTH is made of d, h, m and s.
    """
    try:
        step = duration(length)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    test_clock.advance(context, step, timeout)
    doubt = safety.shown(context)["why"]
    if doubt is not None:
        warn(safety.warning(doubt))
    out({"schema": "tenure/clock/1", "now": test_clock.where(context)}, _now, as_json=as_json)


def _now(document: Document) -> str:
    return str(document["now"])
