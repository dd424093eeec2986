"""The customer's download, built and read back before anybody hears of it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from workers.base.errors import Permanent, Temporary
from workers.base.fault_points import fault_point
from workers.storage.atomic_files import explained
from workers.storage.export_zip import check_zip, owner_of, write_zip
from workers.storage.item_store import ItemStore
from workers.storage.site_content import NOTHING_LACKS, Lacks, Removed, Snapshot
from workers.storage.site_limits import DEFAULT_LIMITS, SiteLimits


@dataclass(frozen=True, slots=True)
class Download:
    """Where a download is: an absolute `file://` URL, its size in bytes, its SHA-256 in hex; and what it lacks."""

    url: str
    bytes: int
    sha256: str
    lacks: Lacks = NOTHING_LACKS


class ExportStore:
    """Zips `exports/<site id>/<export id>.zip` in the data folder."""

    def __init__(self, data_dir: Path, limits: SiteLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._room = ItemStore(data_dir / "exports", ".zip", owner_of)

    def build(self, site_id: str, export_id: str, snapshot: Snapshot) -> Download:
        """Write a download and read it back from the disk; one that is there and right is kept.

        Raises `Permanent` when a database of the site is damaged, `Temporary` when the disk is at fault.
        """
        if snapshot.site_id != site_id:
            raise Permanent(f"this is the content of {snapshot.site_id}, not of {site_id}: nothing was built")
        lacks = self._right(site_id, export_id)
        if lacks is None:
            with self._room.adding(site_id, export_id) as file:
                write_zip(file, snapshot, export_id, self._room.place(site_id, export_id).parent)
            lacks = self._check_new(site_id, export_id)
            fault_point("export.read_back")
        return self._found(site_id, export_id, lacks)

    def remove(self, site_id: str, export_id: str) -> Removed:
        """Take one download away."""
        return self._room.remove(site_id, export_id)

    def remove_all(self, site_id: str) -> Removed:
        """Take all of a site's downloads away, half-written ones included."""
        return self._room.remove_all(site_id)

    def remains(self, site_id: str) -> list[str]:
        """Name whatever is left of a site's downloads; empty means nothing."""
        return self._room.remains(site_id)

    def writable(self) -> None:
        """Raise `Temporary`, with the remedy, if downloads can't be written."""
        self._room.writable()

    def _right(self, site_id: str, export_id: str) -> Lacks | None:
        """Say what a download lacks that is there and right; None if there is none."""
        if not self._room.place(site_id, export_id).is_file():
            return None
        try:
            return self._check(site_id, export_id)
        except (Permanent, Temporary):
            return None

    def _check_new(self, site_id: str, export_id: str) -> Lacks:
        """Read a download back; one that is not right is taken away again."""
        try:
            return self._check(site_id, export_id)
        except (Permanent, Temporary):
            self._room.remove(site_id, export_id)
            raise

    def _check(self, site_id: str, export_id: str) -> Lacks:
        place, check = self._room.place(site_id, export_id), self._limits.deadline("reading the download back")
        with self._room.scratch(site_id, export_id) as scratch:
            return check_zip(place, site_id, export_id, scratch, check)

    def _found(self, site_id: str, export_id: str, lacks: Lacks) -> Download:
        place = self._room.place(site_id, export_id)
        with explained(place), place.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return Download(place.absolute().as_uri(), os.fstat(file.fileno()).st_size, digest, lacks)
