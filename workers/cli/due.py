"""`tenure due`: what the engine will do next."""

from datetime import timedelta

import click

from workers.base.terminal import out, warn
from workers.cli import reports
from workers.cli import text as shown
from workers.cli.duration import duration
from workers.cli.verb import as_json, with_context
from workers.context import Context


@click.command(epilog="Example: tenure due --within 7d")
@click.option("--within", metavar="7d", help="Only what is due in this time: 7d, 12h, 1d12h.")
@click.option("--site", "subject", help="Only this site.")
@click.option("--limit", default=reports.DUE, show_default=True, type=click.IntRange(1, 1_000_000), help="How many.")
@as_json
@with_context
def due(context: Context, *, within: str | None, subject: str | None, limit: int, as_json: bool) -> None:
    """Show what will happen next, and what it will cost."""
    length = None if within is None else _duration(within)
    found = reports.due(context, within=length, subject=subject, limit=limit)
    out(found, shown.due, as_json=as_json)
    if found["safe_mode"]:
        from workers.safety import safe_mode  # noqa: PLC0415 - it is rarely needed, and loads the client of Redis

        warn(safe_mode.warning(found["safe_mode"]))
    if found["more"]:
        warn(f"these are the first {limit}: --limit shows more, --within and --site less")


def _duration(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--within") from None
