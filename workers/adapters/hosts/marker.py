"""The marker of a site: whose folder it is, what the host allows, which content was swapped in last.

It stands in `sites/.markers/<site id>.json`, where no customer can write, and names the folder that is the site's by
its inode. So a folder that somebody has moved to another site's name is known for what it is, whatever is written in
it; and whether a swap took place is seen from the folder that stands there, however the process that made it ended. An
inode means something only in the folder `sites` in which it was written down, which is named too: in a copy of the data
folder, or one that was read back from a tape, all are others, and none is held against a site.

A copy of the facts stays in the site as `.tenure.json`, for its help desk to read. It is written when facts change, and
is never believed, but for what a data folder of version 0.1, or a worker of 0.1 that runs beside us, needs. They know
that copy alone:

- A folder without a marker was built by 0.1. `hosts/adoption.py` makes the markers of a whole data folder at the
  start, from the database. What is built later is believed to be the site that its copy names, if it stands in
  that site's place and no other marker names it. Only the host can bring about that a marker is missing.
- A folder that no marker names, in the place of one that does, was swapped in by 0.1, or put there by an operator: then
  the key of the swap is taken from its copy, once. A customer who forges it is cheated of a restore, nobody else.
- 0.1 changes `online` and `agents` in the copy alone. They are read from nowhere: they follow from the database, and at
  each change the copy is compared as well as the marker.
- 0.1 reads the copies that we write, which have its form, so it goes on and refuses no site of ours. Its deletion asks
  the copy, as ever, and removes the folder alone: the marker that it leaves goes at the next start.
"""

import fcntl
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from workers.adapters.hosts import marker_copy
from workers.adapters.hosts.marker_copy import Copy, is_ours
from workers.base.errors import Permanent, Temporary
from workers.base.private_files import NotOursError, read
from workers.storage.atomic_files import draft_of, is_there, make_folder, sync, write_first, write_whole
from workers.storage.site_content import checked_site
from workers.storage.site_tree import open_ours, opened

__all__ = ["FOLDER", "Marker", "Markers", "copy_of", "identity", "is_ours"]

FOLDER = ".markers"
SCHEMA = "tenure/marker/2"
FS_IOC_GETVERSION = 0x8008_7601
"""Linux: a number that a file system draws anew whenever it uses an inode again."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What the host knows of a site. `replaced` is the key of the last swap; `folder` and `root` are identities.

    While a swap is made, `swapping` is its key and `swapping_to` the identity of the new content.
    """

    site: str
    hostname: str
    online: bool
    agents: int
    replaced: str | None = None
    folder: str | None = None
    root: str | None = None
    swapping: str | None = None
    swapping_to: str | None = None


def copy_of(mark: Marker) -> Copy:
    """What the help desk is told of it."""
    return Copy(mark.site, mark.hostname, mark.online, mark.agents, mark.replaced)


def identity(folder: Path) -> str | None:
    """Which folder stands there: its inode, and of which use of it, where the disk tells; None when none does.

    A copy of a folder is another one. Raises OSError when a link or a file stands there.
    """
    try:
        with opened(open_ours(folder)) as descriptor:
            return f"{os.fstat(descriptor).st_ino}.{_generation(descriptor)}"
    except FileNotFoundError:
        return None


def _generation(descriptor: int) -> int:
    try:
        return int.from_bytes(fcntl.ioctl(descriptor, FS_IOC_GETVERSION, bytes(8))[:4], sys.byteorder)
    except OSError:
        return 0


