"""`tenure dead`: messages and effects that gave up."""

import click

import workers.effects.registry  # noqa: F401 - what is tried again needs the kinds of effects
from workers.base.terminal import out
from workers.cli import text as shown
from workers.cli.exit_codes import NotFoundError
from workers.cli.verb import as_json, with_context
from workers.commands import dead_letters as graveyard
from workers.context import Context


@click.group()
def dead() -> None:
    """List, retry or drop messages and effects that gave up."""


@dead.command("list")
@as_json
@with_context
def list_dead(context: Context, *, as_json: bool) -> None:
    """List them, each with its id, its site and the reason."""
    out(graveyard.listing(context), shown.dead, as_json=as_json)


@dead.command("retry")
@click.argument("dead_id", metavar="ID")
@with_context
def retry_dead(context: Context, dead_id: str) -> None:
    """Try one again. Remove the cause first."""
    try:
        graveyard.retry(context, dead_id)
    except graveyard.NoSuchDeadError as missing:
        raise NotFoundError(str(missing)) from None


@dead.command("drop")
@click.argument("dead_id", metavar="ID")
@with_context
def drop_dead(context: Context, dead_id: str) -> None:
    """Give one up for good; a charge becomes void.

    What a deletion waits for can't be dropped.
    """
    try:
        graveyard.drop(context, dead_id)
    except graveyard.NoSuchDeadError as missing:
        raise NotFoundError(str(missing)) from None
