"""A file for each process that works here, locked while it lives and touched while it answers.

It is how `tenure doctor --live` knows without Redis and without the database: when those are away a restart of our
processes would mend nothing.
"""

import contextlib
import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from workers.base import private_files, up_file

FOLDER = "alive"
BEAT_SECONDS = 5.0
HUNG_SECONDS = 30.0
"""A process that has not touched its file for so long does not answer any more."""

FORGOTTEN_SECONDS = 3600.0


class HeartbeatFile:
    """The file of this process. The lock goes with the process, however it ends; make it after a fork."""

    def __init__(self, data_dir: Path, role: str) -> None:
        self.path = data_dir / FOLDER / f"{role}.{os.getpid()}.{socket.gethostname()}"
        self.file: IO[str] | None = None

    def beat(self) -> None:
        """Say that this process answers. A disk that can't take it is no reason to stop work: tried again next time."""
        with contextlib.suppress(OSError):
            if self.file is None:
                self.file = _claim(self.path)
            os.utime(self.file.fileno())


def keep(data_dir: Path, role: str) -> None:
    """Beat in a thread of this process as long as it lives: a process that is stopped or stuck falls silent."""
    threading.Thread(target=_go_on, args=(HeartbeatFile(data_dir, role),), daemon=True, name="pulse").start()


def _go_on(pulse: HeartbeatFile) -> None:
    while True:
        pulse.beat()
        time.sleep(BEAT_SECONDS)


def _claim(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody is just looking: next time
        file.close()
        raise
    return file


@dataclass(frozen=True, slots=True)
class Sign:
    """One living process of this machine, and how long ago it touched its file."""

    role: str
    pid: int
    age_seconds: float

    @property
    def is_hung(self) -> bool:
        """Whether it lives and does not answer."""
        return self.age_seconds > HUNG_SECONDS


def signs(data_dir: Path) -> list[Sign]:
    """The living processes of this machine that work on a data folder."""
    return sorted(_signs(data_dir / FOLDER), key=lambda sign: (sign.role, sign.pid))


def begin_drain(data_dir: Path) -> None:
    """Say that the `tenure up` of this folder takes no new work: `tenure doctor --ready` fails from now on."""
    with contextlib.suppress(OSError):
        up_file.write_whole(data_dir / "draining", str(os.getpid()))


def end_drain(data_dir: Path) -> None:
    """Take that back."""
    with contextlib.suppress(OSError):
        (data_dir / "draining").unlink(missing_ok=True)


def draining(data_dir: Path) -> int | None:
    """The `tenure up` that drains, by its process id."""
    return _living(data_dir / "draining")


def supervisor(data_dir: Path) -> int | None:
    """The `tenure up` of a folder, by its process id: it may be there before its processes are, and after them."""
    return _living(data_dir / "up.lock")


def _living(path: Path) -> int | None:
    try:
        pid = int(private_files.read(path) or b"")
    except (OSError, ValueError):  # another user's is no word of ours
        return None
    return pid if up_file.is_alive(pid) else None


def _signs(folder: Path) -> Iterator[Sign]:
    for path in folder.glob(f"*.*.{socket.gethostname()}"):
        with contextlib.suppress(OSError, ValueError):  # it goes while we look, or is none of ours
            if _is_held(path):
                role, pid, _ = path.name.split(".", 2)
                yield Sign(role, int(pid), time.time() - path.stat().st_mtime)


def _is_held(path: Path) -> bool:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _sweep(folder: Path) -> None:
    """Remove what processes left that ended long ago."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS and not _is_held(path):
                path.unlink()
