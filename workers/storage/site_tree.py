"""Open what is in a site's folder by descriptors: what was looked at, what is opened and what is read is one object.

A customer may change the folder at any moment, so no name is resolved twice: every step goes from an open folder to one
name in it. A link is never followed, a mount point is never crossed, and only regular files are opened. Paths may be
longer than PATH_MAX, because no path is ever handed to the system.
"""

import ctypes
import os
import re
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EINTR, ELOOP, ENOSYS, ENOTDIR, EPERM, EXDEV
from functools import cache
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
HAS_HANDLES = hasattr(os, "O_PATH")
HANDLE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC if HAS_HANDLES else FOLDER
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

OPENAT2 = 437
"""The system call's number on every architecture of Linux."""

NO_XDEV, NO_SYMLINKS, BENEATH = 0x01, 0x04, 0x08
RESOLVE = NO_XDEV | NO_SYMLINKS | BENEATH
HOW = struct.Struct("=QQQ")
"""`struct open_how`: flags, mode, resolve."""

SWAPPED = {ELOOP, ENOTDIR}
"""What it says when a link or a file stands where a folder was seen."""

ESCAPED = re.compile(rb"\\([0-7]{3})")

Status = os.stat_result


class MountPointError(OSError):
    """Another file system, or another part of the same one, is mounted at this name."""


class SwappedError(OSError):
    """Something else stands at this name than when it was looked at."""


@contextmanager
def opened(descriptor: int) -> Iterator[int]:
    """Close a descriptor afterwards."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_top(folder: Path) -> int:
    """Open the folder that everything else is opened from; raises OSError when a link or a file stands there."""
    return os.open(folder, FOLDER)


def open_ours(folder: Path) -> int:
    """Open a folder in one that is ours alone, even if it was closed to us; raises what `open_top` raises."""
    try:
        return open_top(folder)
    except PermissionError:
        with opened(os.open(folder.parent, FOLDER & ~os.O_NOFOLLOW)) as above:
            open_up(folder.name, above)
        return open_top(folder)


def look(name: str, at: int) -> Status:
    """Look at a name in an open folder, without following a link; raises OSError."""
    return os.stat(name, dir_fd=at, follow_symlinks=False)


def open_folder(name: str, at: int) -> int:
    """Open a folder in an open folder.

    Raises `MountPointError` for a mount point, OSError when it is gone, or is a link or a file.
    """
    return _open_name(name, FOLDER, at)


def open_file(name: str, at: int, seen: Status) -> int:
    """Open for reading the regular file that was looked at, and nothing that has taken its name since.

    Raises `MountPointError` for a file that is mounted there, `SwappedError` when it is another object, OSError.
    """
    if not stat.S_ISREG(seen.st_mode):
        raise SwappedError(ELOOP, "is not a regular file", name)
    try:
        descriptor = _open_name(name, FILE, at)
    except OSError as wrong:
        if wrong.errno in SWAPPED:
            raise SwappedError(wrong.errno, "is another object than a moment ago", name) from wrong
        raise
    now = os.fstat(descriptor)
    if stat.S_ISREG(now.st_mode) and is_same(now, seen):
        return descriptor
    os.close(descriptor)
    raise SwappedError(ELOOP, "is another object than a moment ago", name)


def is_same(one: Status, other: Status) -> bool:
    """Whether two looks saw one object."""
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def open_handle(name: str, at: int) -> int:
    """Open a folder to look at it and to change its rights, not to read it: it may be closed to us.

    Raises what `open_folder` raises.
    """
    return _open_name(name, HANDLE, at)


def open_up(name: str, at: int) -> None:
    """Give ourselves all rights to a folder of ours in an open folder, whatever they are; raises OSError."""
    with opened(open_handle(name, at)) as handle:
        mode = stat.S_IMODE(os.fstat(handle).st_mode) | stat.S_IRWXU
        if HAS_HANDLES:
            Path(f"/proc/self/fd/{handle}").chmod(mode)  # the only name by which such a descriptor can be changed
        else:
            os.fchmod(handle, mode)


def open_below(top: int, names: Sequence[str]) -> int:
    """Open the folder that a row of names leads to, each beneath the one before; raises what `open_folder` raises."""
    here = os.dup(top)
    for name in names:
        try:
            below = open_folder(name, here)
        finally:
            os.close(here)
        here = below
    return here


def read_link(name: str, at: int) -> str:
    """Read where a link in an open folder leads; raises OSError."""
    return os.readlink(name, dir_fd=at)


def _open_name(name: str, flags: int, at: int) -> int:
    """Open one name in an open folder, beneath it and on the same mount."""
    if name in {"", ".", ".."} or "/" in name:
        raise ValueError(f"{name!a} is not one name in a folder")
    try:
        return _openat2(name, flags, at) if has_openat2() else _open_on_same_mount(name, flags, at)
    except OSError as wrong:
        if wrong.errno == EXDEV:
            raise MountPointError(EXDEV, "is a mount point", name) from wrong
        raise


@cache
def has_openat2() -> bool:
    """Whether the system refuses links and mount points by itself (Linux from 5.6, unless a sandbox forbids it)."""
    with opened(os.open("/", FOLDER)) as top:
        try:
            os.close(_openat2(".", FOLDER, top))
        except OSError as wrong:
            if wrong.errno in {ENOSYS, EPERM}:
                return False
            raise
        except AttributeError:
            return False
    return True


def _openat2(name: str, flags: int, at: int) -> int:
    how = HOW.pack(flags, 0, RESOLVE)
    while True:
        descriptor = int(_system_call()(OPENAT2, at, os.fsencode(name), how, HOW.size))
        if descriptor >= 0:
            return descriptor
        wrong = ctypes.get_errno()
        if wrong != EINTR:
            raise OSError(wrong, os.strerror(wrong), name)


@cache
def _system_call() -> "ctypes._NamedFuncPointer":
    """Bind `syscall`, whose arguments vary; raises AttributeError where there is none."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    call.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
    return call


def _open_on_same_mount(name: str, flags: int, at: int) -> int:
    """Open as older systems can: open, then refuse what came from another mount."""
    descriptor = os.open(name, flags, dir_fd=at)
    if _mount_of(descriptor) == _mount_of(at):
        return descriptor
    os.close(descriptor)
    raise OSError(EXDEV, os.strerror(EXDEV), name)


def _mount_of(descriptor: int) -> tuple[int, str]:
    """Say on which mount an open file is: its device, and on Linux the mount's own id, for binds of one device."""
    device = os.fstat(descriptor).st_dev
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return device, ""
    return device, next((line for line in lines if line.startswith("mnt_id:")), "")


def mount_points(folder: Path) -> list[Path]:
    """List what is mounted at or under a folder, binds of the same disk included; empty where the system can't tell.

    Linux tells. Elsewhere `open_folder` still refuses another device.
    """
    real = os.path.realpath(folder)
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except FileNotFoundError:
        return []
    mounted = (os.fsdecode(ESCAPED.sub(_unescaped, line.split()[4])) for line in lines)
    return sorted({Path(path) for path in mounted if path == real or path.startswith(f"{real.rstrip('/')}/")})


def _unescaped(found: "re.Match[bytes]") -> bytes:
    return bytes([int(found[1], 8)])
