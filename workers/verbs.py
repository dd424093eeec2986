"""The verbs of the command line. Data on stdout, all else on stderr; `workers/cli.py` finds them by name."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

import engine
from engine.diagram import diagram as draw
from workers import advance as test_clock
from workers import backups, published, reports, safety, shown
from workers import dead as graveyard
from workers import deletion as deletions
from workers import doctor as examination
from workers import send as sending
from workers import stats as numbers
from workers.failure import FAILURES, Failure, Late, Missing
from workers.settings import load, masked
from workers.simulation import report
from workers.tail import follow
from workers.workplace import Workplace

FAILED, REFUSED = 1, 3
Document = dict[str, Any]

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def with_place(verb: Callable[..., None]) -> Callable[..., None]:
    """Hand a command the workplace that the settings describe; expected failures become exit codes."""

    @wraps(verb)
    def run(**options: Any) -> None:
        try:
            verb(Workplace(load()), **options)
        except (reports.NotFoundError, graveyard.NoSuchDeadError) as missing:
            raise Missing(str(missing)) from None
        except sending.WaitOverError as over:
            raise Late(str(over)) from None
        except FAILURES as wrong:
            raise Failure(str(wrong).splitlines()[0]) from None

    return run


def out(document: Document, text: Callable[[Document], str], *, as_json: bool) -> None:
    """Print a document, or the same for people."""
    click.echo(json.dumps(document, ensure_ascii=False) if as_json else text(document))


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
        click.echo(
            json.dumps({"schema": "tenure/sent/1", "source": source, "id": body["id"]}) if as_json else body["id"]
        )
        return
    said = {"schema": "tenure/answer/1", **sending.ask(place, body, timeout)}
    out(said, shown.answer, as_json=as_json)
    if said["outcome"] == "refused":
        raise click.exceptions.Exit(REFUSED)
    if settle:
        sending.settle(place, body, timeout)


@click.group("site")
def site_group() -> None:
    """Look at sites."""


@site_group.command("list")
@click.option("--state", help="Only sites in this state.")
@click.option("--account", help="Only sites of this account.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--after", metavar="CURSOR", help="`next` of the page before.")
@as_json
@with_place
def list_(
    place: Workplace, *, state: str | None, account: str | None, limit: int, after: str | None, as_json: bool
) -> None:
    """All sites, oldest first."""
    out(reports.site_list(place, state=state, account=account, after=after, limit=limit), shown.sites, as_json=as_json)


@site_group.command()
@click.argument("site")
@as_json
@with_place
def show(place: Workplace, site: str, *, as_json: bool) -> None:
    """One site: state, promises, money, data, what comes next."""
    out(reports.show(place, site), shown.site, as_json=as_json)


@site_group.command()
@click.argument("site")
@as_json
@with_place
def history(place: Workplace, site: str, *, as_json: bool) -> None:
    """Everything that was ever asked of a site, and what was answered."""
    out(reports.history(place, site), shown.moves, as_json=as_json)


@site_group.command()
@click.argument("site")
@as_json
@with_place
def why(place: Workplace, site: str, *, as_json: bool) -> None:
    """For every command: possible, or what stops it and what would free it."""
    out(reports.why(place, site), shown.why, as_json=as_json)


@click.command()
@click.option("--within", metavar="7d", help="Only so far ahead.")
@click.option("--site", "subject", help="Only this site.")
@as_json
@with_place
def due(place: Workplace, *, within: str | None, subject: str | None, as_json: bool) -> None:
    """What the engine will do next, before it does it."""
    length = None if within is None else test_clock.duration(within)
    out(reports.due(place, within=length, subject=subject), shown.due, as_json=as_json)


@click.command()
@click.option("--site", "subject", help="Only this site.")
@as_json
@with_place
def tail(place: Workplace, *, subject: str | None, as_json: bool) -> None:
    """The events, live, until Ctrl-C."""
    for body in follow(place, subject):
        click.echo(
            json.dumps({"schema": "tenure/event/1", **body}, ensure_ascii=False) if as_json else shown.event(body)
        )


@click.group()
def clock() -> None:
    """The engine's time, and the test clock."""


@clock.command("show")
@as_json
@with_place
def show_clock(place: Workplace, *, as_json: bool) -> None:
    """Where engine time stands."""
    out({"schema": "tenure/clock/1", "now": test_clock.where(place)}, _now, as_json=as_json)


@clock.command()
@click.argument("length")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds of machine time at most.")
@as_json
@with_place
def advance(place: Workplace, length: str, *, timeout: float, as_json: bool) -> None:
    """Test clock only: live through every due moment of LENGTH (29d23h59m59s)."""
    try:
        step = test_clock.duration(length)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    test_clock.advance(place, step, timeout)
    out({"schema": "tenure/clock/1", "now": test_clock.where(place)}, _now, as_json=as_json)


def _now(document: Document) -> str:
    return str(document["now"])


@click.command()
@as_json
@with_place
def doctor(place: Workplace, *, as_json: bool) -> None:
    """What would lose data or stand still, each with its remedy."""
    findings = examination.examine(place)
    rows = [{"what": one.what, "value": one.value, "well": one.well, "remedy": one.remedy} for one in findings]
    document = {"schema": "tenure/doctor/1", "findings": rows, "settings": masked(place.settings)}
    out(document, _findings, as_json=as_json)
    if not all(one.well for one in findings):
        raise click.exceptions.Exit(FAILED)


