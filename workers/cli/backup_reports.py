"""`tenure backup`: what is kept of a site, and reading a backup back from its store once more."""

from typing import Any

from models import backup
from models import site as sites
from models.clock import engine_now
from models.database import reading
from models.timestamps import stamp
from workers.base.documents import Document
from workers.base.errors import Permanent, Temporary
from workers.cli.exit_codes import NotFoundError
from workers.cli.reports import find_site
from workers.commands.shortfall import shortfall
from workers.context import Context


def listing(context: Context, subject: str) -> Document:
    """`tenure/backups/1`: a site's verified backups, oldest first, with the restore points that each one fills."""
    with reading(context.database) as tx:
        site = find_site(tx, subject)
        rows = backup.backups_of(tx, site.id)
        points = backup.restore_points(rows, engine_now(tx))
    filled = {row.id: [name for name, point in points.items() if point is row] for row in rows}
    return {
        "schema": "tenure/backups/1",
        "site": site.host,
        "id": site.id,
        "backups": [{**_row(row), "points": filled[row.id]} for row in rows],
    }


def _row(row: Any) -> Document:
    return {
        "id": row.id,
        "purpose": row.purpose,
        "taken_at": stamp(row.taken_at),
        "verified_at": stamp(row.verified_at),
        "bytes": row.bytes,
        "sha256": row.sha256,
        "files": row.files,
        **shortfall(row),
    }


def verify(context: Context, backup_id: str) -> Document:
    """`tenure/backup-check/1`: every byte read back from the store now, unpacked, its databases opened.

    Raises NotFoundError for an id that no row has, ValueError for a backup that is damaged or out of reach.
    """
    with reading(context.database) as tx:
        row = backup.find(tx, backup_id)
        site = None if row is None else sites.find(tx, row.site_id)
    if row is None or site is None:
        raise NotFoundError(f"there is no backup {backup_id!r}; `tenure backup list SITE` shows a site's")
    try:
        stored = context.vault.verify(row.site_id, row.id)
    except (Permanent, Temporary) as wrong:
        raise ValueError(str(wrong)) from wrong
    if stored.sha256 != row.sha256:
        raise ValueError(f"backup {row.id} of {site.host} is whole, but not the one that was verified on that night")
    return {"schema": "tenure/backup-check/1", "site": site.host, "verified": True, **_row(row)}
