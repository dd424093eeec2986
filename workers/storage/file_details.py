"""What a file or folder has beside its bytes: mode, owner, group, time, extended attributes; read, and set again.

Restored are: permissions; owner and group, as root; the time of change with its nanoseconds; `user.*` attributes and
POSIX access lists; set-group-id and sticky of folders, which only guide new files. Not restored, on purpose, because
they give a program rights that its place in a backup can't vouch for: set-user-id and set-group-id of files, and
`security.capability`. Labels that the system gives by itself (`security.selinux` …) are not looked at.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from errno import E2BIG, EINVAL, ENOSPC, ENOTSUP, EPERM, ERANGE

from workers.storage.site_tree import Status

KEPT = ("user.", "system.posix_acl_")
BY_THE_SYSTEM = ("security.selinux", "security.ima", "security.evm", "security.apparmor", "security.SMACK64")
MOST_BYTES = 1 << 16
"""Of all attributes of one entry: a disk may hold more than a line of a manifest should."""

PERMISSIONS = 0o777
FOLDERS = PERMISSIONS | stat.S_ISGID | stat.S_ISVTX
NATURES = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

REFUSED = {ENOTSUP, EPERM, EINVAL, E2BIG, ENOSPC, ERANGE}
"""What a disk says that has no room for an attribute, or does not know its kind."""

FileAttributes = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Attributed:
    """The extended attributes that a restore sets again, and in words what it does not."""

    kept: FileAttributes = ()
    unrestorable: tuple[str, ...] = ()


NONE = Attributed()


def nature_of(mode: int) -> str:
    """Say what a special file is."""
    return next((nature for is_it, nature in NATURES if is_it(mode)), "a special file")


def attributes_of(descriptor: int) -> Attributed:
    """Read the extended attributes of an open file or folder; raises OSError."""
    try:
        names = os.listxattr(descriptor)
    except OSError as wrong:
        if wrong.errno == ENOTSUP:
            return NONE
        raise
    return _read(descriptor, sorted(names)) if names else NONE


def _read(descriptor: int, names: list[str]) -> Attributed:
    kept: list[tuple[str, bytes]] = []
    lost: list[str] = []
    room = MOST_BYTES
    for name in names:
        if name.startswith(BY_THE_SYSTEM):
            continue
        value = _value(descriptor, name) if name.startswith(KEPT) else None
        if value is None or len(name) + len(value) > room:
            lost.append(f"its attribute {ascii(name)[1:-1][:80]}")
            continue
        room -= len(name) + len(value)
        kept.append((name, value))
    return Attributed(tuple(kept), tuple(lost[:5]))


def _value(descriptor: int, name: str) -> bytes | None:
    with suppress(OSError):
        return os.getxattr(descriptor, name)
    return None


def unrestorable_bits(status: Status) -> tuple[str, ...]:
    """Say in words which bits of a file's mode a restore leaves away."""
    if not stat.S_ISREG(status.st_mode):
        return ()
    bits = ((stat.S_ISUID, "its set-user-id bit"), (stat.S_ISGID, "its set-group-id bit"))
    return tuple(word for bit, word in bits if status.st_mode & bit)


def set_owner(descriptor: int, uid: int | None, gid: int | None) -> None:
    """Give an open file back to its owner and group: only root can, for others it stays theirs."""
    if uid is not None and gid is not None and os.geteuid() == 0:
        os.fchown(descriptor, uid, gid)


def set_attributes(descriptor: int, attributes: FileAttributes) -> list[str]:
    """Set extended attributes; returns the names of those that this disk does not take."""
    refused = []
    for name, value in attributes:
        try:
            os.setxattr(descriptor, name, value)
        except OSError as wrong:
            if wrong.errno not in REFUSED:
                raise
            refused.append(name)
    return refused
