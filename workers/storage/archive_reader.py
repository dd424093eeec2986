"""Read a backup by our own rules: first the digest of everything, then members and manifest side by side.

Each member's header must be, byte for byte, the one that the manifest's entry makes. So no link, device, absolute path
or second copy of a name can come out of an archive, whatever stands in it.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from workers.base.errors import Permanent
from workers.base.progress import moved
from workers.storage.archive_format import (
    CHUNK,
    CONTENT,
    DIGEST,
    FRAME,
    LONGEST_LINE,
    MANIFEST_MAGIC,
    TRAILER_SIZE,
    Record,
    Title,
    Totals,
    read_record,
    read_title,
    read_trailer,
)
from workers.storage.site_content import Stored
from workers.storage.sorted_names import unhurried

WIDEST_WINDOW = 1 << 27


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup whose digest was right and which says that it is the one asked for."""

    path: Path
    title: Title
    totals: Totals
    stored: Stored

    def records(self) -> Iterator[Record]:
        """Read the manifest; raises `Permanent` when it does not add up to what the trailer says."""
        entries = files = size = 0
        with _opened_manifest(self.path, self.totals.manifest) as lines:
            _next_line(lines)
            while line := _next_line(lines):
                record = read_record(line)
                entries, files, size = entries + 1, files + (record.kind in CONTENT), size + record.size
                yield record
        if (entries, files, size) != (self.totals.entries, self.totals.files, self.totals.bytes):
            raise Permanent("the manifest and its totals are not the same")

    @contextmanager
    def members(self) -> Iterator["ArchiveStream"]:
        """Open the tar."""
        with self.path.open("rb") as file:
            yield ArchiveStream(Window(file, self.totals.manifest))


def open_archive(path: Path, site_id: str, backup_id: str, check: Callable[[], None] = unhurried) -> Archive:
    """Read all bytes of a backup against its digest, and look whose it is; `check` is called before each chunk.

    Raises `Permanent`, what `check` raises.
    """
    totals, size, digest = _check_digest(path, check)
    said = title_of(path)
    if said.site != site_id:
        raise Permanent(f"it is of another site: {ascii(said.site)[:80]}, not {site_id}")
    if said.backup != backup_id:
        raise Permanent(f"it is another backup: {ascii(said.backup)[:80]}, not {backup_id}")
    return Archive(path, said, totals, Stored(size, digest, totals.files, said.lacks))


def _check_digest(path: Path, check: Callable[[], None]) -> tuple[Totals, int, str]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest, left = hashlib.sha256(), size - DIGEST
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            check()
            digest.update(chunk)
            left -= len(chunk)
            moved(len(chunk))
        said = file.read()
    totals = _read_end(path)
    if said != digest.digest():
        raise Permanent("its bytes are not those that were written: it is damaged")
    digest.update(said)
    return totals, size, digest.hexdigest()


def _read_end(path: Path) -> Totals:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - TRAILER_SIZE, 0))
        totals = read_trailer(file.read())
    if totals.manifest + FRAME.size + TRAILER_SIZE > size:
        raise Permanent("it is cut short: its manifest is missing")
    return totals


def title_of(path: Path) -> Title:
    """Read what a backup says about itself, without proof; raises `Permanent` when it says nothing."""
    with _opened_manifest(path, _read_end(path).manifest) as lines:
        return read_title(_next_line(lines))


@contextmanager
def _opened_manifest(path: Path, offset: int) -> Iterator["ArchiveStream"]:
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size - TRAILER_SIZE
        file.seek(offset)
        if file.read(FRAME.size) != FRAME.pack(MANIFEST_MAGIC, (end - offset - FRAME.size) & 0xFFFFFFFF):
            raise Permanent("its manifest is not where the trailer says")
        yield ArchiveStream(Window(file, end - offset - FRAME.size))


def _next_line(lines: "ArchiveStream") -> bytes:
    """Read a line of the manifest; empty at the end."""
    line = lines.line()
    if line and not line.endswith(b"\n"):
        raise Permanent("its manifest has a line without an end")
    return line


class Window:
    """The next so many bytes of an open file, and no more."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes; empty at the end of the window."""
        chunk = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(chunk)
        return chunk


class ArchiveStream:
    """What a zstd frame holds, read as it comes: whatever it swells to, no more than was asked for is in memory."""

    def __init__(self, window: Window) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=WIDEST_WINDOW)
        self._frames = decompressor.stream_reader(window, read_across_frames=True, closefd=False)  # type: ignore[arg-type]
        self._ahead = b""

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes, at most a chunk at a time; raises `Permanent` where they end."""
        chunk = self._read(size)
        if len(chunk) != size:
            raise Permanent("the archive ends before its manifest does: it is cut short")
        return chunk

    def line(self) -> bytes:
        """Read up to the end of a line, or of the stream; raises `Permanent` when it is too long."""
        while (end := self._ahead.find(b"\n") + 1) == 0:
            more = self._read(LONGEST_LINE)
            self._ahead += more
            if not more or len(self._ahead) > 2 * LONGEST_LINE:
                end = len(self._ahead)
                break
        line, self._ahead = self._ahead[:end], self._ahead[end:]
        if len(line) > LONGEST_LINE:
            raise Permanent("its manifest has a line that is too long")
        return line

    def rest(self, size: int) -> bytes:
        """Read what is left, at most so many bytes."""
        return self._read(size)

    def _read(self, size: int) -> bytes:
        try:
            return bytes(self._frames.read(size))
        except zstandard.ZstdError as wrong:
            raise Permanent(f"it can't be decompressed: {wrong}") from wrong
