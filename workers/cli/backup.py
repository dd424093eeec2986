"""`tenure backup`: what is kept of a site, and whether it can be read."""

import click

from workers.base.terminal import out
from workers.cli import backup_reports
from workers.cli import text as shown
from workers.cli.verb import as_json, with_context
from workers.context import Context


@click.group("backup")
def backup_group() -> None:
    """List a site's backups, or read one back to check it."""


@backup_group.command("list")
@click.argument("site")
@as_json
@with_context
def list_backups(context: Context, *, site: str, as_json: bool) -> None:
    """List a site's backups, oldest first, with their restore points."""
    out(backup_reports.listing(context, site), shown.backups, as_json=as_json)


@backup_group.command("verify")
@click.argument("backup_id", metavar="ID")
@as_json
@with_context
def verify_backup(context: Context, *, backup_id: str, as_json: bool) -> None:
    """Read a backup back and check it.

    Every byte is compared, the archive unpacked, its databases opened. ID stands in `tenure backup list`.
    """
    out(backup_reports.verify(context, backup_id), shown.backup_check, as_json=as_json)
