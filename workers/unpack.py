"""Unpack a backup into a folder of its own: nothing is written outside of it, and no bytes that were not saved.

Files and folders come first. Links are made last, so nothing is ever written through one, and only those stay whose
target lies in the site. Hard links came as files. Modes are kept without set-user-id and the like.
"""

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from workers.archive import BLOCK, CHUNK, CONTENT, END, Key, Record, header, padding, path_fault
from workers.archive_reader import Archive, Stream
from workers.errors import Permanent

PERMISSIONS = 0o777
ZEROS = bytes(CHUNK)


@dataclass(slots=True)
class Unpacked:
    """What came out: the databases to check, the links that were not made again because they lead out of the site."""

    databases: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def keep(_record: Record, _file: Path) -> None:
    """Leave a file where it was unpacked."""


def drop_files(record: Record, file: Path) -> None:
    """Remove a file again once it is known to be right; databases stay to be opened.

    A check then never needs more of the disk than its largest file, and most files never reach it.
    """
    if record.kind == "file":
        file.unlink()


def unpack(archive: Archive, into: Path, then: Callable[[Record, Path], None] = keep) -> Unpacked:
    """Unpack into a folder that is empty or not there yet; `then` gets each file when its bytes have been checked.

    Raises `Permanent` at the first thing that is not right.
    """
    into.mkdir(parents=True, exist_ok=True)
    if next(into.iterdir(), None) is not None:
        raise Permanent(f"{into} is not empty: nothing was unpacked")
    result, closed, has_links = Unpacked(), [], False
    with archive.members() as members:
        for record in _in_order(archive):
            target = into / record.path
            _unpack_one(record, target, members)
            if record.kind in CONTENT:
                then(record, target)
            has_links |= record.kind == "symlink"
            if record.kind == "database":
                result.databases.append(target)
            if record.kind == "folder" and record.mode & PERMISSIONS != PERMISSIONS & 0o755:
                closed.append(record)
        _finish(members)
    if has_links:
        result.left_out += _link(archive, into)
    for record in reversed(closed):
        (into / record.path).chmod(record.mode & PERMISSIONS)
    return result


def _in_order(archive: Archive) -> Iterator[Record]:
    """Let records through whose paths rise, each in a folder that was there before: none can come twice."""
    last: Key = ()
    folders: list[Key] = [()]
    for record in archive.records():
        key = record.key
        if key <= last:
            raise Permanent(f"{_shown(record.path)} stands twice in the archive, or in the wrong place")
        while folders[-1] != key[: len(folders[-1])]:
            folders.pop()
        if folders[-1] != key[:-1]:
            raise Permanent(f"{_shown(record.path)} lies in a folder that the archive does not have")
        if record.kind == "folder":
            folders.append(key)
        last = key
        yield record


def _unpack_one(record: Record, target: Path, members: Stream) -> None:
    if record.kind == "folder":
        _expect(record, members)
        target.mkdir(mode=0o755)
        target.chmod(0o755)
    elif record.kind in CONTENT:
        _expect(record, members)
        _unpack_file(record, target, members)


def _expect(record: Record, members: Stream) -> None:
    """Read a member's header, which must be the very one that the manifest's entry makes."""
    expected = header(record)
    found = members.read(len(expected))
    if found != expected:
        raise Permanent(_stranger(found[:BLOCK], record))


def _unpack_file(record: Record, target: Path, members: Stream) -> None:
    """Write the bytes of one file, holes as holes; its mode and time come last."""
    digest = hashlib.sha256()
    with closing(_create(target)) as file:
        for start in range(0, record.size, CHUNK):
            chunk = members.read(min(CHUNK, record.size - start))
            digest.update(chunk)
            if chunk == ZEROS:
                file.seek(CHUNK, os.SEEK_CUR)
            else:
                _write_all(file, chunk)
        file.truncate(record.size)
        os.utime(file.fileno(), (record.modified, record.modified))
        os.fchmod(file.fileno(), record.mode & PERMISSIONS)
    if digest.hexdigest() != record.sha256:
        raise Permanent(f"{_shown(record.path)} does not have the bytes that were saved")
    if any(members.read(len(padding(record.size)))):
        raise Permanent(f"{_shown(record.path)} is bigger than the manifest says")


def _create(target: Path) -> IO[bytes]:
    """Open a file that was not there before."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def _write_all(file: IO[bytes], chunk: bytes) -> None:
    """Write to the last byte, however little the system takes at a time."""
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]


def _finish(members: Stream) -> None:
    """Expect the end of the tar and nothing after it."""
    end = members.read(len(END))
    if end != END:
        raise Permanent(_stranger(end[:BLOCK]))
    if members.rest(1):
        raise Permanent("there is more in the archive than its manifest says")


def _stranger(block: bytes, record: Record | None = None) -> str:
    """Say what a member is that should not be there; it is refused whatever this finds out."""
    if not any(block):
        return "the archive ends before its manifest does: it is cut short"
    try:
        found = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return "there is something in the archive that is no member: it is damaged"
    return f"{_shown(found.name)} {_strangeness(found, record)}"


def _strangeness(found: tarfile.TarInfo, record: Record | None) -> str:
    if found.issym() or found.islnk():
        return "is a link, which no archive of ours has as a member"
    if found.isdev():
        return "is a device, which no archive of ours has"
    fault = path_fault(found.name.rstrip("/") or "/")
    if fault:
        return fault
    if record is None:
        return "is one more member than the manifest has, or stands twice"
    if found.name == record.path and found.size != record.size:
        return f"has {found.size} bytes, and {record.size} in the manifest"
    return f"stands where the manifest has {_shown(record.path)}"


def _link(archive: Archive, into: Path) -> list[str]:
    """Make the symbolic links again; those that lead out of the site, by whatever way, are taken away and named."""
    links, root = [], Path(os.path.realpath(into))
    for record in archive.records():
        if record.kind == "symlink":
            (into / record.path).symlink_to(record.target)
            links.append(record.path)
    outside = [path for path in links if _leads_out(into / path, path.count("/"), root)]
    for path in outside:
        (into / path).unlink()
    return outside


def _leads_out(link: Path, depth: int, root: Path) -> bool:
    """Whether a link in so many folders is absolute, leaves the site on its way, or ends outside."""
    target = Path(os.readlink(link))  # noqa: PTH115 - `readlink()` of a path tidies the text
    if target.is_absolute():
        return True
    for part in target.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return not Path(os.path.realpath(link)).is_relative_to(root)


def _shown(path: Any) -> str:
    return ascii(path)[:120]
