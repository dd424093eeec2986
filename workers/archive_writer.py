"""Write a backup: one pass over the site, in memory that does not grow with it."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import zstandard

from workers.archive import (
    CHUNK,
    CONTENT,
    END,
    FRAME,
    LARGEST,
    MANIFEST_MAGIC,
    MEMBERS,
    Record,
    Totals,
    header,
    padding,
    title,
    trailer,
    write_record,
)
from workers.content import Entry, Snapshot, Stored
from workers.errors import Temporary

LEVEL = 3


@dataclass(slots=True)
class Sink:
    """A file that knows the digest and the size of what went into it."""

    file: IO[bytes]
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def write(self, chunk: bytes) -> int:
        """Pass it on."""
        self.digest.update(chunk)
        self.size += len(chunk)
        return self.file.write(chunk)


def write_archive(file: IO[bytes], snapshot: Snapshot, backup_id: str, beside: Path) -> Stored:
    """Write a site into an open file; `beside` is a folder for the growing manifest. Raises `Temporary`."""
    sink = Sink(file)
    with tempfile.TemporaryFile(dir=beside) as draft:
        with _compressed(draft) as manifest, _compressed(sink) as members:
            manifest.write(title(snapshot.site_id, backup_id))
            entries, files, size = _write_members(snapshot, manifest, members)
        totals = Totals(sink.size, entries, files, size)
        _copy_manifest(draft, sink)
    sink.write(trailer(totals))
    sink.write(sink.digest.digest())
    return Stored(sink.size, sink.digest.hexdigest(), files)


@contextmanager
def _compressed(sink: "IO[bytes] | Sink") -> Iterator[Any]:
    """Compress into a sink, and end the frame only if all went well."""
    writer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(sink, closefd=False)  # type: ignore[arg-type]
    yield writer
    writer.flush(zstandard.FLUSH_FRAME)


def _write_members(snapshot: Snapshot, manifest: Any, members: Any) -> tuple[int, int, int]:
    """Write every entry to both; count entries, files and their bytes."""
    entries = files = size = 0
    for entry in snapshot:
        record = _write_entry(entry, members)
        if record is None:
            continue
        manifest.write(write_record(record))
        entries += 1
        files += record.kind in CONTENT
        size += record.size
    members.write(END)
    return entries, files, size


def _write_entry(entry: Entry, members: Any) -> Record | None:
    if entry.kind in CONTENT:
        return _write_file(entry, members)
    record = Record(entry.path, entry.kind, entry.mode, target=entry.target)
    if entry.kind in MEMBERS:
        members.write(header(record))
    return record


def _write_file(entry: Entry, members: Any) -> Record | None:
    """Write one file as long as it was when it was opened; None if it is gone.

    A small one is read before its size is written, so that it may change at any moment.
    """
    try:
        source = open_source(entry.source)
    except FileNotFoundError:
        return None
    with source:
        status, first, digest = os.fstat(source.fileno()), source.read(CHUNK), hashlib.sha256()
        size = len(first) if len(first) < CHUNK else status.st_size
        modified = min(max(int(status.st_mtime), 0), LARGEST - 1)
        record = Record(entry.path, entry.kind, entry.mode, size, modified)
        members.write(header(record))
        for chunk in _exactly(size, first, source):
            digest.update(chunk)
            members.write(chunk)
        members.write(padding(size))
    return Record(entry.path, entry.kind, entry.mode, size, modified, digest.hexdigest())


def _exactly(size: int, first: bytes, source: IO[bytes]) -> Iterator[bytes]:
    """Read as many bytes as were promised, never more of a file that grows."""
    left, chunk = size, first
    while left:
        if not chunk:
            raise Temporary(f"{source.name} became shorter while it was read; it is tried again")
        yield chunk[:left]
        left -= len(chunk[:left])
        chunk = source.read(min(CHUNK, left)) if left else b""


def open_source(path: Path) -> IO[bytes]:
    """Open a plain file, and nothing that has taken its name since it was seen."""
    try:
        source = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0)
    except IsADirectoryError as wrong:
        raise FileNotFoundError(wrong.errno, wrong.strerror, str(path)) from wrong
    if stat.S_ISREG(os.fstat(source.fileno()).st_mode):
        return source
    source.close()
    raise Temporary(f"{path} is no longer a plain file; it is tried again")


def _copy_manifest(draft: IO[bytes], sink: Sink) -> None:
    """Put the finished manifest behind the members, in a frame that other programs step over."""
    sink.write(FRAME.pack(MANIFEST_MAGIC, draft.tell()))
    draft.seek(0)
    while chunk := draft.read(CHUNK):
        sink.write(chunk)
