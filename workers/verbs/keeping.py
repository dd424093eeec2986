"""What operators keep an eye on: backups, deletions, what gave up, safe mode, the clock."""

import click

from workers import advance as test_clock
from workers import backups, safety, shown
from workers import dead as graveyard
from workers import deletion as deletions
from workers.failure import Missing
from workers.terminal import out, warn
from workers.verbs.verb import FAILED, Document, as_json, with_place
from workers.workplace import Workplace


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
    doubt = safety.shown(place)["why"]
    if doubt is not None:
        warn(safety.warning(doubt))
    out({"schema": "tenure/clock/1", "now": test_clock.where(place)}, _now, as_json=as_json)


def _now(document: Document) -> str:
    return str(document["now"])


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


@click.command("safe-mode")
@click.argument("leave", required=False, type=click.Choice(["leave"]))
@as_json
@with_place
def safe_mode(place: Workplace, leave: str | None, *, as_json: bool) -> None:
    """Whether safe mode holds, and why; `leave` ends it once somebody has looked."""
    if leave:
        safety.leave(place)
    out(safety.shown(place), shown.safe_mode, as_json=as_json)
