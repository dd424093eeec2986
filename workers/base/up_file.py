"""`up.json`: where the `tenure up` of a data folder can be reached, for commands in another terminal."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from workers.base import private_files

RUN_VARIABLE = "TENURE_RUN"
"""The environment variable with the id of the `tenure up` that started a process."""


@dataclass(frozen=True, slots=True)
class UpFile:
    """What a running `tenure up` wrote down when all its processes had answered."""

    redis_url: str
    database_url: str
    pid: int


def find(data_dir: Path) -> UpFile | None:
    """Read `up.json`; None if there is none, if it makes no sense, or if its process is gone (a crash leaves it).

    Raises `NotOursError` for another user's, a link or no file: it would lead our commands to that user's servers.
    """
    try:
        text = private_files.read(data_dir / "up.json")
    except OSError:
        return None
    try:
        found = UpFile(**json.loads(text or b""))
    except (ValueError, TypeError):
        return None
    return found if is_alive(found.pid) else None


def announce(data_dir: Path, running: UpFile) -> None:
    """Write `up.json` whole or not at all; only its owner may read it, because the address holds a password."""
    write_whole(data_dir / "up.json", json.dumps(asdict(running)) + "\n")


def withdraw(data_dir: Path) -> None:
    """Remove `up.json` at a clean stop."""
    (data_dir / "up.json").unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Replace a private file so that a reader sees the old or the new one, never half of it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # of a process that died and had our number
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists, whoever owns it."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError, TypeError):
        return False
    return pid > 0


def saved_url(data_dir: Path) -> str | None:
    """Read the address that the server of this folder had last, and will have again if its port is free.

    Raises `NotOursError` when it may not be believed: who chose the address would read every command.
    """
    with contextlib.suppress(OSError):
        return (private_files.read(data_dir / "valkey" / "url") or b"").decode(errors="replace").strip() or None
    return None
