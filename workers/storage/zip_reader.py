"""Read a zip of ours from its beginning to its end, in memory that does not grow with the number of its members."""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from workers.base.progress import moved
from workers.storage.zip_writer import (
    CENTRAL,
    CENTRAL_WORD,
    CHUNK,
    DEFLATED,
    END,
    END_64,
    END_64_WORD,
    END_WORD,
    LOCAL,
    LOCAL_WORD,
    LOCATOR_64,
    LOCATOR_64_WORD,
    MOST_16,
    MOST_32,
    STORED,
)


class DamagedZipError(ValueError):
    """Something in a zip is not as it was written."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of a zip says: its comment, and where the list of so many members begins and ends."""

    comment: bytes
    members: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list. `at` is where the member's own header begins; sizes in bytes."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    at: int


def read_ending(file: IO[bytes]) -> Ending:
    """Find the end of a zip; raises `DamagedZipError`."""
    length = os.fstat(file.fileno()).st_size
    start = max(length - END.size - MOST_16, 0)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(END_WORD)
    if at < 0 or len(tail) - at < END.size:
        raise DamagedZipError("it has no end")
    _, _, _, _, members, size, begin, comment = END.unpack(tail[at : at + END.size])
    if at + END.size + comment != len(tail):
        raise DamagedZipError("there is something behind its end")
    ends = start + at
    if members == MOST_16 or MOST_32 in {size, begin}:
        members, size, begin, ends = _read_ending_64(file, ends)
    if begin + size != ends:
        raise DamagedZipError("its list is not where it says")
    return Ending(tail[at + END.size :], members, begin, begin + size)


def _read_ending_64(file: IO[bytes], ends: int) -> tuple[int, int, int, int]:
    file.seek(max(ends - LOCATOR_64.size, 0))
    word, _, at, _ = LOCATOR_64.unpack(_exactly(file, LOCATOR_64.size))
    if word != LOCATOR_64_WORD or at + END_64.size + LOCATOR_64.size != ends:
        raise DamagedZipError("its end is not where it says")
    file.seek(at)
    word, _, _, _, _, _, members, _, size, begin = END_64.unpack(_exactly(file, END_64.size))
    if word != END_64_WORD:
        raise DamagedZipError("its end is none")
    return members, size, begin, at


def read_list(file: IO[bytes], ending: Ending) -> Iterator[Listed]:
    """Read the list line by line, in order; `file` is at the reader's own place afterwards."""
    at = ending.begin
    for _ in range(ending.members):
        file.seek(at)
        fields = CENTRAL.unpack(_exactly(file, CENTRAL.size))
        word, _, _, _, method, _, _, crc, packed, size, name, extra, comment, _, _, _, begin = fields
        if word != CENTRAL_WORD:
            raise DamagedZipError("its list has a line that is none")
        text, more = _exactly(file, name), _exactly(file, extra)
        at += CENTRAL.size + name + extra + comment
        sizes = _widened([size, packed, begin], more)
        yield Listed(text.decode(), method, crc, sizes[1], sizes[0], sizes[2])
    if at != ending.end:
        raise DamagedZipError("its list is longer than it says")


def _widened(numbers: list[int], extra: bytes) -> list[int]:
    """Take numbers that need more than 32 bits from the extra field."""
    large = [index for index, number in enumerate(numbers) if number == MOST_32]
    if not large:
        return numbers
    if extra[:4] != struct.pack("<2H", 1, 8 * len(large)):
        raise DamagedZipError("a size is missing")
    for index, number in zip(large, struct.unpack(f"<{len(large)}Q", extra[4 : 4 + 8 * len(large)]), strict=True):
        numbers[index] = number
    return numbers


def read_local(file: IO[bytes], at: int) -> Listed:
    """Read the header of a member, as its line in the list should be; leaves `file` at the content."""
    file.seek(at)
    word, _, _, method, _, _, crc, packed, size, name, extra = LOCAL.unpack(_exactly(file, LOCAL.size))
    text, more = _exactly(file, name), _exactly(file, extra)
    if word != LOCAL_WORD:
        raise DamagedZipError("a member is none")
    if MOST_32 in {packed, size}:
        size, packed = struct.unpack("<2Q", more[4:20])
    return Listed(text.decode(), method, crc, packed, size, at)


def read_member(file: IO[bytes], listed: Listed) -> Iterator[bytes]:
    """Read a member's content against its size and its CRC; leaves `file` behind it. Raises `DamagedZipError`."""
    if read_local(file, listed.at) != listed:
        raise DamagedZipError(f"{listed.name[:80]!a} is not the member that its list names")
    if listed.method not in {STORED, DEFLATED}:
        raise DamagedZipError(f"{listed.name[:80]!a} is packed in an unknown way")
    found = length = 0
    for chunk in (_inflated if listed.method == DEFLATED else _stored)(file, listed.packed):
        found, length = zlib.crc32(chunk, found), length + len(chunk)
        moved(len(chunk))
        yield chunk
    if (found, length) != (listed.crc, listed.size):
        raise DamagedZipError(f"{listed.name[:80]!a} does not have the bytes that were written")


def _stored(file: IO[bytes], left: int) -> Iterator[bytes]:
    while left:
        chunk = _exactly(file, min(CHUNK, left))
        left -= len(chunk)
        yield chunk


def _inflated(file: IO[bytes], left: int) -> Iterator[bytes]:
    """Unpack piece by piece: whatever it swells to, no more than a chunk is in memory."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    waiting = b""
    while not unpacker.eof:
        if not waiting:
            waiting = _exactly(file, min(CHUNK, left)) if left else b""
            left -= len(waiting)
        chunk = unpacker.decompress(waiting, CHUNK)
        waiting = unpacker.unconsumed_tail
        if chunk:
            yield chunk
        elif not waiting and not left and not unpacker.eof:
            raise DamagedZipError("a member ends too early")
    if left or unpacker.unused_data:
        raise DamagedZipError("a member is followed by something else")


def _exactly(file: IO[bytes], size: int) -> bytes:
    found = file.read(size)
    if len(found) != size:
        raise DamagedZipError("it is cut short")
    return found
