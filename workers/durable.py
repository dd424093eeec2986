"""Files that a power cut leaves old or new and never half, and removals that count what they take."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from errno import EDQUOT, ENOSPC
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from workers.content import Removed
from workers.crash import reached
from workers.errors import Temporary

OURS = 0o700


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
    if isinstance(wrong, PermissionError):
        return "let the user that runs Tenure read and write it"
    return "look at this disk; it is tried again"


def write_whole(path: Path, text: str) -> None:
    """Replace a file so that a reader, and a machine after a power cut, has the old or the new one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        reached("marker.drafted")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until everything in a folder is on the disk."""
    for current in _folders(folder):
        for item in _items(current):
            if item.is_file(follow_symlinks=False):
                sync(Path(item.path))
        sync(current)


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
    """Remove a file, a link (never what it points to) or a whole folder, and count; nothing there is nothing taken."""
    if path.is_dir() and not path.is_symlink():
        return _remove_folder(path)
    try:
        size = path.lstat().st_size
        path.unlink()
    except FileNotFoundError:
        return Removed()
    return Removed(1, size)


def _remove_folder(folder: Path) -> Removed:
    """Empty every folder, then take the folders away from below; read-only ones are opened first."""
    taken, folders = Removed(), []
    _open_up(folder)
    for current in _folders(folder):
        folders.append(current)
        taken = sum((_taken(item) for item in _items(current)), taken)
    for current in reversed(folders):
        current.rmdir()
    return taken


def _taken(item: "os.DirEntry[str]") -> Removed:
    if item.is_dir(follow_symlinks=False):
        _open_up(Path(item.path))
        return Removed()
    size = item.stat(follow_symlinks=False).st_size
    Path(item.path).unlink()
    return Removed(1, size)


def _open_up(folder: Path) -> None:
    if folder.lstat().st_mode & OURS != OURS:
        folder.chmod(OURS)


def _folders(folder: Path) -> Iterator[Path]:
    """Walk through a folder and all below it, each before what it holds; however deep, without recursion."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += [Path(item.path) for item in _items(current) if item.is_dir(follow_symlinks=False)]


def _items(folder: Path) -> "list[os.DirEntry[str]]":
    with os.scandir(folder) as found:
        return list(found)


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
