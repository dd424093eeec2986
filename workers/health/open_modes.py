"""Close the data folder to other users of the machine: what an older version made open, or somebody opened since."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workers.adapters.adapter_urls import folder_of
from workers.base.logs import log
from workers.base.private_files import MASK, is_root, user
from workers.base.settings import Settings
from workers.base.up_file import RUN_VARIABLE

SITES, MARKERS = "sites", ".markers"
DEEPEST = 3
"""`backups/<site>/<archive>`: what lies deeper is somebody's content, in a folder that is closed itself."""

EXAMPLES = 3
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
HANDLE = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Opens a folder that nobody may read, and waits for no pipe."""

AS_ROOT = (
    "Tenure runs as root: whoever finds a fault in it has the whole machine; run it as a user of its own, which owns"
    " the data folder"
)


@dataclass(slots=True)
class NameSample:
    """How many there are, and the first few of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, path: str) -> None:
        """Count one more."""
        self.count += 1
        if self.count <= EXAMPLES:
            self.first.append(ascii(path)[1:-1])

    def __str__(self) -> str:
        more = f" and {self.count - len(self.first)} more" if self.count > len(self.first) else ""
        return f"{', '.join(self.first)}{more}"


@dataclass(slots=True)
class Closed:
    """What `close` found: what was open to others and is closed now, and what belongs to others and was left alone."""

    mended: NameSample = field(default_factory=NameSample)
    foreign: NameSample = field(default_factory=NameSample)


@dataclass(frozen=True, slots=True)
class _Place:
    """An open folder, its path as it is shown, and how far its content is below the data folder."""

    folder: int
    path: str
    depth: int


def close_where_alone(settings: Settings) -> None:
    """The same for a process that no `tenure up` has started: that one has done it for all of its own."""
    if RUN_VARIABLE not in os.environ:
        close_and_tell(settings)


def close_and_tell(settings: Settings) -> None:
    """At the start: close what is open, and say so in the log, as well as that this is root."""
    found = close(settings)
    if found.mended.count:
        log.warning("done", outcome=f"closed to other users of this machine, who could enter it: {found.mended}")
    if found.foreign.count:
        log.warning("alarm", error=f"{found.foreign} in the data folder: {theirs()}")
    if is_root():
        log.warning("alarm", error=AS_ROOT)


def theirs() -> str:
    """What to do with things of other users."""
    return f"owned by other users; give them to {user(os.geteuid())} (chown), or move them away"


def close(settings: Settings) -> Closed:
    """Take the rights of group and others from all that is ours; what is in a site is the customer's own affair.

    No link is followed. Raises OSError when a disk can't tell.
    """
    found = Closed()
    for top, depth in _tops(settings):
        if top.is_dir():
            folder = os.open(top, FOLDER)  # where a setting leads, by a link or not
            try:
                _close_top(folder, top, depth, found)
            finally:
                os.close(folder)
    for path in _database(settings):
        _close_file(path, found)
    return found


def _tops(settings: Settings) -> Iterator[tuple[Path, int]]:
    """The data folder, and stores elsewhere."""
    yield settings.data_dir, 1
    for name, url, room in (
        ("TENURE_HOST_URL", settings.host_url, SITES),
        ("TENURE_BACKUPS_URL", settings.backups_url, "backups"),
    ):
        if url.startswith("file:") and (elsewhere := folder_of(name, url, settings.data_dir)) != settings.data_dir:
            yield elsewhere / room, 2


def _database(settings: Settings) -> Iterator[Path]:
    """The files of a database elsewhere; those in the data folder are met there."""
    scheme, _, path = settings.database_url.partition(":///")
    if scheme == "sqlite" and not Path(path).is_relative_to(settings.data_dir):
        yield from (Path(f"{path}{end}") for end in ("", "-wal", "-shm"))


def _close_file(path: Path, found: Closed) -> None:
    try:
        handle = os.open(path, HANDLE)
    except FileNotFoundError:
        return
    try:
        _close_opened(handle, str(path), found)
    except PermissionError:
        found.foreign.add(str(path))
    finally:
        os.close(handle)


def _close_top(folder: int, top: Path, depth: int, found: Closed) -> None:
    status = os.fstat(folder)
    if status.st_mode & MASK:
        os.fchmod(folder, stat.S_IMODE(status.st_mode) & ~MASK)
        found.mended.add(str(top))
    _close_inside(_Place(folder, str(top), depth), found)


def _close_inside(place: _Place, found: Closed) -> None:
    with os.scandir(place.folder) as items:
        for item in items:
            try:
                _look_at(item, place, found)
            except FileNotFoundError:  # it went while we looked
                continue


def _look_at(item: "os.DirEntry[str]", place: _Place, found: Closed) -> None:
    """Close one thing, and what is in it unless that is a site's."""
    status = item.stat(follow_symlinks=False)
    path = f"{place.path}/{item.name}"
    is_content = Path(place.path).name == SITES and item.name != MARKERS
    if status.st_uid != os.geteuid() and not is_content:
        found.foreign.add(path)
        return
    enters = stat.S_ISDIR(status.st_mode) and place.depth < DEEPEST and not is_content
    if not enters and (stat.S_ISLNK(status.st_mode) or not status.st_mode & MASK):
        return
    handle = os.open(item.name, HANDLE, dir_fd=place.folder)
    try:
        _close_opened(handle, path, found)
        if enters:
            _enter(handle, _Place(handle, path, place.depth + 1), found)
    except PermissionError:
        found.foreign.add(path)
    finally:
        os.close(handle)


def _close_opened(handle: int, path: str, found: Closed) -> None:
    """Change the rights of the very thing that was opened: `O_PATH` allows it by this name only."""
    mode = os.fstat(handle).st_mode
    if mode & MASK and not stat.S_ISLNK(mode):
        if hasattr(os, "O_PATH"):
            Path(f"/proc/self/fd/{handle}").chmod(stat.S_IMODE(mode) & ~MASK)
        else:
            os.fchmod(handle, stat.S_IMODE(mode) & ~MASK)
        found.mended.add(path)


def _enter(handle: int, place: _Place, found: Closed) -> None:
    folder = os.open(".", FOLDER, dir_fd=handle)
    try:
        _close_inside(_Place(folder, place.path, place.depth), found)
    finally:
        os.close(folder)
