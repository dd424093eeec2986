"""`tenure send`: enqueue a command, and wait for its answer or its effects."""

from operator import itemgetter

import click

from workers.base.terminal import out
from workers.cli import sending
from workers.cli import text as shown
from workers.cli.verb import REFUSED, as_json, with_context
from workers.context import Context


@click.command(epilog="Example: tenure send subscribe acme.example.com agents=7 payment_method=pm_visa --settle")
@click.argument("type_", metavar="TYPE")
@click.argument("site")
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--source", default="tenure-cli", show_default=True, help="Who asks; with --id the key of the command.")
@click.option("--id", "key", help="The idempotency key: the same one gets the same answer. A new one if left out.")
@click.option("--dry-run", is_flag=True, help="Show what would happen and what it would cost; change nothing.")
@click.option("--review", metavar="T", help="A token from --dry-run: do exactly that, at that price.")
@click.option("--expected-version", type=int, help="Refuse if the site has another version by now.")
@click.option("--wait", is_flag=True, help="Wait for the answer.")
@click.option("--settle", is_flag=True, help="Wait for the answer and until all effects are done.")
@click.option("--timeout", default=60.0, show_default=True, help="How many seconds to wait; then exit with 5.")
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
    """Send a command to a site.

    TYPE may go without its `site.` prefix; `tenure contract` lists all types with their fields. SITE is a
    hostname or a site's id. Without --wait, --settle or --dry-run the command is only enqueued, and its id printed.
    """
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
