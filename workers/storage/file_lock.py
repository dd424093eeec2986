"""One at a time: a lock on a file, between threads and processes of one machine."""

import fcntl
import time
from typing import IO

from workers.base.errors import Temporary

TRIES = 2_000
PAUSE_SECONDS = 0.005


def take_turn(file: IO[bytes]) -> None:
    """Lock a file until it is closed or its process dies; `Temporary` if somebody else keeps it for 10 s."""
    for _ in range(TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        else:
            return
    raise Temporary(f"{file.name} is locked by another process that does not go on: find it, continue or kill it")
