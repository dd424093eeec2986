"""`tenure backup`: what is kept of a site, and whether it can be read."""

import click

from workers.base.terminal import out
from workers.cli import backup_reports
from workers.cli import text as shown
from workers.cli.verb import as_json, with_context
from workers.context import Context


@click.group("backup")
def backup_group() -> None:
    """Backups: what is kept of a site, and whether it can be read."""


@backup_group.command("list")
@click.argument("site")
@as_json
@with_context
def list_backups(context: Context, *, site: str, as_json: bool) -> None:
    """A site's verified backups, oldest first, and the restore points that they fill."""
    out(backup_reports.listing(context, site), shown.backups, as_json=as_json)


@backup_group.command("verify")
@click.argument("backup_id", metavar="ID")
@as_json
@with_context
def verify_backup(context: Context, *, backup_id: str, as_json: bool) -> None:
    """Read a backup back from its store: every byte, unpacked, its databases opened."""
    out(backup_reports.verify(context, backup_id), shown.backup_check, as_json=as_json)
