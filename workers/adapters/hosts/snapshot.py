"""A consistent view of a site's folder: files as they are met, databases as whole copies.

Everything is read through a descriptor of the very object that was looked at. What can't be read is yielded as
`absent`, with the reason: it never stops the rest.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from errno import EACCES, EAGAIN, ELOOP, EPERM, ETXTBSY, EXDEV
from itertools import count
from pathlib import Path

from workers.adapters.hosts import marker
from workers.base.errors import Permanent, Temporary
from workers.base.progress import moved
from workers.storage.atomic_files import explained
from workers.storage.file_details import attributes_of, nature_of, unrestorable_bits
from workers.storage.site_content import DATABASE, Entry, LeftOutError
from workers.storage.site_file import SiteFile
from workers.storage.site_limits import Allowance
from workers.storage.site_tree import Status, look, open_file, open_top, opened, read_link
from workers.storage.site_walk import MOUNTED, Found, walk
from workers.storage.sorted_names import NameLists
from workers.storage.sqlite_file import MAGIC, SIDECARS, SMALLEST, copy_database, faults

CLOSED = {EACCES, EPERM, EAGAIN, ETXTBSY, ELOOP, EXDEV}
"""What the system says of a file that a customer keeps from us: by its mode, a lease on it, or by swapping it."""


class FolderSnapshot:
    """The content of a site, as far as the allowance goes. `scratch` is an empty folder that the caller removes.

    The help desk's own database is copied first: what it speaks of is then found in the files that follow. It is part
    of the snapshot whatever stands under its name later.
    """

    def __init__(self, site_id: str, folder: Path, scratch: Path, allowance: Allowance) -> None:
        self._site_id = site_id
        self._folder = folder
        self._scratch = scratch
        self._allowance = allowance
        self._numbers = count(1)
        with opened(open_top(folder)) as top:
            self._described_helpdesk = self._look_at_helpdesk(top)
            self._helpdesk = self._copy(DATABASE, top)

    @property
    def site_id(self) -> str:
        """Whose content this is."""
        return self._site_id

    @property
    def home(self) -> str:
        """The site's own folder."""
        return str(self._folder.absolute())

    def __iter__(self) -> Iterator[Entry]:
        """Walk through the site, however deep, without recursion; raises `Temporary`."""
        with (
            explained(self._folder),
            opened(open_top(self._folder)) as top,
            closing(NameLists(self._scratch, self._allowance.check_time)) as lists,
        ):
            yield from self._entries(top, lists)

    def _look_at_helpdesk(self, top: int) -> Entry:
        try:
            status = look(DATABASE, top)
            with opened(open_file(DATABASE, top, status)) as file:
                found = self._described(Found(DATABASE, DATABASE, top, status), status, file)
                return replace(found, kind="database")
        except FileNotFoundError as wrong:
            lost = f"{self.home}/{DATABASE} is missing: the site has lost its database; restore it from a backup"
            raise Permanent(lost) from wrong

    def _entries(self, top: int, lists: NameLists) -> Iterator[Entry]:
        path, has_helpdesk = "everything", False
        try:
            with closing(walk(top, lists)) as found:
                for one in found:
                    path = one.path
                    has_helpdesk |= path == DATABASE
                    if not self._is_passed_over(one):
                        self._allowance.take_entry()
                        moved()
                        yield from self._entry(one)
        except LeftOutError as over:
            if not has_helpdesk:  # all that was yielded stands before it
                yield from self._copied(self._described_helpdesk, self._helpdesk)
            yield Entry(path, "absent", nature=f"{over}: this and all that follows is missing")
            return
        if not has_helpdesk:
            raise Temporary(f"{self.home}/{DATABASE} went away while the site was copied")

    def _is_passed_over(self, one: Found) -> bool:
        """Whether it is the host's own, or the log of a live database, whose copy has what the log had."""
        if one.fault or one.status is None or not stat.S_ISREG(one.status.st_mode):
            return False
        if one.path == one.name and marker.is_ours(Path(one.name)):
            return True
        names = (one.name.removesuffix(end) for end in SIDECARS if one.name.endswith(end))
        return any(name and self._is_database(name, one.folder) for name in names)

    def _is_database(self, name: str, folder: int) -> bool:
        try:
            with opened(open_file(name, folder, look(name, folder))) as file:
                return _is_open_database(file)
        except OSError:
            return False

    def _entry(self, one: Found) -> Iterator[Entry]:
        """Yield one entry, or nothing if it is gone; its content can be read until the next step."""
        if one.path == DATABASE:
            yield from self._copied(self._described_helpdesk, self._helpdesk)
            return
        if one.fault == MOUNTED:  # an operator's, who may unmount it: it is named, and nothing of the site is missing
            yield Entry(one.path, "special", nature=MOUNTED)
            return
        if one.fault or one.status is None:
            yield Entry(one.path, "absent", nature=one.fault)
            return
        try:
            yield from self._readable(one, one.status)
        except FileNotFoundError:  # it was removed while we walked: it is not part of the site any more
            return
        except LeftOutError as over:
            yield Entry(one.path, "absent", nature=str(over))
        except OSError as wrong:
            if wrong.errno not in CLOSED:
                raise
            yield Entry(one.path, "absent", nature=f"it can't be opened: {wrong.strerror}")

    def _readable(self, one: Found, status: Status) -> Iterator[Entry]:
        if stat.S_ISDIR(status.st_mode):
            yield self._described(one, status, one.own)
        elif stat.S_ISLNK(status.st_mode):
            yield self._link(one, status)
        elif not stat.S_ISREG(status.st_mode):
            yield replace(self._plain(one, status), kind="special", nature=nature_of(status.st_mode))
        else:
            with opened(open_file(one.name, one.folder, status)) as file:
                yield from self._file(self._described(one, status, file), one, file)

    def _plain(self, one: Found, status: Status) -> Entry:
        return Entry(
            one.path,
            "folder",
            stat.S_IMODE(status.st_mode),
            modified_ns=status.st_mtime_ns,
            uid=status.st_uid,
            gid=status.st_gid,
        )

    def _described(self, one: Found, status: Status, descriptor: int) -> Entry:
        """Describe an open file or folder with its extended attributes."""
        extended = attributes_of(descriptor)
        unrestorable = unrestorable_bits(status) + extended.unrestorable
        return replace(self._plain(one, status), attributes=extended.kept, unrestorable=unrestorable)

    def _link(self, one: Found, status: Status) -> Entry:
        """Describe a link; a target in the site's own folder is told from there, so that the folder may move."""
        target = read_link(one.name, one.folder)
        inside = os.path.relpath(target, self.home) if target.startswith("/") else ""
        in_site = bool(inside) and inside.split("/")[0] != ".."
        return replace(self._plain(one, status), kind="symlink", target=inside if in_site else target, in_site=in_site)

    def _file(self, entry: Entry, one: Found, file: int) -> Iterator[Entry]:
        size = os.fstat(file).st_size
        self._allowance.take_bytes(size)
        if size >= SMALLEST and _is_open_database(file):
            yield from self._database(entry, one, file)
        else:
            yield self._as_it_is(entry, file)

    def _as_it_is(self, entry: Entry, file: int) -> Entry:
        return replace(entry, kind="file", content=SiteFile(file, os.fstat(file).st_size, self._allowance.check_time))

    def _database(self, entry: Entry, one: Found, file: int) -> Iterator[Entry]:
        """Copy a database that the site has added; one that can't be copied is the customer's file, byte for byte.

        One that fails its check here (it may need words of its own program) is kept as it was copied, with what only
        its log had. One that stays locked, or takes too much to copy, is left out.
        """
        try:
            copy = self._copy(one.name, one.folder)
        except Permanent:
            yield self._as_it_is(entry, file)
            return
        except Temporary as wrong:
            raise LeftOutError(f"this database can't be copied: {wrong}") from wrong
        yield from self._copied(
            replace(entry, kind="file" if faults(copy, self._allowance.seconds_left()) else "database"), copy
        )

    def _copied(self, entry: Entry, copy: Path) -> Iterator[Entry]:
        """Yield a database as it was copied; the copy is used up."""
        with opened(os.open(copy, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)) as file:
            copy.unlink()
            yield replace(entry, content=SiteFile(file, os.fstat(file).st_size))

    def _copy(self, name: str, folder: int) -> Path:
        copy = self._scratch / f"{next(self._numbers)}.db"
        seconds, most = self._allowance.seconds_left(), self._allowance.bytes_left()
        copy_database(folder, name, copy, seconds=seconds, most_bytes=most)
        return copy


def _is_open_database(file: int) -> bool:
    return os.pread(file, len(MAGIC), 0) == MAGIC
