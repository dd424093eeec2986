"""Sending a command, and following what comes of it."""

from operator import itemgetter

import click

from workers import published, reports, shown
from workers import send as sending
from workers.tail import follow
from workers.terminal import out
from workers.verbs.verb import REFUSED, as_json, with_place
from workers.workplace import Workplace


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
@with_place
def send(
    place: Workplace,
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
        sending.enqueue(place, body)
        sent = {"schema": "tenure/sent/1", "source": source, "id": body["id"]}
        out(sent, itemgetter("id"), as_json=as_json)
        return
    said = {"schema": "tenure/answer/1", **sending.ask(place, body, timeout)}
    out(said, shown.answer, as_json=as_json)
    if said["outcome"] == "refused":
        raise click.exceptions.Exit(REFUSED)
    if settle:
        sending.settle(place, body, timeout)


@click.command()
@click.option("--site", "subject", help="Only this site.")
@as_json
@with_place
def tail(place: Workplace, *, subject: str | None, as_json: bool) -> None:
    """The events, live, until Ctrl-C."""
    only = None if subject is None else reports.find(place, subject).id
    for body in follow(place, only):
        out({"schema": "tenure/event/1", **body}, shown.event, as_json=as_json)


@click.command()
@as_json
def contract(*, as_json: bool) -> None:
    """What other systems may send and what they get."""
    out(published.contract(), published.text, as_json=as_json)
