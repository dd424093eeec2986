"""Whether the act of a thread moves: the bytes that it reads and writes, its processor time, and what it says itself.

A thread that waits for something that never comes does none of these, and nobody has to tell.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

BUSY_SECONDS = 0.5
"""So much processor time counts as movement: a thread that only looks at something now and then uses far less."""


class Progress:
    """Of the thread that makes it; others may ask whether it moves. `count` is what the act itself says: it only rises.

    Its unit means nothing: bytes copied by another process, files removed.
    """

    def __init__(self) -> None:
        self.count = 0
        self._io = Path(f"/proc/self/task/{threading.get_native_id()}/io")
        self._clock = _clock_of_this_thread()
        self._seen = self._look()
        self._busy = self._processor_seconds()

    def has_moved(self) -> bool:
        """Whether anything moved since this was asked last, or since the beginning."""
        seen, busy = self._look(), self._processor_seconds()
        if seen == self._seen and busy - self._busy < BUSY_SECONDS:
            return False
        self._seen, self._busy = seen, busy
        return True

    def _look(self) -> tuple[int, bytes]:
        try:
            return self.count, self._io.read_bytes().partition(b"syscr")[0]
        except OSError:
            return self.count, b""

    def _processor_seconds(self) -> float:
        try:
            return 0.0 if self._clock is None else time.clock_gettime(self._clock)
        except OSError:
            return 0.0


@contextmanager
def watched() -> Iterator[Progress]:
    """Watch what this thread moves from here on."""
    progress = Progress()
    token = _current.set(progress)
    try:
        yield progress
    finally:
        _current.reset(token)


def moved(count: int = 1) -> None:
    """Say that something has moved which this thread does not read or write itself; where nobody watches, nothing."""
    progress = _current.get()
    if progress is not None:
        progress.count += max(count, 1)


def _clock_of_this_thread() -> int | None:
    """The processor's clock of this thread, where the system lets others read it."""
    return time.pthread_getcpuclockid(threading.get_ident()) if hasattr(time, "pthread_getcpuclockid") else None


def can_tell() -> bool:
    """Whether this system says of a thread what it does; where it does not, every act counts as moving."""
    return hasattr(time, "pthread_getcpuclockid") and os.access("/proc/self/io", os.R_OK)


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)
