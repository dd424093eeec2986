"""Files that a power cut leaves old or new and never half, and removals that count what they take."""

import contextlib
import ctypes
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import closing
from errno import EACCES, EDQUOT, EEXIST, ENOSPC, ENOTDIR, EPERM
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from workers.base.errors import Temporary
from workers.base.fault_points import fault_point
from workers.storage.removal import remove_at
from workers.storage.site_content import Removed
from workers.storage.site_tree import open_file, open_top, opened
from workers.storage.site_walk import Found, walk
from workers.storage.sorted_names import NameLists

MANY = 1_000
"""Things whose own syncs take longer than that of the disk."""


@contextlib.contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turn what the disk, or SQLite on it, says into `Temporary`, with the path and what to do about it."""
    try:
        yield
    except OSError as wrong:
        where = wrong.filename if isinstance(wrong.filename, str) else place
        raise Temporary(f"{ascii(str(where))[1:-1]}: {wrong.strerror or wrong}; {_remedy(wrong)}") from wrong
    except sqlite.OperationalError as wrong:
        raise Temporary(f"{ascii(str(place))[1:-1]}: {wrong}; {_remedy(wrong)}") from wrong


def _remedy(wrong: Exception) -> str:
    if getattr(wrong, "errno", None) in {ENOSPC, EDQUOT} or getattr(wrong, "sqlite_errorcode", 0) == sqlite.SQLITE_FULL:
        return "free space on this disk"
    if getattr(wrong, "errno", None) == EPERM:
        return "let the user that runs Tenure change it (whose is it? is it immutable: chattr -i)"
    if getattr(wrong, "errno", None) == EACCES:
        return "let the user that runs Tenure read and write it"
    if getattr(wrong, "errno", None) in {ENOTDIR, EEXIST}:
        return "something stands where a folder must be: move it away"
    return "look at this disk"


def write_whole(path: Path, text: str) -> None:
    """Replace a private file so that a reader, and a machine after a power cut, has the old or the new one."""
    with _drafted(path, text) as draft:
        draft.replace(path)
    sync(path.parent)


def write_first(path: Path, text: str) -> bool:
    """The same unless the file is there by now, written by whom this writer did not know; whether it was written."""
    with _drafted(path, text) as draft:
        if is_there(path):
            draft.unlink()
            return False
        draft.replace(path)
    sync(path.parent)
    return True


@contextlib.contextmanager
def _drafted(path: Path, text: str) -> Iterator[Path]:
    """Lend a draft of a file; one that a dead process has left is written over, and writers take turns."""
    draft = draft_of(path)
    with os.fdopen(_locked(draft), "r+", encoding="utf-8") as file:
        try:
            file.truncate(0)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            fault_point("marker.drafted")
            yield draft
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def draft_of(path: Path) -> Path:
    """Where the next content of a file is written; a process that dies leaves it."""
    return path.with_name(f".{path.name}.draft")


def _locked(draft: Path) -> int:
    """Open a draft for this writer alone; who waited for it finds that it has become the file, and makes a new one."""
    while True:
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), draft.lstat()):
                return descriptor
        os.close(descriptor)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until everything in a folder is on the disk: file by file, or all of the disk when there are many."""
    with (
        opened(open_top(folder)) as top,
        closing(NameLists(folder.parent)) as lists,
        closing(walk(top, lists)) as found,
    ):
        for number, one in enumerate(found):
            if number == MANY or not _is_synced(one):
                _sync_disk(top)
                return
        os.fsync(top)


def _is_synced(found: Found) -> bool:
    """Wait for one thing; False if it can't be opened, by its rights or its place."""
    if found.fault or found.status is None:
        return False
    if found.own >= 0:
        os.fsync(found.own)
    elif stat.S_ISREG(found.status.st_mode):
        try:
            file = open_file(found.name, found.folder, found.status)
        except PermissionError:
            return False
        with opened(file):
            os.fsync(file)
    return True


def _sync_disk(folder: int) -> None:
    """Wait for the whole disk that an open folder is on."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(folder):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mode_of(path: Path) -> int | None:
    """What stands there, a link not followed; None when nothing does.

    A disk that can't tell raises OSError: `exists` and its like say False then, and a deletion would be proved.
    """
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_there(path: Path) -> bool:
    """Whether anything stands there; a disk that can't tell raises OSError."""
    return mode_of(path) is not None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each one's name on the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def remove(path: Path) -> Removed:
    """Remove a file, a link (never what it points to) or a whole folder, and count; nothing there is nothing taken.

    The folder that holds it must be ours alone; what is in it may be a customer's (`workers/storage/removal.py`).
    """
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Removed()
    with opened(parent):
        return remove_at(parent, path.name, path)


def check_writable(folder: Path) -> None:
    """Write, sync and remove a small file; raises `Temporary` with the path and the remedy."""
    with explained(folder):
        make_folder(folder)
        probe = folder / f".probe.{secrets.token_hex(4)}"
        try:
            probe.write_bytes(b"tenure")
            sync(probe)
        finally:
            probe.unlink(missing_ok=True)
