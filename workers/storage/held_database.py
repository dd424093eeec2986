"""A customer's database held fast by hard links at a private place: what was looked at is what SQLite opens.

A name in a site's folder can become something else at any moment. A link takes the object itself, without opening it
and without following anything; what stands at the private place is then looked at in peace. SQLite finds only what
belongs to the database there (its log, its shared memory, its journal), and takes its locks on the same objects as the
help desk: a live database is read as by any other reader. The database itself is opened for reading only.
"""

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EMLINK, ENOTSUP, EPERM, EXDEV
from pathlib import Path

from workers.base.errors import Temporary
from workers.base.progress import moved

SUFFIXES = ("", "-wal", "-shm", "-journal")
COPIED = ("", "-wal", "-journal")
COPY = ".copy"

MAGIC = bytes.fromhex("d9d505f920a163d7")
"""So begins a journal that counts, and so ends one that names another file."""

TAIL = 16
"""Bytes behind that name: its length, a sum, the magic; before it stands a page number of 4 bytes."""

CHUNK = 1 << 20
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
UNLINKABLE = {EPERM, EXDEV, EMLINK, ENOTSUP}
"""Where the disk has no links, where another mount stands between, or where the system lets only owners link."""

KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
)

COPYING = "let the user that runs Tenure own it; if its help desk died while it wrote, start that once"

Identity = tuple[int, int]


class Unusable(Temporary):
    """A customer's database can't be used now: `code` names the kind of fault, `do` what helps."""

    def __init__(self, code: str, what: str, do: str) -> None:
        super().__init__(f"{what}; {do}")
        self.code, self.what, self.do = code, what, do


@dataclass(frozen=True, slots=True)
class HelperLimits:
    """What a copy may take: bytes, and until when (monotonic seconds)."""

    most_bytes: int
    until: float


