"""The embedded vault: one archive for each backup, in a folder for each site."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from workers.base.errors import Permanent
from workers.storage.archive_members import Member, members_of
from workers.storage.archive_reader import Archive, open_archive, title_of
from workers.storage.archive_unpack import unpack, write_chunks
from workers.storage.archive_writer import write_archive
from workers.storage.atomic_files import explained
from workers.storage.item_store import ItemStore
from workers.storage.site_content import Removed, Snapshot, Stored
from workers.storage.site_limits import DEFAULT_LIMITS, SiteLimits
from workers.storage.sqlite_file import examine


class FolderBackupStore:
    """Archives `<site id>/<backup id>.tar.zst` under one root."""

    def __init__(self, root: Path, limits: SiteLimits = DEFAULT_LIMITS) -> None:
        self._room = ItemStore(root, ".tar.zst", owner_of)
        self._limits = limits

    def save(self, site_id: str, backup_id: str, snapshot: Snapshot) -> Stored:
        """Write a backup; a whole one of this id is kept, a damaged one is written again."""
        if snapshot.site_id != site_id:
            raise Permanent(f"this is the content of {snapshot.site_id}, not of {site_id}: nothing was saved")
        place = self._room.place(site_id, backup_id)
        with explained(place):
            if place.exists() and (kept := _whole(place, site_id, backup_id)):
                return kept
        with self._room.adding(site_id, backup_id) as file:
            return write_archive(file, snapshot, backup_id, place.parent)

    def verify(self, site_id: str, backup_id: str) -> Stored:
        """Read a backup back from the disk: every byte against its manifest, its databases opened and checked.

        One with a database that can't be checked within the limits lacks that: it is partial.
        """
        with _named(site_id, backup_id), self._room.scratch(site_id, backup_id) as scratch:
            check = self._limits.deadline("reading it back")
            archive = self._open(site_id, backup_id, check)
            scratch.mkdir()
            lacks = archive.stored.lacks
            for member in members_of(archive, check):
                if unchecked := _check(member, scratch / DRAFT, self._limits.seconds):
                    lacks = lacks.and_unchecked(member.record.path, unchecked)
            return replace(archive.stored, lacks=lacks)

    def extract(self, site_id: str, backup_id: str, into: Path, home: str = "") -> list[str]:
        """Unpack a backup into a new folder that will be `home`; returns what was not made again.

        Links that lead out of the site are named by their path alone.
        """
        with _named(site_id, backup_id), explained(into):
            check = self._limits.deadline("unpacking it")
            return unpack(self._open(site_id, backup_id, check), into, home, check)

    def tidy(self, site_id: str, backup_id: str) -> None:
        """Remove what a try that died, or whose clean-up failed, left beside a backup."""
        self._room.tidy(site_id, backup_id)

    def remove(self, site_id: str, backup_id: str) -> Removed:
        """Take one backup away."""
        return self._room.remove(site_id, backup_id)

    def remove_all(self, site_id: str) -> Removed:
        """Take all of a site's backups away, half-written ones included."""
        return self._room.remove_all(site_id)

    def remains(self, site_id: str) -> list[str]:
        """Name whatever is left of a site's backups; empty means nothing."""
        return self._room.remains(site_id)

    def writable(self) -> None:
        """Raise `Temporary`, with the remedy, if backups can't be written."""
        self._room.writable()

    def _open(self, site_id: str, backup_id: str, check: Callable[[], None]) -> Archive:
        place = self._room.place(site_id, backup_id)
        if not place.is_file():
            raise Permanent(f"it is not there: {place}")
        return open_archive(place, site_id, backup_id, check)


DRAFT = "checked.db"


def _check(member: Member, draft: Path, seconds: float) -> str | None:
    """Read one entry to its end, and check it if it is a database; the answer says why that could not be done."""
    if member.record.kind == "database":
        with draft.open("wb", buffering=0) as file:
            write_chunks(file, member.chunks(), member.record.size)
        health = examine(draft, seconds)
        if health.damage is not None:
            raise Permanent(f"the database {ascii(member.record.path)[1:-1]} is damaged: {health.damage}")
        draft.unlink()
        return health.unchecked
    if member.record.kind == "file":
        for _ in member.chunks():
            pass
    return None


@contextmanager
def _named(site_id: str, backup_id: str) -> Iterator[None]:
    """Say of which backup something is wrong."""
    try:
        yield
    except Permanent as wrong:
        raise Permanent(f"backup {backup_id} of {site_id}: {wrong}") from wrong


def _whole(place: Path, site_id: str, backup_id: str) -> Stored | None:
    try:
        return open_archive(place, site_id, backup_id).stored
    except Permanent:
        return None


def owner_of(path: Path) -> str | None:
    """Read from an archive whose it says it is; None when it says nothing that can be read."""
    try:
        return title_of(path).site
    except Permanent:
        return None
