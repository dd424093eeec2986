"""The data folder is one user's alone: with which rights it is made, and which of its files are believed.

Needs the standard library only: every process of ours begins here.
"""

import os
import pwd
import stat
from errno import ELOOP, ENXIO
from pathlib import Path

MASK = 0o077
"""What group and others may not do with anything that we make."""

LARGEST = 64 << 10
"""Bytes that are read of a file of ours at most: each holds a line or two."""


class NotOursError(ValueError):
    """A file or folder that is to be believed is another user's, a link, or no file: the sentence has the remedy."""


def begin() -> None:
    """Let nobody else read what this process, and all that it starts, will make: called first in every process."""
    os.umask(MASK)


def check_folder(folder: Path) -> None:
    """Raise `NotOursError` for a data folder of another user: what it says would be that user's word."""
    try:
        status = folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as wrong:
        raise NotOursError(
            f"{_shown(folder)} can't be reached by {user(os.geteuid())}: {_as_its_owner(None)}"
        ) from wrong
    if status.st_uid != os.geteuid():
        raise NotOursError(
            f"{_shown(folder)} belongs to {user(status.st_uid)} and this is {user(os.geteuid())}: nothing in it is"
            f" believed; {_as_its_owner(status.st_uid)}"
        )


WRITABLE = stat.S_IWGRP | stat.S_IWOTH
SECRET = 0o077
"""What nobody else may do with a file that is believed, and with one that holds a secret."""


def read(path: Path, *, forbidden: int = WRITABLE) -> bytes | None:
    """Read a small file that is believed: a regular one of this user that nobody else may write to; None without one.

    With `forbidden=SECRET` nobody else may read it either. Raises `NotOursError` for any other, and OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as wrong:
        if wrong.errno in {ELOOP, ENXIO} or isinstance(wrong, PermissionError):
            _must_be_ours(path, path.lstat(), forbidden)
        raise
    try:
        _must_be_ours(path, os.fstat(descriptor), forbidden)
        return os.read(descriptor, LARGEST)
    finally:
        os.close(descriptor)


def _must_be_ours(path: Path, status: os.stat_result, forbidden: int) -> None:
    fault = None
    if status.st_uid != os.geteuid():
        fault = f"belongs to {user(status.st_uid)} and this is {user(os.geteuid())}"
    elif not stat.S_ISREG(status.st_mode):
        fault = "is a link" if stat.S_ISLNK(status.st_mode) else "is no regular file"
    elif status.st_mode & WRITABLE:
        fault = f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    elif status.st_mode & forbidden:
        mode = f"mode {stat.S_IMODE(status.st_mode):04o}"
        raise NotOursError(f"{_shown(path)} can be read by others ({mode}): it holds secrets; chmod 600 it")
    if fault is not None:
        remedy = f"remove it if nobody knows it, or {_as_its_owner(status.st_uid)}"
        raise NotOursError(f"{_shown(path)} {fault}: it is not followed; {remedy}")


def _shown(path: Path) -> str:
    return ascii(str(path))[1:-1]


def _as_its_owner(uid: int | None) -> str:
    who = "its owner" if uid is None or uid == os.geteuid() else user(uid)
    return f"run Tenure as {who}, or set TENURE_DATA_DIR to a folder of your own"


def user(uid: int) -> str:
    """Name a user of this machine: `jane`, or `user 1001` where that has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def is_root() -> bool:
    """Whether this process may do anything on this machine."""
    return os.geteuid() == 0