@dataclass(slots=True)
class HeldDatabase:
    """A database that is held.

    `private` is the name of its links, which their suffixes follow; `seen` are the identities of what was taken.
    """

    private: Path
    folder: int
    name: str
    seen: dict[str, Identity] = field(default_factory=dict)
    is_copy: bool = False

    @property
    def path(self) -> Path:
        """What SQLite is to open."""
        return self.copied("") if self.is_copy else self.private

    def linked(self, suffix: str) -> Path:
        """Where what belongs to the database is linked."""
        return self.private.with_name(self.private.name + suffix)

    def copied(self, suffix: str) -> Path:
        """Where it is copied to."""
        return self.private.with_name(self.private.name + COPY + suffix)

    def is_current(self) -> bool:
        """Whether the same things still stand there. A log that went away was carried over into the database."""
        return all(self._is_as_seen(suffix) for suffix in ("", "-wal", "-shm"))

    def is_unfinished(self) -> bool:
        """Whether the journal that was taken still stands there, and still counts."""
        journal = self.linked("-journal")
        return journal.exists() and self._is_as_seen("-journal") and is_journal(journal)

    def drop_journal(self) -> None:
        """Its transaction was committed meanwhile: it has no meaning any more."""
        self.linked("-journal").unlink(missing_ok=True)
        self.seen.pop("-journal", None)

    def copy(self, bounds: HelperLimits) -> Path:
        """Copy the bytes to the private place, where SQLite may put them in order without touching the site's own.

        Raises `Unusable` when they are too many, or change meanwhile.
        """
        suffixes = [suffix for suffix in COPIED if suffix in self.seen]
        before = self._states(suffixes)
        for suffix in suffixes:
            self._copy_one(suffix, bounds)
        if self._states(suffixes) != before:
            raise restless(self.name)
        self.is_copy = True
        if "-journal" in self.seen:
            self._free_the_journal()
        return self.path

    def _states(self, suffixes: list[str]) -> list[tuple[int, ...]]:
        try:
            found = [os.stat(self.name + suffix, dir_fd=self.folder, follow_symlinks=False) for suffix in suffixes]
        except FileNotFoundError:
            raise restless(self.name) from None
        return [(*_identity(status), status.st_size, status.st_mtime_ns) for status in found]

    def _copy_one(self, suffix: str, bounds: HelperLimits) -> None:
        linked = self.linked(suffix)
        source = os.open(linked, FILE) if linked.exists() else os.open(self.name + suffix, FILE, dir_fd=self.folder)
        try:
            status = os.fstat(source)
            _must_be_regular(self.name + suffix, status)
            if _identity(status) != self.seen[suffix]:
                raise restless(self.name)
            _copy_bytes(source, self.copied(suffix), bounds)
        finally:
            os.close(source)

    def _free_the_journal(self) -> None:
        """Cut off the name of another file: SQLite would read that file, and remove it.

        It names the journal of a transaction over several databases. While that one is there the transaction was not
        committed, so this database is rolled back; when it is gone, the transaction counts and this journal does not.
        """
        journal = self.copied("-journal")
        named = _named_by(journal)
        if named is None:
            return
        name, start = named
        if not re.fullmatch(re.escape(self.name) + "-mj[0-9A-F]{9}", name):
            what = f"the journal of {_shown(self.name)} names {_shown(name)}, which is none of its own files"
            raise Unusable("database.odd", what, "let the help desk put its database in order, or restore the site")
        if _is_there(name, self.folder):
            os.truncate(journal, start)
        else:
            journal.unlink()

    def _is_as_seen(self, suffix: str) -> bool:
        try:
            status = os.stat(self.name + suffix, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return suffix != ""
        return self.seen.get(suffix) == _identity(status)


@contextmanager
def held(folder: int, name: str, private: Path) -> Iterator[HeldDatabase]:
    """Hold a database of an open folder.

    `private` is a name on the same disk that nobody else uses; nothing of that name, or that begins with it, is left.
    Raises `Unusable` when it, or something that belongs to it, is missing or no regular file.
    """
    remove_private(private)
    try:
        taken = HeldDatabase(private, folder, name)
        for suffix in SUFFIXES:
            _take(taken, suffix)
        if "" not in taken.seen:
            raise Unusable("database.missing", f"{_shown(name)} is missing", "restore the site from a backup")
        _drop_an_idle_journal(taken)
        yield taken
    finally:
        remove_private(private)


def remove_private(private: Path) -> None:
    """Remove the links and copies of one name."""
    for suffix in SUFFIXES:
        for name in (private.name + suffix, private.name + COPY + suffix):
            private.with_name(name).unlink(missing_ok=True)


def _take(taken: HeldDatabase, suffix: str) -> None:
    """Link what stands at a name, or only look at it where it can't be linked: then it is copied."""
    name = taken.name + suffix
    try:
        status = _linked(name, taken.linked(suffix), taken.folder)
    except FileNotFoundError:
        return
    _must_be_regular(name, status)
    taken.seen[suffix] = _identity(status)


def _linked(name: str, place: Path, folder: int) -> os.stat_result:
    try:
        os.link(name, place, src_dir_fd=folder, follow_symlinks=False)
    except OSError as wrong:
        if wrong.errno not in UNLINKABLE:
            raise
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    return place.lstat()


def must_copy(taken: HeldDatabase) -> bool:
    """Whether something could not be linked."""
    return any(not taken.linked(suffix).exists() for suffix in taken.seen)


def _must_be_regular(name: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((kind for is_kind, kind in KINDS if is_kind(status.st_mode)), "a device")
        do = "remove it, or restore the site from a backup"
        raise Unusable("database.odd", f"{_shown(name)} is {kind} and no regular file: it is not opened", do)


def _drop_an_idle_journal(taken: HeldDatabase) -> None:
    """A journal without its magic holds nothing to be undone: it was just begun, or is kept for the next one."""
    journal = taken.linked("-journal")
    if journal.exists() and not is_journal(journal):
        taken.drop_journal()


def is_journal(path: Path) -> bool:
    """Whether a journal holds something to be undone, as far as its first bytes say."""
    return _bytes_of(path, 0, len(MAGIC)) == MAGIC


def _named_by(journal: Path) -> tuple[str, int] | None:
    """The last part of the name at a journal's end, and where that end begins: page, name, its length, sum, magic."""
    size = journal.stat().st_size
    end = _bytes_of(journal, max(0, size - TAIL), TAIL)
    length, start = int.from_bytes(end[:4]), size - TAIL - int.from_bytes(end[:4])
    if len(end) < TAIL or end[8:] != MAGIC or start < len(MAGIC):
        return None
    name = _bytes_of(journal, start, length)
    return os.fsdecode(name.rsplit(b"/", 1)[-1][:255]), start - 4


def _copy_bytes(source: int, target: Path, bounds: HelperLimits) -> None:
    left = bounds.most_bytes
    with target.open("wb", buffering=0) as copy:
        while chunk := os.read(source, CHUNK):
            left -= len(chunk)
            if left < 0 or time.monotonic() > bounds.until:
                what = "it must be copied before it can be read, and is too large for that"
                raise Unusable("database.unfinished", what, COPYING)
            copy.write(chunk)
            moved(len(chunk))


def _bytes_of(path: Path, start: int, length: int) -> bytes:
    descriptor = os.open(path, FILE)
    try:
        return os.pread(descriptor, length, start)
    finally:
        os.close(descriptor)


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def restless(name: str) -> Unusable:
    """Say that a database never stood still."""
    what = f"{_shown(name)} and its log were replaced each time that they were read"
    return Unusable("database.restless", what, "let its help desk keep its database open while it works")


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:80]
