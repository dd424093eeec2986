"""Write a backup: one pass over the site, in memory that does not grow with it."""

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import zstandard

from workers.storage.archive_format import (
    CHUNK,
    CONTENT,
    END,
    FRAME,
    MANIFEST_MAGIC,
    MEMBERS,
    UNKNOWN,
    Record,
    Totals,
    header,
    padding,
    title,
    trailer,
    write_record,
)
from workers.storage.site_content import NOTHING_LACKS, Content, Entry, Lacks, LeftOutError, Named, Snapshot, Stored

LEVEL = 3
SMALL = 4 << 20
"""Up to so many bytes a file is read before its header is written, so that it may change at any moment."""

READINGS = 3
"""So often a larger file is read that becomes shorter meanwhile."""


@dataclass(slots=True)
class Sink:
    """A file that knows the digest and the size of what went into it, and can take back the end of it."""

    file: IO[bytes]
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def write(self, chunk: bytes) -> int:
        """Pass it on."""
        self.digest.update(chunk)
        self.size += len(chunk)
        return self.file.write(chunk)

    def mark(self) -> tuple[int, Any]:
        """Remember what has been written so far."""
        return self.size, self.digest.copy()

    def rewind(self, mark: tuple[int, Any]) -> None:
        """Take back what was written since the mark."""
        self.size, self.digest = mark[0], mark[1].copy()
        self.file.seek(self.size)
        self.file.truncate()


class Frames:
    """Compresses into a sink; at a mark a new frame begins, so that what follows can be taken back."""

    def __init__(self, sink: "Sink | IO[bytes]") -> None:
        self._sink = sink
        self._begin()

    def write(self, chunk: bytes) -> None:
        """Compress it."""
        self._writer.write(chunk)

    def end(self) -> None:
        """End the frame."""
        self._writer.flush(zstandard.FLUSH_FRAME)

    def mark(self) -> tuple[int, Any]:
        """End the frame and begin another."""
        self.end()
        self._begin()
        return self._sink.mark()  # type: ignore[union-attr]

    def rewind(self, mark: tuple[int, Any]) -> None:
        """Take back everything since the mark."""
        self._begin()
        self._sink.rewind(mark)  # type: ignore[union-attr]

    def _begin(self) -> None:
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._writer = compressor.stream_writer(self._sink, closefd=False)  # type: ignore[arg-type]


@dataclass(slots=True)
class Tally:
    """What has been written so far."""

    entries: int = 0
    files: int = 0
    bytes: int = 0
    lacks: Lacks = NOTHING_LACKS

    def leave_out(self, path: str, reason: str) -> None:
        """Name content that is missing."""
        self.lacks = Lacks(self.lacks.out.plus(path, reason), self.lacks.remake)

    def note(self, entry: Entry) -> None:
        """Name what a restore will not make again."""
        reasons = (entry.nature,) if entry.kind == "special" else entry.unrestorable
        remake: Named = self.lacks.remake
        for reason in reasons:
            remake = remake.plus(entry.path, reason)
        if reasons:
            self.lacks = Lacks(self.lacks.out, remake)


def write_archive(file: IO[bytes], snapshot: Snapshot, backup_id: str, beside: Path) -> Stored:
    """Write a site into an empty open file; `beside` is a folder for the growing manifest. Raises `Temporary`."""
    sink, tally = Sink(file), Tally()
    with tempfile.TemporaryFile(dir=beside) as draft:
        manifest, members = Frames(draft), Frames(sink)
        for entry in snapshot:
            _write_entry(entry, manifest, members, tally)
        members.write(END)
        members.end()
        manifest.end()
        totals = Totals(sink.size, tally.entries, tally.files, tally.bytes)
        first = title(snapshot.site_id, backup_id, snapshot.home, tally.lacks)
        _copy_manifest(zstandard.ZstdCompressor(level=LEVEL).compress(first), draft, sink)
    sink.write(trailer(totals))
    sink.write(sink.digest.digest())
    return Stored(sink.size, sink.digest.hexdigest(), tally.files, tally.lacks)


def _write_entry(entry: Entry, manifest: Frames, members: Frames, tally: Tally) -> None:
    """Write one entry to both, or name it among what is missing."""
    if entry.kind == "absent":
        tally.leave_out(entry.path, entry.nature)
        return
    try:
        record = _write_member(entry, members)
    except LeftOutError as reason:
        tally.leave_out(entry.path, str(reason))
        return
    manifest.write(write_record(record))
    tally.entries += 1
    tally.files += record.kind in CONTENT
    tally.bytes += record.size
    tally.note(entry)


def _write_member(entry: Entry, members: Frames) -> Record:
    if entry.content is not None:
        return _write_file(entry, entry.content, members)
    record = record_of(entry)
    if entry.kind in MEMBERS:
        members.write(header(record))
    return record


def record_of(entry: Entry, size: int = 0, sha256: str = "") -> Record:
    """Make the manifest's line of an entry."""
    seconds, nanos = divmod(entry.modified_ns, 10**9) if entry.modified_ns is not None else (0, UNKNOWN)
    return Record(
        entry.path,
        entry.kind,
        entry.mode,
        size,
        seconds,
        sha256,
        entry.target,
        nanos,
        UNKNOWN if entry.uid is None else entry.uid,
        UNKNOWN if entry.gid is None else entry.gid,
        entry.in_site,
        entry.nature,
        tuple((name, base64.b64encode(value).decode("ascii")) for name, value in entry.attributes),
    )


def _write_file(entry: Entry, content: Content, members: Frames) -> Record:
    """Write one file as long as it was when it was opened; raises `LeftOutError`, and then nothing of it is written."""
    if content.size <= SMALL:
        return _write_small(entry, content, members)
    mark = members.mark()
    try:
        for _ in range(READINGS):
            record = _write_large(entry, content, members)
            if record is not None:
                return record
            members.rewind(mark)
            content.again()
    except LeftOutError:
        members.rewind(mark)
        raise
    raise LeftOutError("it became shorter each time that it was read")


def _write_small(entry: Entry, content: Content, members: Frames) -> Record:
    whole = b"".join(_chunks(content))
    record = record_of(entry, len(whole), hashlib.sha256(whole).hexdigest())
    members.write(header(record))
    members.write(whole + padding(len(whole)))
    return record


def _write_large(entry: Entry, content: Content, members: Frames) -> Record | None:
    """Write a file while it is read; None if it ended too early."""
    digest, size, left = hashlib.sha256(), content.size, content.size
    members.write(header(record_of(entry, size)))
    for chunk in _chunks(content):
        digest.update(chunk)
        members.write(chunk)
        left -= len(chunk)
    members.write(padding(size))
    return None if left else record_of(entry, size, digest.hexdigest())


def _chunks(content: Content) -> Iterator[bytes]:
    """Read as many bytes as there were at the opening, never more of a file that grows."""
    left = content.size
    while left and (chunk := content.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk


def _copy_manifest(first: bytes, draft: IO[bytes], sink: Sink) -> None:
    """Put the finished manifest behind the members, in a frame that other programs step over."""
    sink.write(FRAME.pack(MANIFEST_MAGIC, len(first) + draft.tell()))
    sink.write(first)
    draft.seek(0)
    while chunk := draft.read(CHUNK):
        sink.write(chunk)
