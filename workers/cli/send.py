"""`tenure send`: enqueue a command, and wait for its answer or its effects."""

from operator import itemgetter

import click

from workers.base.terminal import out
from workers.cli import sending
from workers.cli import text as shown
from workers.cli.verb import REFUSED, as_json, with_context
from workers.context import Context


@click.command()
@click.argument("type_", metavar="TYPE")
@click.argument("site")
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--source", default="tenure-cli", show_default=True, help="Who asks.")
@click.option("--id", "key", help="The idempotency key; a new one if left out.")
@click.option("--dry-run", is_flag=True, help="Answer what would happen, change nothing.")
@click.option("--review", metavar="T", help="The token of a dry run: do exactly that.")
@click.option("--expected-version", type=int, help="Refuse if the site has moved on.")
@click.option("--wait", is_flag=True, help="Wait for the answer.")
@click.option("--settle", is_flag=True, help="Wait for the answer and for all effects.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait at most.")
@as_json
@with_context
def send(
    context: Context,
    type_: str,
    site: str,
    fields: tuple[str, ...],
    *,
    source: str,
    key: str | None,
    dry_run: bool,
    review: str | None,
    expected_version: int | None,
    wait: bool,
    settle: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Enqueue a command; TYPE may drop its `site.` prefix."""
    extra = {"dryrun": dry_run or None, "review": review, "expectedversion": expected_version}
    try:
        body = sending.envelope(type_, site, fields, source=source, key=key, extra=extra)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    if not (wait or settle or dry_run):
        sending.enqueue(context, body)
        sent = {"schema": "tenure/sent/1", "source": source, "id": body["id"]}
        out(sent, itemgetter("id"), as_json=as_json)
        return
    said = {"schema": "tenure/answer/1", **sending.ask(context, body, timeout)}
    out(said, shown.answer, as_json=as_json)
    if said["outcome"] == "refused":
        raise click.exceptions.Exit(REFUSED)
    if settle:
        sending.settle(context, body, timeout)
