"""Remove what stands at a name, by descriptors, whatever its owner does to it meanwhile.

A customer who swaps a folder for a link gets the link removed. Nothing that is mounted is entered: a mount that is
there stops the removal before it begins, one that comes later stops it where it is.

Folders that lie deeper than `DEEPEST` are first moved up into the one that goes, under new names. So a tree of any
depth needs few descriptors, no path and no memory, and a removal that was cut off has less to do the next time.
"""

import os
import secrets
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, field
from errno import EBUSY, EISDIR, ENOTEMPTY
from pathlib import Path

from workers.base.errors import Mounted, Temporary
from workers.base.progress import moved
from workers.storage.site_content import Removed
from workers.storage.site_tree import SWAPPED, MountPointError, look, mount_points, open_folder, open_up, opened

MOST_SECONDS = 900.0
"""One removal lasts no longer: who goes on writing into the folder must not keep a worker for ever."""

DEEPEST = 16
"""Folders entered one in the other, each with two descriptors."""

OFTEN = 1_000
"""Things removed between two looks at the clock."""

NamePrefix = tuple[str, ...]
OTHER_NOW = {*SWAPPED, EISDIR, ENOTEMPTY}
"""It is another thing, or has more in it, than a moment ago: it is met again."""


class StuckError(OSError):
    """It can't be removed: `filename` is its whole path."""


def remove_at(parent: int, name: str, path: Path) -> Removed:
    """Remove what stands at a name in an open folder that is ours alone; nothing there is nothing taken.

    `path` is what it is called in errors, and where mounts are looked for. Raises `Mounted` when something is mounted
    in it, `Temporary` when it does not get empty, `StuckError` for what can't be removed.
    """
    try:
        status = look(name, parent)
    except FileNotFoundError:
        return Removed()
    if stat.S_ISDIR(status.st_mode):
        must_hold_no_mounts(path)
        return _Removal(path).remove(parent, name)
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return Removed()
    except OSError as wrong:
        raise _Removal(path).explained(wrong, ()) from wrong
    return Removed(1, status.st_size)


def must_hold_no_mounts(path: Path) -> None:
    """Raise `Mounted` with the first mount point at or under a folder, and what to do about it."""
    found = mount_points(path)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Mounted(_said(f"{ascii(str(found[0]))[1:-1]}{more}"))


def _said(where: str) -> str:
    return f"{where} is mounted there, and nothing that is mounted is removed: unmount it (umount), then it goes on"


@dataclass(slots=True)
class _Removal:
    """One folder on its way out, and what was taken so far. `top` is its descriptor while it is emptied."""

    path: Path
    top: int = -1
    taken: Removed = field(default_factory=Removed)
    deadline: float = field(default_factory=lambda: time.monotonic() + MOST_SECONDS)

    def remove(self, parent: int, name: str) -> Removed:
        """Empty it and take it away, again and again while somebody still fills it."""
        try:
            self.top = _enter(name, parent)
        except OSError as wrong:
            raise self.explained(wrong, ()) from wrong
        try:
            with opened(self.top):
                while not self._is_gone(parent, name):
                    while self._sweep(self.top, ()):
                        self._look_at_the_clock()
        except Exception as wrong:
            wrong.removed = self.taken  # type: ignore[attr-defined]  # what went before it counts in the receipt
            raise
        return self.taken

    def _is_gone(self, parent: int, name: str) -> bool:
        self._look_at_the_clock()
        try:
            os.rmdir(name, dir_fd=parent)
        except FileNotFoundError:
            return True
        except OSError as wrong:
            if wrong.errno != ENOTEMPTY:
                raise self.explained(wrong, ()) from wrong
            return False
        return True

    def _sweep(self, folder: int, above: NamePrefix) -> bool:
        """Take away what is in a folder now; whether there was anything."""
        number = 0
        with os.scandir(folder) as items:
            for number, item in enumerate(items, 1):
                self._take(item.name, folder, above)
                if number % OFTEN == 0:
                    self._look_at_the_clock()
        return number > 0

    def _take(self, name: str, folder: int, above: NamePrefix) -> None:
        """Unlink a file, empty and remove a folder, or move up one that lies too deep."""
        try:
            status = look(name, folder)
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(name, dir_fd=folder)
                self.taken += Removed(1, status.st_size)
                moved()
            elif len(above) < DEEPEST:
                self._take_folder(name, folder, above)
            else:
                _rename(name, folder, f".{secrets.token_hex(8)}", self.top)
        except FileNotFoundError:
            return
        except StuckError:
            raise
        except OSError as wrong:
            if wrong.errno not in OTHER_NOW:
                raise self.explained(wrong, (*above, name)) from wrong

    def _take_folder(self, name: str, folder: int, above: NamePrefix) -> None:
        with opened(_enter(name, folder)) as inside:
            self._sweep(inside, (*above, name))
        os.rmdir(name, dir_fd=folder)
        moved()

    def _look_at_the_clock(self) -> None:
        if time.monotonic() > self.deadline:
            shown = ascii(str(self.path))[1:-1]
            raise Temporary(f"{shown} does not get empty within {MOST_SECONDS:.0f} s: stop what still writes into it")

    def explained(self, wrong: OSError, names: NamePrefix) -> Exception:
        """Say where it is, and whether it is a mount."""
        where = str(self.path.joinpath(*names))
        if isinstance(wrong, MountPointError) or wrong.errno == EBUSY:
            must_hold_no_mounts(self.path)
        if isinstance(wrong, MountPointError):
            return Mounted(_said(ascii(where)[1:-1]))
        return StuckError(wrong.errno, wrong.strerror, where)


def _enter(name: str, at: int) -> int:
    """Open a folder on the same mount, with all rights of its owner."""
    try:
        descriptor = open_folder(name, at)
    except PermissionError:
        open_up(name, at)
        descriptor = open_folder(name, at)
    _take_rights(descriptor)
    return descriptor


def _rename(name: str, folder: int, new: str, top: int) -> None:
    try:
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
    except PermissionError:  # the rights of the folder itself are asked too, for its `..` changes
        open_up(name, folder)
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)


def _take_rights(folder: int) -> None:
    """Let ourselves read and empty a folder; of another user's folder the removal of what is in it tells."""
    mode = os.fstat(folder).st_mode
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        with suppress(PermissionError):
            os.fchmod(folder, stat.S_IMODE(mode) | stat.S_IRWXU)