def _findings(document: Document) -> str:
    lines = [
        f"{'ok  ' if row['well'] else 'FAIL'}  {row['what']:<18} {row['value']}"
        + (f"  → {row['remedy']}" if row["remedy"] else "")
        for row in document["findings"]
    ]
    return "\n".join([*lines, *(f"      {name}={value}" for name, value in document["settings"].items())])


@click.command()
@click.option("--site", "subject", help="Mark where this site stands.")
def diagram(subject: str | None) -> None:
    """The states and moves as a Mermaid diagram."""
    state = None if subject is None else reports.show(Workplace(load()), subject)["state"]
    click.echo(draw(state), nl=False)


@click.command()
@click.option("--sites", required=True, type=click.IntRange(1, 10_000_000))
@click.option("--days", required=True, type=click.IntRange(1, 36_500))
@click.option("--seed", required=True, type=int)
@click.option("--backups", is_flag=True, help="Nightly backups too: many more moments.")
@as_json
def simulate(sites: int, days: int, seed: int, *, backups: bool, as_json: bool) -> None:
    """The same law under a virtual clock: years in seconds, checked against the promises."""
    found = report.simulate(sites, days, seed, backups=backups, policy=engine.Policy())
    out(found, report.text, as_json=as_json)
    if found["violations"]:
        raise click.exceptions.Exit(FAILED)


@click.group()
def dead() -> None:
    """Messages and effects that gave up."""


@dead.command("list")
@as_json
@with_place
def list_dead(place: Workplace, *, as_json: bool) -> None:
    """Each with its id, its site and its reason."""
    out(graveyard.listing(place), shown.dead, as_json=as_json)


@dead.command("retry")
@click.argument("dead_id", metavar="ID")
@with_place
def retry_dead(place: Workplace, dead_id: str) -> None:
    """Try it again."""
    graveyard.retry(place, dead_id)


@dead.command("drop")
@click.argument("dead_id", metavar="ID")
@with_place
def drop_dead(place: Workplace, dead_id: str) -> None:
    """Forget it; not what a deletion waits for."""
    graveyard.drop(place, dead_id)


@click.group("backup")
def backup_group() -> None:
    """Backups: what is kept of a site, and whether it can be read."""


@backup_group.command("list")
@click.argument("site")
@as_json
@with_place
def list_backups(place: Workplace, *, site: str, as_json: bool) -> None:
    """A site's verified backups, oldest first, and the restore points that they fill."""
    out(backups.listing(place, site), shown.backups, as_json=as_json)


@backup_group.command("verify")
@click.argument("backup_id", metavar="ID")
@as_json
@with_place
def verify_backup(place: Workplace, *, backup_id: str, as_json: bool) -> None:
    """Read a backup back from its store: every byte, unpacked, its databases opened."""
    out(backups.verify(place, backup_id), shown.backup_check, as_json=as_json)


@click.group("deletion")
def deletion_group() -> None:
    """Deletions: what is planned, the breaker, the receipts."""


@deletion_group.command("list")
@as_json
@with_place
def list_deletions(place: Workplace, *, as_json: bool) -> None:
    """Every deletion that will come as things stand, and what it waits for."""
    out(deletions.listing(place), shown.deletions, as_json=as_json)


@deletion_group.command("preview")
@as_json
@with_place
def preview_deletions(place: Workplace, *, as_json: bool) -> None:
    """The next day's deletions and their number, which `resume` wants confirmed."""
    out(deletions.preview(place), shown.deletions, as_json=as_json)


@deletion_group.command("pause")
@with_place
def pause_deletions(place: Workplace) -> None:
    """Let no deletion through."""
    deletions.pause(place)


@deletion_group.command("resume")
@click.option("--confirm", "confirmed", type=int, required=True, metavar="N", help="The number that preview shows.")
@with_place
def resume_deletions(place: Workplace, confirmed: int) -> None:
    """Let the previewed deletions through, paced."""
    deletions.resume(place, confirmed)


@deletion_group.command("verify")
@as_json
@with_place
def verify_deletions(place: Workplace, *, as_json: bool) -> None:
    """The chain of receipts, and that no store has anything left of a deleted site."""
    found = deletions.verify(place)
    out(found, shown.deletion_check, as_json=as_json)
    if found["broken_at"] is not None or found["left"]:
        raise click.exceptions.Exit(FAILED)


@deletion_group.command("receipt")
@click.argument("site")
@as_json
@with_place
def show_receipt(place: Workplace, site: str, *, as_json: bool) -> None:
    """What was removed of a site, and on what evidence."""
    found = deletions.receipt(place, site)
    if found is None:
        raise Missing(f"{site!r} has no receipt: it was not deleted")
    out(found, shown.receipt, as_json=as_json)


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json", "prom"]), default="text", show_default=True)
@with_place
def stats(place: Workplace, *, form: str) -> None:
    """The fleet in numbers."""
    found = numbers.stats(place)
    forms: dict[str, Callable[[Document], str]] = {
        "json": json.dumps,
        "prom": numbers.prometheus,
        "text": numbers.text,
    }
    click.echo(forms[form](found))


@click.command()
@as_json
def contract(*, as_json: bool) -> None:
    """What other systems may send and what they get."""
    out(published.contract(), published.text, as_json=as_json)


@click.command("safe-mode")
@click.argument("leave", required=False, type=click.Choice(["leave"]))
@as_json
@with_place
def safe_mode(place: Workplace, leave: str | None, *, as_json: bool) -> None:
    """Whether safe mode holds, and why; `leave` ends it once somebody has looked."""
    if leave:
        safety.leave(place)
    out(safety.shown(place), shown.safe_mode, as_json=as_json)
