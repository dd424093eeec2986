"""An empty folder beside a site, lent to one process at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.base.errors import Temporary
from workers.storage.atomic_files import explained, remove
from workers.storage.site_tree import open_top, opened


@contextmanager
def lent(scratch: Path) -> Iterator[Path]:
    """Lend a folder and remove it afterwards; the lock on it dies with its process, so a crash blocks nobody.

    Raises `Temporary` while another process has it.
    """
    with explained(scratch):
        scratch.mkdir(exist_ok=True)
        folder = open_top(scratch)
    with opened(folder):
        _lock(folder, scratch)
        try:
            with explained(scratch):
                for left in scratch.iterdir():
                    remove(left)
            yield scratch
        finally:
            remove(scratch)


def _lock(folder: int, scratch: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as busy:
        raise Temporary(f"{scratch} is in use: this site is being copied by another process") from busy
