"""The names in a folder, sorted, however many there are: what does not fit into the allowance is sorted on the disk."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from heapq import merge
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

IN_MEMORY = 20_000
"""Names held in memory by all the listings of one walk together."""

LONGEST = 1 << 12
"""More than any name and its end mark take, in bytes."""

BUFFER = 1 << 14
END = b"\0"


def unhurried() -> None:
    """Set no deadline."""


class NameLists:
    """A stack of sorted listings: the one made last is used up, or dropped, first.

    `folder` is where a temporary file may grow. `check` is called between runs of names, and may raise to give up.
    """

    def __init__(self, folder: Path, check: Callable[[], None] = unhurried, in_memory: int = IN_MEMORY) -> None:
        self._folder = folder
        self._check = check
        self._most = in_memory
        self._free = in_memory
        self._spill: IO[bytes] | None = None
        self._end = 0

    def close(self) -> None:
        """Give the temporary file back."""
        if self._spill is not None:
            self._spill.close()

    def names(self, folder: int) -> Generator[str, None, None]:
        """List an open folder now, and yield its names in order; raises OSError."""
        with os.scandir(folder) as found:
            listed = (item.name for item in found)
            run = sorted(islice(listed, self._free + 1))
            if len(run) <= self._free:
                return self._held(run)
            return self._spilled(self._end, *self._sort_on_disk(run, listed))

    def _held(self, names: list[str]) -> Generator[str, None, None]:
        taken = len(names)
        self._free -= taken
        try:
            names.reverse()
            while names:
                yield names.pop()
        finally:
            self._free += taken

    def _sort_on_disk(self, run: list[str], listed: Iterator[str]) -> tuple[int, int]:
        """Write sorted runs and merge them into one; returns where it begins and ends."""
        runs = [self._write(run)]
        while run := sorted(islice(listed, self._most)):
            self._check()
            runs.append(self._write(run))
        return runs[0] if len(runs) == 1 else self._write(merge(*(self._read(*ends) for ends in runs)))

    def _spilled(self, begin: int, at: int, end: int) -> Generator[str, None, None]:
        """Read name by name, so that a listing that waits costs nothing; then free its part of the file."""
        try:
            while at < end:
                name = os.pread(self._file(), LONGEST, at).partition(END)[0]
                at += len(name) + 1
                yield os.fsdecode(name)
        finally:
            self._end = begin
            os.ftruncate(self._file(), begin)

    def _write(self, names: Iterable[str]) -> tuple[int, int]:
        """Append names; returns where they begin and end."""
        begin, waiting = self._end, iter(names)
        while part := list(islice(waiting, 1000)):
            text = memoryview(END.join(map(os.fsencode, part)) + END)
            while text:
                written = os.pwrite(self._file(), text, self._end)
                self._end, text = self._end + written, text[written:]
            self._check()
        return begin, self._end

    def _read(self, at: int, end: int) -> Iterator[str]:
        """Read a run with a small buffer."""
        rest = b""
        while at < end:
            chunk = os.pread(self._file(), min(BUFFER, end - at), at)
            at += len(chunk)
            *whole, rest = (rest + chunk).split(END)
            yield from map(os.fsdecode, whole)

    def _file(self) -> int:
        if self._spill is None:
            self._spill = TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by `close`
        return self._spill.fileno()
