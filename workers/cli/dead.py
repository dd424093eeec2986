"""`tenure dead`: messages and effects that gave up."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from workers.base.documents import Document
from workers.base.terminal import out, warn
from workers.cli import dead_text
from workers.cli import text as shown
from workers.cli.exit_codes import NotFoundError
from workers.cli.reports import find as find_site
from workers.cli.verb import FAILED, as_json, with_context
from workers.commands import dead_letters, dead_selection
from workers.context import Context
from workers.effects.registry import EFFECTS

Verb = TypeVar("Verb", bound=Callable[..., object])
Act = Callable[[Context, str], None]


@click.group()
def dead() -> None:
    """List, retry or drop messages and effects that gave up."""


@dead.command("list", epilog="Example: tenure dead list --by reason")
@click.option("--by", type=click.Choice(["reason"]), help="Count them by reason instead, most first.")
@as_json
@with_context
def list_dead(context: Context, *, by: str | None, as_json: bool) -> None:
    """List them, each with its id, its site and the reason."""
    if by is None:
        out(dead_letters.listing(context), shown.dead, as_json=as_json)
    else:
        out(dead_selection.by_reason(context), dead_text.reasons, as_json=as_json)


def selecting(verb: Verb) -> Verb:
    """Add the options that say which are meant."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Only say which and how many they are."),
        click.option("--all", "everything", is_flag=True, help="All that gave up."),
        click.option("--site", "subject", help="Those of this site."),
        click.option("--reason", help="Those whose reason holds these words: `tenure dead list --by reason`."),
        click.option("--kind", type=click.Choice([*sorted(EFFECTS), dead_selection.MESSAGE]), help="Those of a kind."),
        click.argument("dead_id", metavar="[ID]", required=False),
    ):
        verb = option(verb)
    return verb


@dead.command("retry", epilog="Example: tenure dead retry --kind mail --dry-run")
@selecting
@as_json
@with_context
def retry_dead(context: Context, *, as_json: bool, **which: Any) -> None:
    """Try one, or many, again. Remove the cause first.

    Name one by its ID, or many by --kind, --reason, --site (each narrows) or --all.
    """
    _act(context, "retry", dead_letters.retry, as_json=as_json, **which)


@dead.command("drop", epilog="Example: tenure dead drop --kind message --dry-run")
@selecting
@as_json
@with_context
def drop_dead(context: Context, *, as_json: bool, **which: Any) -> None:
    """Give one, or many, up for good; a charge becomes void.

    Name one by its ID, or many by --kind, --reason, --site (each narrows) or --all. What a deletion waits for
    can't be dropped.
    """
    _act(context, "drop", dead_letters.drop, as_json=as_json, **which)


def _act(
    context: Context,
    verb: str,
    act: Act,
    *,
    as_json: bool,
    dead_id: str | None,
    kind: str | None,
    reason: str | None,
    subject: str | None,
    everything: bool,
    dry_run: bool,
) -> None:
    """On one by its id as ever, or on all that the options mean; exit code 1 when one of them could not be done."""
    chosen = [one is not None for one in (kind, reason, subject)]
    if (dead_id is not None) + everything + any(chosen) != 1:
        raise click.UsageError("give one ID, or some of --kind, --reason and --site, or --all; one of the three")
    if dead_id is not None and not dry_run:
        _act_on_one(context, act, dead_id)
        return
    host = None if subject is None else find_site(context, subject).host
    meant = dead_selection.find(
        context, dead_selection.DeadFilter(kind=kind, reason=reason, site=host, dead_id=dead_id)
    )
    report = _report(context, verb, [] if dry_run else meant, act) | {"dry_run": dry_run, "count": len(meant)}
    if dry_run:
        report["would"] = meant
    out(report, dead_text.acted, as_json=as_json)
    if report["not_done"]:
        warn(f"{len(report['not_done'])} of {len(meant)} could not be done")
        raise click.exceptions.Exit(FAILED)


def _act_on_one(context: Context, act: Act, dead_id: str) -> None:
    try:
        act(context, dead_id)
    except dead_letters.NoSuchDeadError as missing:
        raise NotFoundError(str(missing)) from None


def _report(context: Context, verb: str, meant: list[Document], act: Act) -> Document:
    """`tenure/dead-retry/1` and `tenure/dead-drop/1`: how many were done, and why the others were not."""
    results = list(dead_selection.each(context, meant, act))
    not_done = [{"id": one, "why": why} for one, why in results if why is not None]
    return {"schema": f"tenure/dead-{verb}/1", "done": len(results) - len(not_done), "not_done": not_done}
