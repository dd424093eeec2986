"""Go through a backup member by member: each header, each byte and the order are those that the manifest says."""

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

from workers.base.errors import Permanent
from workers.base.progress import moved
from workers.storage.archive_format import BLOCK, CHUNK, END, MEMBERS, Key, Record, header, padding, path_fault
from workers.storage.archive_reader import Archive, ArchiveStream
from workers.storage.sorted_names import unhurried


class Member:
    """One entry of a backup. The content of a file must be read to its end before the next one is asked for."""

    def __init__(self, record: Record, stream: ArchiveStream, check: Callable[[], None]) -> None:
        self.record = record
        self._stream = stream
        self._check = check

    def chunks(self) -> Iterator[bytes]:
        """Read the content; raises `Permanent` when its bytes are not those that were saved, what the check raises."""
        digest, record = hashlib.sha256(), self.record
        for start in range(0, record.size, CHUNK):
            self._check()
            chunk = self._stream.read(min(CHUNK, record.size - start))
            digest.update(chunk)
            moved(len(chunk))
            yield chunk
        if digest.hexdigest() != record.sha256:
            raise Permanent(f"{_shown(record.path)} does not have the bytes that were saved")
        if any(self._stream.read(len(padding(record.size)))):
            raise Permanent(f"{_shown(record.path)} is bigger than the manifest says")


def members_of(archive: Archive, check: Callable[[], None] = unhurried) -> Iterator[Member]:
    """Yield every entry, links and special files included; `check` is called before each, and before each chunk of it.

    Raises `Permanent` at the first thing that is not right.
    """
    with archive.members() as stream:
        for record in in_order(archive):
            check()
            moved()
            if record.kind in MEMBERS:
                _expect(record, stream)
            yield Member(record, stream, check)
        _finish(stream)


def in_order(archive: Archive) -> Iterator[Record]:
    """Let records through whose paths rise, each in a folder that was there before: none can come twice."""
    last: Key = ()
    folders: list[str] = []
    for record in archive.records():
        key = record.key
        if key <= last:
            raise Permanent(f"{_shown(record.path)} stands twice in the archive, or in the wrong place")
        del folders[_common(folders, key) :]
        if len(folders) != len(key) - 1:
            raise Permanent(f"{_shown(record.path)} lies in a folder that the archive does not have")
        if record.kind == "folder":
            folders.append(key[-1])
        last = key
        yield record


def _common(folders: list[str], key: Key) -> int:
    """Count the folders that an entry shares with the one before it."""
    for number, (one, other) in enumerate(zip(folders, key[:-1], strict=False)):
        if one != other:
            return number
    return min(len(folders), len(key) - 1)


def _expect(record: Record, members: ArchiveStream) -> None:
    """Read a member's header, which must be the very one that the manifest's entry makes."""
    expected = header(record)
    found = members.read(len(expected))
    if found != expected:
        raise Permanent(_stranger(found[:BLOCK], record))


def _finish(members: ArchiveStream) -> None:
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


def _shown(path: Any) -> str:
    return ascii(path)[:120]
