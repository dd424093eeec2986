"""A file of a site that is read through its descriptor, as long as it was when it was opened."""

import os
from collections.abc import Callable

from workers.base.progress import moved
from workers.storage.sorted_names import unhurried


class SiteFile:
    """The bytes of an open file; its descriptor is the caller's to close. `check` is called before each reading."""

    def __init__(self, descriptor: int, size: int, check: Callable[[], None] = unhurried) -> None:
        self._descriptor = descriptor
        self._check = check
        self.size = size

    def read(self, size: int) -> bytes:
        """Read at most so many bytes; raises what `check` raises, OSError."""
        self._check()
        chunk = os.read(self._descriptor, size)
        moved(len(chunk))
        return chunk

    def again(self) -> None:
        """Begin at the first byte again, with the size of now."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size = os.fstat(self._descriptor).st_size
