"""`tenure diagram`: the states and moves as a Mermaid diagram."""

import click

from engine.diagram import diagram as draw
from workers.base.terminal import say
from workers.cli import reports
from workers.cli.verb import with_context
from workers.context import Context


@click.command()
@click.option("--site", "subject", help="Mark where this site stands.")
@click.pass_context
def diagram(context: click.Context, subject: str | None) -> None:
    """Print the states and moves as a Mermaid diagram."""
    state = None if subject is None else context.invoke(_state_of, subject=subject)
    say(draw(state).removesuffix("\n"))


@with_context
def _state_of(context: Context, subject: str) -> str:
    """Where a site stands; only this asks for a database."""
    return str(reports.show(context, subject)["state"])
