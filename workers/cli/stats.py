"""`tenure stats`: the fleet in numbers."""

from collections.abc import Callable

import click

import workers.effects.registry  # noqa: F401 - it registers the kinds of effects
from workers.base.documents import Document
from workers.base.terminal import json_line, say
from workers.cli import figures as numbers
from workers.cli.verb import with_context
from workers.context import Context


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "prom"]),
    default="text",
    show_default=True,
    help="For people, programs or Prometheus.",
)
@with_context
def stats(context: Context, *, form: str) -> None:
    """Show the fleet in numbers; `prom` is for Prometheus."""
    found = numbers.stats(context)
    forms: dict[str, Callable[[Document], str]] = {
        "json": json_line,
        "prom": numbers.prometheus,
        "text": numbers.text,
    }
    say(forms[form](found))
