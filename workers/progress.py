"""How far the act of this thread is: whoever moves bytes or files says so, whoever watches sees whether it moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """`count` only rises: bytes read or written, files made or removed, pages copied. Its unit means nothing."""

    count: int = 0


@contextmanager
def watched() -> Iterator[Progress]:
    """Count what this thread moves from here on."""
    progress = Progress()
    token = _current.set(progress)
    try:
        yield progress
    finally:
        _current.reset(token)


def moved(count: int = 1) -> None:
    """Say that something has moved; where nobody watches it is forgotten."""
    progress = _current.get()
    if progress is not None:
        progress.count += max(count, 1)


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)