class Markers:
    """The markers of the sites under one root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / FOLDER

    def find(self, site_id: str) -> Marker | None:
        """Read a site's marker as it was written; None without one. Raises `Permanent` when it makes no sense."""
        path = self._path(site_id)
        try:
            text = read(path)
        except NotOursError as wrong:
            raise Temporary(str(wrong)) from wrong
        return None if text is None else _parsed(text, site_id, path)

    def of(self, site_id: str, live: Path) -> Marker:
        """Say what holds for the folder that stands in a site's place now.

        Raises `Permanent` when there is none, or when it is not known to be this site's.
        """
        stands, mark = identity(live), self.find(site_id)
        if stands is None:
            raise Permanent(f"{live} is not there: nothing is known to be {site_id}, and nothing is touched")
        return self._adopted(site_id, live, stands) if mark is None else self._settled(mark, live, stands)

    def write(self, mark: Marker) -> None:
        """Replace a site's marker: who reads it, also after a power cut, has the old or the new one."""
        make_folder(self._folder)
        write_whole(self._path(mark.site), _text(mark))

    def write_first(self, mark: Marker) -> bool:
        """Write a marker unless there is one by now, which then is the newer; whether it was written."""
        make_folder(self._folder)
        return write_first(self._path(mark.site), _text(mark))

    def remove(self, site_id: str) -> None:
        """Take a site's marker away: the last that is left of a site."""
        for name in self.left(site_id):
            (self._folder / name).unlink(missing_ok=True)
        if is_there(self._folder):
            sync(self._folder)

    def left(self, site_id: str) -> list[str]:
        """Name what is left of a site's marker, drafts included."""
        path = self._path(site_id)
        return [found.name for found in (draft_of(path), path) if is_there(found)]

    def must_be_free(self, site_id: str, folders: list[Path]) -> None:
        """Raise `Permanent` when one of the folders that lie about under a site's name is another site's."""
        mark = self.find(site_id)
        own = {None, mark.folder, mark.swapping_to} if mark else {None}
        asked = {stands: path for path in folders if path.is_dir() and (stands := identity(path)) not in own}
        if asked:
            self._refuse(site_id, asked)

    def bound(self, mark: Marker, live: Path) -> Marker:
        """The same facts for a folder that is to be this site's, and no swap under way."""
        return replace(mark, folder=identity(live), root=identity(self._root), swapping=None, swapping_to=None)

    def _settled(self, mark: Marker, live: Path, stands: str) -> Marker:
        """Say what a marker means for the folder that stands there; written down when it was not known."""
        if mark.root != identity(self._root):
            return self.bound(mark, live)
        if stands == mark.folder:
            return mark
        if stands == mark.swapping_to:
            settled = replace(self.bound(mark, live), replaced=mark.swapping)
        else:
            self._refuse(mark.site, {stands: live})
            copy = marker_copy.find(live)
            settled = replace(self.bound(mark, live), replaced=copy.replaced if copy else mark.replaced)
        self.write(settled)
        return settled

    def _adopted(self, site_id: str, live: Path, stands: str) -> Marker:
        """Make the marker of a site that a worker of version 0.1 has built beside us."""
        self._refuse(site_id, {stands: live})
        copy = marker_copy.find(live)
        if copy is None:
            raise Permanent(f"{live} has no marker: it is not known to be a site's, and is left alone")
        if copy.site != site_id:
            raise Permanent(f"{live} belongs to {ascii(copy.site)[:80]} and not to {site_id}: it is left alone")
        mark = self.bound(Marker(**asdict(copy)), live)
        return mark if self.write_first(mark) else self.of(site_id, live)

    def _refuse(self, site_id: str, folders: dict[str | None, Path]) -> None:
        """Raise `Permanent` when another site's marker names one of these folders as its own."""
        root = identity(self._root)
        for name in os.listdir(self._folder) if is_there(self._folder) else ():  # noqa: PTH208 - names, by the ten thousand
            other = self._other(name, site_id)
            if other is not None and other.root == root and other.folder in folders:
                found = folders[other.folder]
                raise Permanent(f"{found} belongs to {other.site} and not to {site_id}: it is left alone")

    def _other(self, name: str, site_id: str) -> Marker | None:
        """Read another site's marker by the name of its file; one that makes no sense says nothing about this site."""
        other = name.removesuffix(".json")
        if not name.endswith(".json") or name.startswith(".") or other == site_id:
            return None
        with suppress(Permanent, Temporary):
            return self.find(other)
        return None

    def _path(self, site_id: str) -> Path:
        return self._folder / f"{checked_site(site_id)}.json"


def _text(mark: Marker) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(mark)}) + "\n"


def _parsed(text: bytes, site_id: str, path: Path) -> Marker:
    try:
        fields: dict[str, Any] = json.loads(text)
        if fields.pop("schema") == SCHEMA and fields["site"] == site_id:
            return Marker(**fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise Permanent(
        f"{path} is damaged, or of a newer version: {site_id} is left alone; remove the file, and the next start"
        " makes it again"
    )
