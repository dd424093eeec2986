"""A book: an append-only file of JSON lines, each found by its key, durable before it is answered."""

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from workers.base.errors import Temporary, Unknown
from workers.base.fault_points import fault_point
from workers.storage.atomic_files import sync

LogLine = dict[str, Any]


class KeyedLog:
    """A file of lines with an index by key, which reads only what was added since the last time.

    Every method wants the file opened `a+b` and locked against other processes and threads: then whatever stands
    after the last line break was left by a writer that died, and was never answered.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offsets: dict[str, int] = {}
        self._end = 0
        self._settled = 0
        self._inode = 0

    def find(self, file: BinaryIO, key: str) -> LogLine | None:
        """The line of a key, None if there is none. Raises `Temporary` when a line can't be read."""
        self._catch_up(file)
        offset = self._offsets.get(key)
        if offset is None:
            return None
        file.seek(offset)
        return _parsed(file.readline())

    def append(self, file: BinaryIO, line: LogLine) -> None:
        """Add a line, on the disk when this returns. `Temporary`: it was taken back; `Unknown`: not even that."""
        self._catch_up(file)
        raw = json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            _write(file.fileno(), raw)
            fault_point("book.written")
            self._settle(file)
            fault_point("book.settled")
        except OSError as wrong:
            _take_back(file.fileno(), self._end, wrong)
            raise Temporary(f"{self.path} could not be written ({wrong}): nothing was booked; make room") from wrong
        self._index(line, len(raw))
        self._settled = self._end

    def _catch_up(self, file: BinaryIO) -> None:
        """Index what others wrote, and make it durable: its writer may have died before it could."""
        self._forget_another(file)
        file.seek(self._end)
        for raw in file:
            if not raw.endswith(b"\n"):
                self._mend(file, raw)
                break
            self._take(raw)
        if self._end > self._settled:
            self._settle(file)
            self._settled = self._end

    def _forget_another(self, file: BinaryIO) -> None:
        """Start from the first line if the file was replaced by another one or is shorter than it was."""
        now = os.fstat(file.fileno())
        if now.st_ino != self._inode or now.st_size < self._end:
            self._offsets, self._end, self._settled, self._inode = {}, 0, 0, now.st_ino

    def _take(self, raw: bytes) -> None:
        line = _parsed(raw)
        if line is None:
            raise Temporary(f"{self.path} is damaged at byte {self._end}: mend that line, then the charges go on")
        self._index(line, len(raw))

    def _mend(self, file: BinaryIO, raw: bytes) -> None:
        """End a whole line that lacks its line break; cut off what is left of any other."""
        line = _parsed(raw)
        if line is None:
            os.ftruncate(file.fileno(), self._end)
        else:
            _write(file.fileno(), b"\n")
            self._index(line, len(raw) + 1)

    def _index(self, line: LogLine, length: int) -> None:
        self._offsets.setdefault(line["key"], self._end)
        self._end += length

    def _settle(self, file: BinaryIO) -> None:
        """Bring what is new to the disk, and with the first of it the file's name."""
        os.fsync(file.fileno())
        if self._settled == 0:
            sync(self.path.parent)


def _parsed(raw: bytes) -> LogLine | None:
    """A line's object, None when it is none or has no key."""
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("key"), str) else None


def _write(descriptor: int, raw: bytes) -> None:
    """Write all of it: a disk that is nearly full takes a part first and then refuses the rest."""
    while raw:
        raw = raw[os.write(descriptor, raw) :]


def _take_back(descriptor: int, end: int, wrong: OSError) -> None:
    try:
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    except OSError as worse:
        raise Unknown(f"a line may be booked or not ({wrong}; {worse}): look its key up") from worse
