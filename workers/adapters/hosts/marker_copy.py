"""`.tenure.json` in a site: what its help desk is told. The customer can write it, so it is never believed.

It is written by descriptors, and whatever the customer has put in its place is not opened: a folder is moved aside, all
else is replaced. It has the form that version 0.1 reads.
"""

import json
import os
import re
import secrets
import stat
from dataclasses import asdict, dataclass
from errno import EACCES, EBUSY, EEXIST, EISDIR, ELOOP, ENOENT, ENOTDIR, ENOTEMPTY, EPERM
from itertools import islice
from pathlib import Path
from typing import Any

from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.storage.site_tree import look, open_file, open_ours, open_top, opened

NAME = ".tenure.json"
SCHEMA = "tenure/marker/1"
DRAFT = re.compile(rf"\.{re.escape(NAME)}\.[0-9a-f]{{8}}")
"""What a process leaves that dies while it writes one."""

LEFT_SECONDS = 60.0
"""Nobody takes so long to write a few bytes; who does finds the draft gone, and tries again."""

MOST_LOOKED_AT = 10_000
"""Names in a site among which drafts are looked for: a customer may have a million there."""

LARGEST = 64 << 10
THEIRS = {EACCES, EBUSY, EEXIST, EISDIR, ELOOP, ENOENT, ENOTDIR, ENOTEMPTY, EPERM}
"""What a customer can bring about; all else is the disk's fault."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What the help desk reads: open or not, how many agents. `replaced` is the key of the last restore."""

    site: str
    hostname: str
    online: bool
    agents: int
    replaced: str | None = None


def is_ours(path: Path) -> bool:
    """Whether a file in a site's own folder is the host's: the copy, or the draft of one."""
    return path.name == NAME or DRAFT.fullmatch(path.name) is not None


def find(folder: Path) -> Copy | None:
    """Read a copy as it is, whosever it is; None when there is none that makes sense. Nothing but a file is opened."""
    try:
        fields = json.loads(_bytes(folder) or b"")
        return Copy(**fields) if fields.pop("schema") == SCHEMA and _has_sense(fields) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _has_sense(fields: dict[str, Any]) -> bool:
    """Whether each has the kind that is expected."""
    return (
        isinstance(fields["site"], str)
        and isinstance(fields["hostname"], str)
        and isinstance(fields["online"], bool)
        and type(fields["agents"]) is int
        and isinstance(fields.get("replaced"), str | None)
    )


def _bytes(folder: Path) -> bytes | None:
    """Read what stands there, if it is a file of a likely size."""
    with opened(open_top(folder)) as at:
        status = look(NAME, at)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            return None
        with opened(open_file(NAME, at, status)) as file:
            return os.read(file, LARGEST)


def hand_out(folder: Path, copy: Copy) -> None:
    """Write what holds into a site, unless it stands there. What only the customer prevents is told, and no more.

    Raises OSError when the disk is at fault.
    """
    text = (json.dumps({"schema": SCHEMA, **asdict(copy)}) + "\n").encode()
    try:
        with opened(open_ours(folder)) as at:
            if not _stands(folder, text):
                _write(at, text)
                _drop_drafts(at)
    except OSError as wrong:
        if wrong.errno not in THEIRS:
            raise
        error = f"the help desk is not told what holds now: {NAME} can't be written ({wrong.strerror})"
        log.warning("alarm", site=copy.hostname, site_id=copy.site, error=error)


def _stands(folder: Path, text: bytes) -> bool:
    try:
        return _bytes(folder) == text
    except OSError:
        return False


def _write(at: int, text: bytes) -> None:
    draft = f".{NAME}.{secrets.token_hex(4)}"
    try:
        _draft(draft, at, text)
        fault_point("copy.drafted")
        _put(draft, at)
        os.fsync(at)
    except BaseException:
        _discard(draft, at)
        raise


def _draft(name: str, at: int, text: bytes) -> None:
    """Write a new file, on the disk when this returns; it belongs to whom the site belongs to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(name, flags, 0o600, dir_fd=at)
    except PermissionError:
        os.fchmod(at, stat.S_IMODE(os.fstat(at).st_mode) | stat.S_IRWXU)
        file = os.open(name, flags, 0o600, dir_fd=at)
    with opened(file):
        owner = os.fstat(at)
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.fchown(file, owner.st_uid, owner.st_gid)
        os.write(file, text)
        os.fsync(file)


def _put(draft: str, at: int) -> None:
    """Give the draft its name; a folder that stands there is the customer's and is moved aside."""
    try:
        os.rename(draft, NAME, src_dir_fd=at, dst_dir_fd=at)
    except OSError as wrong:
        if wrong.errno not in {EISDIR, EEXIST, ENOTEMPTY}:
            raise
        os.rename(NAME, f"{NAME[1:]}.{secrets.token_hex(4)}", src_dir_fd=at, dst_dir_fd=at)
        os.rename(draft, NAME, src_dir_fd=at, dst_dir_fd=at)


def _discard(draft: str, at: int) -> None:
    try:
        os.unlink(draft, dir_fd=at)
    except OSError:
        return


def _drop_drafts(at: int) -> None:
    """Take away what processes left that died here; a young one may be that of a worker whose lease ran out."""
    now = look(NAME, at).st_mtime  # of the disk's own clock, like the drafts'
    with os.scandir(at) as items:
        for item in islice(items, MOST_LOOKED_AT):
            if DRAFT.fullmatch(item.name) and now - item.stat(follow_symlinks=False).st_mtime > LEFT_SECONDS:
                _discard(item.name, at)
