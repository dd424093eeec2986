"""A consistent view of a site's folder: files as they are met, databases as whole copies."""

import os
import stat
from collections.abc import Iterator
from itertools import count
from operator import attrgetter
from pathlib import Path

from workers.content import DATABASE, Entry, Kind
from workers.durable import explained
from workers.errors import Permanent
from workers.hosts import marker
from workers.sqlite_file import SMALLEST, copy_live, faults, is_database, is_sidecar


class FolderSnapshot:
    """The content of a site. `scratch` is an empty folder that the caller removes.

    The help desk's own database is copied first: what it speaks of is then found in the files that follow.
    """

    def __init__(self, site_id: str, folder: Path, scratch: Path) -> None:
        self._site_id = site_id
        self._folder = folder
        self._scratch = scratch
        self._numbers = count(1)
        self._helpdesk = self._copy(folder / DATABASE)

    @property
    def site_id(self) -> str:
        """Whose content this is."""
        return self._site_id

    def __iter__(self) -> Iterator[Entry]:
        """Walk through the site, however deep, without recursion; raises `Temporary`."""
        open_folders = [self._inside("", self._folder)]
        while open_folders:
            with explained(self._folder):
                entry = next(open_folders[-1], None)
            if entry is None:
                open_folders.pop()
                continue
            yield entry
            if entry.kind == "folder":
                open_folders.append(self._inside(f"{entry.path}/", entry.source))

    def _inside(self, above: str, folder: Path) -> Iterator[Entry]:
        for item in _in_order(folder):
            source = Path(item.path)
            if (source.parent == self._folder and marker.is_ours(source)) or is_sidecar(source):
                continue
            try:
                yield self._entry(above + item.name, source)
            except FileNotFoundError:  # it was removed while we walked: it is not part of the site any more
                continue

    def _entry(self, path: str, source: Path) -> Entry:
        status = source.lstat()
        kind, mode = _kind(status.st_mode), stat.S_IMODE(status.st_mode)
        if kind == "symlink":
            return Entry(path, kind, mode, source, target=str(source.readlink()))
        if path == DATABASE:
            return Entry(path, "database", mode, self._helpdesk)
        if kind == "file" and status.st_size >= SMALLEST and is_database(source):
            return self._database(path, mode, source)
        return Entry(path, kind, mode, source)

    def _database(self, path: str, mode: int, source: Path) -> Entry:
        """Copy a database that the site has added; one that can't be copied is the customer's file, byte for byte.

        One that fails its check here (it may need words of its own program) is kept as it was copied, with what only
        its log had.
        """
        try:
            copy = self._copy(source)
        except Permanent:
            return Entry(path, "file", mode, source)
        return Entry(path, "file" if faults(copy) else "database", mode, copy)

    def _copy(self, source: Path) -> Path:
        if not source.is_file():
            raise Permanent(f"{source} is missing: the site has lost its database; restore it from a backup")
        copy = self._scratch / f"{next(self._numbers)}.db"
        copy_live(source, copy)
        return copy


def _in_order(folder: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=attrgetter("name"))
    except FileNotFoundError:
        return []


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "symlink" if stat.S_ISLNK(mode) else "special"
