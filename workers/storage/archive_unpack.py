"""Unpack a backup into a folder of its own: nothing is written outside of it, and no bytes that were not saved.

Everything is made by descriptors, so nothing is ever written through a link and paths may be longer than PATH_MAX.
Links that lead out of the site are taken away again once the whole tree is there, and named. Hard links came as files.
Owners, times and the like: see `file_details`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

from workers.base.errors import Permanent
from workers.base.progress import moved
from workers.storage.archive_format import CHUNK, CONTENT, Record
from workers.storage.archive_members import Member, in_order, members_of
from workers.storage.archive_reader import Archive
from workers.storage.file_details import FOLDERS, PERMISSIONS, set_attributes, set_owner
from workers.storage.restored_links import SiteLinks
from workers.storage.site_content import shortened
from workers.storage.site_tree import FOLDER, open_folder, open_top, opened
from workers.storage.site_walk import MOST_OPEN
from workers.storage.sorted_names import unhurried

ZEROS = bytes(CHUNK)
MOST_NAMED = 1000
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(archive: Archive, into: Path, home: str = "", check: Callable[[], None] = unhurried) -> list[str]:
    """Unpack into a folder that is empty or not there yet; returns what was not made again.

    `home` is the absolute path that the folder will have: absolute links into the site name it. Links that lead out are
    named by their path alone. Raises `Permanent` at the first thing that is not right, what `check` raises, OSError.
    """
    into.mkdir(parents=True, exist_ok=True)
    if next(into.iterdir(), None) is not None:
        raise Permanent(f"{into} is not empty: nothing was unpacked")
    with opened(open_top(into)) as top:
        unpacking = _Unpacking(top, SiteLinks(top, home or archive.title.home))
        with closing(_Folders(top, unpacking.leave_as_it_is)) as folders:
            for member in members_of(archive, check):
                unpacking.make(member, folders)
        with closing(_Folders(top, unpacking.leave_as_it_is)) as folders:
            for record in in_order(archive):
                check()
                moved()
                unpacking.make_link(record, folders)
        unpacking.judge_links(in_order(archive))
        with closing(_Folders(top, unpacking.finish_folder)) as folders:
            for record in in_order(archive):
                check()
                moved()
                unpacking.finish(record, folders)
            folders.leave_all()
    return unpacking.left_out


class _Folders:
    """The folders from the top to the entry that is at hand, the innermost ones open. `leave` gets each at its end."""

    def __init__(self, top: int, leave: Callable[[Record, int], None]) -> None:
        self._top = top
        self._leave = leave
        self._records: list[Record] = []
        self._open: list[int] = [os.dup(top)]

    def holding(self, record: Record) -> int:
        """Leave the folders that end before this entry; returns the open folder that holds it."""
        depth = record.path.count("/")
        while len(self._records) > depth:
            self._leave_one()
        return self._open[-1]

    def enter(self, record: Record, name: str) -> None:
        """Go into a folder."""
        self._open.append(open_folder(name, self._open[-1]))
        self._records.append(record)
        if len(self._open) > MOST_OPEN:
            os.close(self._open.pop(1))

    def leave_all(self) -> None:
        """Go back to the top."""
        while self._records:
            self._leave_one()

    def close(self) -> None:
        """Close what is open, wherever that is."""
        while self._open:
            os.close(self._open.pop())

    def _leave_one(self) -> None:
        if len(self._open) == 2 and len(self._records) > 1:  # noqa: PLR2004 - the top, and the one to leave
            self._open.insert(1, os.open("..", FOLDER, dir_fd=self._open[-1]))
        with opened(self._open.pop()) as folder:
            self._leave(self._records.pop(), folder)


class _Unpacking:
    """Makes what an archive holds, then gives each entry what it had beside its bytes."""

    def __init__(self, top: int, links: SiteLinks) -> None:
        self._top = top
        self._links = links
        self._outside = bytearray()
        self._judged = 0
        self.left_out: list[str] = []

    def make(self, member: Member, folders: _Folders) -> None:
        """Make a file or a folder; folders can be written by us alone until they are finished."""
        record, at = member.record, folders.holding(member.record)
        name = record.key[-1]
        if record.kind == "folder":
            os.mkdir(name, mode=0o700, dir_fd=at)
            folders.enter(record, name)
        elif record.kind in CONTENT:
            with closing(_create(name, at)) as file:
                write_chunks(file, member.chunks(), record.size)
                self._finish_file(record, file.fileno())

    def make_link(self, record: Record, folders: _Folders) -> None:
        """Make a link, when everything in the archive is known to be right."""
        if record.kind == "folder":
            folders.holding(record)
            folders.enter(record, record.key[-1])
        elif record.kind == "symlink":
            os.symlink(self._links.text(record), record.key[-1], dir_fd=folders.holding(record))

    def judge_links(self, records: Iterator[Record]) -> None:
        """Find the links that lead out, by themselves or through others, while all of them are there."""
        self._outside.extend(self._links.leads_out(record) for record in records if record.kind == "symlink")

    def leave_as_it_is(self, record: Record, folder: int) -> None:
        """Leave a folder whose content may still change."""

    def finish(self, record: Record, folders: _Folders) -> None:
        """Finish a link now that all of them are there; go into a folder, whose turn comes after its content."""
        at, name = folders.holding(record), record.key[-1]
        if record.kind == "folder":
            folders.enter(record, name)
        elif record.kind == "special":
            self._name(f"{shortened(record.path)}: {record.nature or 'a special file'}")
        elif record.kind == "symlink":
            self._finish_link(record, name, at)

    def _finish_link(self, record: Record, name: str, at: int) -> None:
        leads_out = self._outside[self._judged]
        self._judged += 1
        if leads_out:
            os.unlink(name, dir_fd=at)
            self._name(record.path)
        else:
            _describe_link(record, name, at)

    def finish_folder(self, record: Record, folder: int) -> None:
        """Give a folder its owner, attributes, mode and time, in the order in which none undoes another."""
        self._describe(record, folder)
        os.fchmod(folder, record.mode & FOLDERS)
        if record.modified_ns is not None:
            os.utime(folder, ns=(record.modified_ns, record.modified_ns))

    def _finish_file(self, record: Record, file: int) -> None:
        self._describe(record, file)
        os.fchmod(file, record.mode & PERMISSIONS)
        if record.modified_ns is not None:
            os.utime(file, ns=(record.modified_ns, record.modified_ns))

    def _describe(self, record: Record, descriptor: int) -> None:
        set_owner(descriptor, record.uid, record.gid)
        for name in set_attributes(descriptor, record.extended) if record.attributes else ():
            self._name(f"{shortened(record.path)}: its attribute {shortened(name)}, which this disk does not take")

    def _name(self, what: str) -> None:
        """Name what was left out, while there is room."""
        if len(self.left_out) < MOST_NAMED:
            self.left_out.append(what)


def _describe_link(record: Record, name: str, at: int) -> None:
    if record.uid >= 0 and record.gid >= 0 and os.geteuid() == 0:
        os.chown(name, record.uid, record.gid, dir_fd=at, follow_symlinks=False)
    if record.modified_ns is not None:
        os.utime(name, ns=(record.modified_ns, record.modified_ns), dir_fd=at, follow_symlinks=False)


def _create(name: str, at: int) -> IO[bytes]:
    """Open a file that was not there before."""
    return os.fdopen(os.open(name, NEW_FILE, 0o600, dir_fd=at), "wb", buffering=0)


def write_chunks(file: IO[bytes], chunks: Iterator[bytes], size: int) -> None:
    """Write the bytes of one file, holes as holes."""
    for chunk in chunks:
        if chunk == ZEROS:
            file.seek(CHUNK, os.SEEK_CUR)
        else:
            _write_all(file, chunk)
    file.truncate(size)


def _write_all(file: IO[bytes], chunk: bytes) -> None:
    """Write to the last byte, however little the system takes at a time."""
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]
