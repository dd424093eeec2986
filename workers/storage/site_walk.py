"""Walk through a site's folder by descriptors, in an order that stays the same, in memory that does not grow.

A walk yields what a tar stream would: a folder before its content, names in order. It follows no link, crosses no mount
point, and holds a few descriptors however deep the tree is.
"""

import os
import stat
from collections.abc import Generator
from dataclasses import dataclass
from errno import EACCES, ELOOP, ENOENT, ENOTCONN, EPERM, EXDEV
from pathlib import Path

from workers.storage.site_tree import (
    FOLDER,
    SWAPPED,
    MountPointError,
    Status,
    SwappedError,
    is_same,
    look,
    mount_points,
    open_below,
    open_folder,
)
from workers.storage.sorted_names import NameLists

LONGEST_PATH = 1 << 15
"""In bytes, of a path within a site."""

MOST_OPEN = 16
"""Folders that a walk holds open at once, the innermost ones."""

TRIES = 5
CLOSED = {EACCES, EPERM, ENOTCONN}
"""What the system says where a customer, or a mount of a customer's, keeps us out."""

MOUNTED = "is a mount point: what is mounted there is no part of the site"
MOVED = "was moved while it was read: the rest of it is missing"


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a walk has met. `path` is relative to the top; `status` is of the thing itself, None if unknown.

    `folder` is the open folder that holds it under `name`; of a folder `own` is its own descriptor, else -1. Both are
    borrowed until the next step of the walk. `fault` says why something is not entered, or can't be looked at.
    """

    path: str
    name: str
    folder: int
    status: Status | None
    own: int = -1
    fault: str = ""


def walk(top: int, lists: NameLists, *, longest: int = LONGEST_PATH) -> Generator[Found, None, None]:
    """Yield everything under an open folder: a folder before its content, names in order, without recursion.

    At most `MOST_OPEN` descriptors are open, and memory does not grow with the tree. What is removed meanwhile is
    passed over. Close the generator to close its descriptors. Raises OSError.
    """
    descent = _Descent(top, lists, longest)
    try:
        while descent.levels:
            name = next(descent.levels[-1].names, None)
            found = descent.leave() if name is None else descent.meet(name)
            if found is not None:
                yield found
    finally:
        descent.close()


@dataclass(slots=True)
class _Level:
    """A folder that is being walked; its descriptor is -1 while the walk is far below it."""

    name: str
    status: Status
    names: Generator[str, None, None]
    descriptor: int


class _Descent:
    """The folders from the top to where the walk is."""

    def __init__(self, top: int, lists: NameLists, longest: int) -> None:
        self._lists = lists
        self._longest = longest
        self._above = ""
        self._mounted = _mounted_beneath(top)
        self._top = os.dup(top)
        self.levels = [_Level("", os.fstat(top), lists.names(self._top), self._top)]

    def close(self) -> None:
        """Close every folder that is still open."""
        while self.levels:
            self._drop(self.levels.pop())
        os.close(self._top)

    def meet(self, name: str) -> Found | None:
        """Say what stands at a name, and go into it if it is a folder; None if it is gone."""
        path = self._above + name
        if path in self._mounted:
            return self._closed(name, MOUNTED)
        if len(self._above) + len(name) > self._longest // 4 and len(os.fsencode(path)) > self._longest:
            return self._closed(name, f"has a path of more than {self._longest} bytes")
        try:
            return self._look(path, name)
        except FileNotFoundError:
            return None
        except MountPointError:
            return self._closed(name, MOUNTED)
        except OSError as wrong:
            if wrong.errno not in {*CLOSED, *SWAPPED}:
                raise
            return self._closed(name, f"can't be opened: {wrong.strerror}")

    def leave(self) -> Found | None:
        """Go back to the folder above; one that has been moved meanwhile is given up, and named."""
        done = self.levels.pop()
        self._above = self._above[: -len(done.name) - 1] if len(self.levels) > 1 else ""
        try:
            if self.levels and self.levels[-1].descriptor < 0:
                self.levels[-1].descriptor = self._reopened(done.descriptor)
        except OSError as wrong:
            if wrong.errno not in {ENOENT, EXDEV, *CLOSED, *SWAPPED}:
                raise
            self.levels[-1].names.close()
            return Found(self._above[:-1], self.levels[-1].name, -1, None, fault=MOVED)
        finally:
            self._drop(done)
        return None

    def _look(self, path: str, name: str) -> Found:
        """Look, and open a folder; looks again while the name changes hands."""
        at = self.levels[-1].descriptor
        for tries in reversed(range(TRIES)):
            status = look(name, at)
            if not stat.S_ISDIR(status.st_mode):
                return Found(path, name, at, status)
            try:
                own = open_folder(name, at)
            except OSError as wrong:
                if wrong.errno in SWAPPED and tries:
                    continue
                raise
            return self._enter(path, name, own)
        raise AssertionError

    def _enter(self, path: str, name: str, own: int) -> Found:
        at = self.levels[-1].descriptor
        try:
            self.levels.append(_Level(name, os.fstat(own), self._lists.names(own), own))
        except BaseException:
            os.close(own)
            raise
        self._above = f"{path}/"
        if len(self.levels) > MOST_OPEN:
            self._put_away(self.levels[-MOST_OPEN - 1])
        return Found(path, name, at, self.levels[-1].status, own)

    def _reopened(self, below: int) -> int:
        """Open the innermost folder again, from the one below it, or else from the top."""
        wanted = self.levels[-1].status
        if below >= 0:
            descriptor = os.open("..", FOLDER, dir_fd=below)
            if is_same(os.fstat(descriptor), wanted):
                return descriptor
            os.close(descriptor)
        descriptor = open_below(self._top, [level.name for level in self.levels[1:]])
        if is_same(os.fstat(descriptor), wanted):
            return descriptor
        os.close(descriptor)
        raise SwappedError(ELOOP, "is another folder than a moment ago", self.levels[-1].name)

    def _closed(self, name: str, fault: str) -> Found:
        return Found(self._above + name, name, self.levels[-1].descriptor, None, fault=fault)

    def _drop(self, level: _Level) -> None:
        level.names.close()
        self._put_away(level)

    def _put_away(self, level: _Level) -> None:
        """Close a folder's descriptor; the top's stays to the end."""
        if level.descriptor not in {-1, self._top}:
            os.close(level.descriptor)
            level.descriptor = -1


def _mounted_beneath(top: int) -> frozenset[str]:
    """List the mount points under an open folder, by their paths from it."""
    try:
        folder = Path(os.readlink(f"/proc/self/fd/{top}"))  # noqa: PTH115 - a path of our own process
    except FileNotFoundError:
        return frozenset()
    return frozenset(str(path.relative_to(folder)) for path in mount_points(folder) if path != folder)
