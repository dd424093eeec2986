"""What the embedded adapters need of a folder: one at a time, and names that survive a power cut."""

import fcntl
import os
import time
from pathlib import Path
from typing import BinaryIO

from workers.errors import Temporary

TRIES = 2_000
PAUSE_SECONDS = 0.005


def take_turn(file: BinaryIO) -> None:
    """Lock a file until it is closed or its process dies; `Temporary` if a stopped process keeps it for 10 s."""
    for _ in range(TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        else:
            return
    raise Temporary(f"{file.name} is locked by another process that does not go on: find it, continue or kill it")


def settle_names(folder: Path) -> None:
    """Bring the names in a folder to the disk, so that a file that was answered is found after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
