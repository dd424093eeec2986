"""Write a zip in memory that does not grow with the number of its members: their list waits in a file."""

import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

LEVEL = 3
CHUNK = 1 << 20
STORED, DEFLATED = 0, 8
UTF_8 = 0x800
MADE_BY = 3 << 8 | 45
"""Unix, so that modes are read; version 4.5 of the format, for 64-bit sizes."""

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")
LOCAL_WORD, CENTRAL_WORD, END_WORD = b"PK\3\4", b"PK\1\2", b"PK\5\6"
END_64_WORD, LOCATOR_64_WORD = b"PK\6\6", b"PK\6\7"
MOST_32 = 0xFFFFFFFF
MOST_16 = 0xFFFF
SMALL = 4 << 20
"""Up to so many bytes a file is packed before its header is written."""

LARGE = 1 << 30
"""From 1 GiB on a member is written with 64-bit sizes, for it may grow past 2 GiB when packed; bytes."""

EARLIEST, LATEST = 315532800, 4354819198
"""A zip can't say a moment before 1980 or after 2107; Unix seconds."""


class ZipWriter:
    """Writes members one after the other into an empty open file; `beside` is a folder for the growing list."""

    def __init__(self, file: IO[bytes], beside: Path) -> None:
        self._file = file
        self._central = TemporaryFile(dir=beside)  # noqa: SIM115 - closed by `close`
        self._members = 0

    def close(self) -> None:
        """Give the list back; the zip is whole only after `finish`."""
        self._central.close()

    def add_folder(self, name: str, mode: int, modified: int) -> None:
        """Write a folder; `modified` in Unix seconds."""
        at = self._file.tell()
        member = _Member(f"{name}/", mode | 0o40000, modified, STORED)
        self._file.write(member.local())
        self._list(member, at)

    def add_file(self, name: str, mode: int, modified: int, chunks: Iterator[bytes], size: int) -> None:
        """Write a file of about so many bytes; when `chunks` raises, nothing of it is written."""
        at = self._file.tell()
        member = _Member(name, mode | 0o100000, modified, DEFLATED, is_large=size >= LARGE)
        if size <= SMALL:
            packed = b"".join(member.deflated(chunks))
            self._file.write(member.local() + packed)
        else:
            self._write_large(member, chunks, at)
        self._list(member, at)

    def _write_large(self, member: "_Member", chunks: Iterator[bytes], at: int) -> None:
        """Write a member while it is read, and then its header once more, now that the sizes are known."""
        try:
            self._file.write(member.local())
            for packed in member.deflated(chunks):
                self._file.write(packed)
        except BaseException:
            self._file.seek(at)
            self._file.truncate()
            raise
        self._file.seek(at)
        self._file.write(member.local())
        self._file.seek(0, os.SEEK_END)

    def tell(self) -> int:
        """Say where the next member will begin."""
        return self._file.tell()

    def finish(self, comment: bytes) -> None:
        """Write the list of all members, and the end."""
        at, size = self._file.tell(), self._central.tell()
        self._central.seek(0)
        while chunk := self._central.read(CHUNK):
            self._file.write(chunk)
        self._file.write(_end(self._members, size, at, comment))

    def _list(self, member: "_Member", at: int) -> None:
        self._central.write(member.central(at))
        self._members += 1


class _Member:
    """One member: its sizes are known when it has been written."""

    def __init__(self, name: str, mode: int, modified: int, method: int, *, is_large: bool = False) -> None:
        self._name = name.encode()
        self._mode = mode & MOST_16
        self._method = method
        self._flags = 0 if name.isascii() else UTF_8
        self._moment = _dos_moment(modified)
        self._is_large = is_large
        self.crc = self.size = self.packed = 0

    def deflated(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pack the content, and learn its sizes and its CRC."""
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        for chunk in chunks:
            self.crc, self.size = zlib.crc32(chunk, self.crc), self.size + len(chunk)
            packed = packer.compress(chunk)
            self.packed += len(packed)
            yield packed
        packed = packer.flush()
        self.packed += len(packed)
        yield packed

    def local(self) -> bytes:
        """Make the header that stands before the content, the same length before and after it is known."""
        sizes = (MOST_32, MOST_32) if self._is_large else (self.packed, self.size)
        extra = struct.pack("<2H2Q", 1, 16, self.size, self.packed) if self._is_large else b""
        fields = (
            LOCAL_WORD,
            45,
            self._flags,
            self._method,
            *self._moment,
            self.crc,
            *sizes,
            len(self._name),
            len(extra),
        )
        return LOCAL.pack(*fields) + self._name + extra

    def central(self, at: int) -> bytes:
        """Make the line of the list; numbers of more than 32 bits stand in an extra field."""
        large = [number for number in (self.size, self.packed, at) if number >= MOST_32]
        extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        folder = 0x10 if self._name.endswith(b"/") else 0
        fields = (
            *(CENTRAL_WORD, MADE_BY, 45, self._flags, self._method, *self._moment, self.crc),
            *(min(self.packed, MOST_32), min(self.size, MOST_32), len(self._name), len(extra)),
            *(0, 0, 0, self._mode << 16 | folder, min(at, MOST_32)),
        )
        return CENTRAL.pack(*fields) + self._name + extra


def _dos_moment(modified: int) -> tuple[int, int]:
    """Say a moment in UTC as a zip does: in steps of two seconds, and not before 1980."""
    year, month, day, hour, minute, second = time.gmtime(min(max(modified, EARLIEST), LATEST))[:6]
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day


def _end(members: int, size: int, at: int, comment: bytes) -> bytes:
    """Make the end: where the list is, in 64 bits where it must be."""
    begin = b""
    if members >= MOST_16 or size >= MOST_32 or at >= MOST_32:
        begin = END_64.pack(END_64_WORD, END_64.size - 12, MADE_BY, 45, 0, 0, members, members, size, at)
        begin += LOCATOR_64.pack(LOCATOR_64_WORD, 0, at + size, 1)
    counts = min(members, MOST_16)
    fields = (END_WORD, 0, 0, counts, counts, min(size, MOST_32), min(at, MOST_32), len(comment))
    return begin + END.pack(*fields) + comment
