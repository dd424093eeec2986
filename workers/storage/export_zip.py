"""The download's format: a plain zip that anyone can open, with a list of what is in it.

The last member, `tenure-manifest.jsonl`, has a line of JSON for the download, which says what is missing, and one for
each entry, links included: a zip has no links that every program understands. Names that could harm, or that are no
UTF-8, are stored under others (see `zip_names`); their lines have the `original`, with `%` and a byte's number for what
is no UTF-8.
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from workers.base.errors import Permanent, Temporary
from workers.storage.archive_format import CHUNK, CONTENT
from workers.storage.archive_writer import READINGS, Tally
from workers.storage.site_content import Content, Entry, Lacks, LeftOutError, Named, Snapshot
from workers.storage.sorted_names import unhurried
from workers.storage.sqlite_file import Health, examine
from workers.storage.zip_names import SafeNames, plain
from workers.storage.zip_reader import DamagedZipError, Listed, read_ending, read_list, read_local, read_member
from workers.storage.zip_writer import ZipWriter

SCHEMA = "tenure/download/1"
MANIFEST = "tenure-manifest.jsonl"
LONGEST_LINE = 1 << 19

Said = dict[str, Any]


def write_zip(file: IO[bytes], snapshot: Snapshot, export_id: str, beside: Path) -> None:
    """Write a site into an empty open file, in one pass; `beside` is a folder for growing lists. Raises `Temporary`."""
    said: Said = {"schema": SCHEMA, "site": snapshot.site_id, "export": export_id}
    with closing(ZipWriter(file, beside)) as members, TemporaryFile(dir=beside) as lines:
        writing = _Writing(members, lines)
        for entry in snapshot:
            writing.write(entry)
        at = members.tell()
        members.add_file(MANIFEST, 0o644, 0, _manifest(said | _listed(writing.tally.lacks), lines), lines.tell())
        members.finish(json.dumps(said | {"manifest": at}).encode("ascii"))


def _listed(lacks: Lacks) -> Said:
    """Say what is missing, as the first line does."""
    return {
        "left_out": {"count": lacks.out.count, "names": list(lacks.out.names)},
        "not_restorable": {"count": lacks.remake.count, "names": list(lacks.remake.names)},
    }


def _manifest(said: Said, lines: IO[bytes]) -> Iterator[bytes]:
    yield _line(said)
    lines.seek(0)
    while chunk := lines.read(CHUNK):
        yield chunk


def _line(said: Said) -> bytes:
    return json.dumps(said).encode("ascii") + b"\n"


class _Writing:
    """Writes entries into a zip, and their lines into a file."""

    def __init__(self, members: ZipWriter, lines: IO[bytes]) -> None:
        self._members = members
        self._lines = lines
        self._names = SafeNames()
        self._names.reserve(MANIFEST)
        self.tally = Tally()

    def write(self, entry: Entry) -> None:
        """Write one entry, or name it among what is missing."""
        if entry.kind == "absent":
            self.tally.leave_out(entry.path, entry.nature)
            return
        try:
            line = self._written(entry)
        except LeftOutError as reason:
            self.tally.leave_out(entry.path, str(reason))
            return
        self._lines.write(_line(line))
        self.tally.note(entry)

    def _written(self, entry: Entry) -> Said:
        original = plain(entry.path)
        if entry.content is None and entry.kind != "folder":
            about = {"target": plain(entry.target)} if entry.target else {"nature": entry.nature}
            return {"path": original, "kind": entry.kind, "mode": entry.mode} | about
        stored = self._names.stored(entry.path)
        renamed = {} if stored == original else {"original": original}
        line: Said = {"path": stored, **renamed, "kind": entry.kind, "mode": entry.mode}
        if entry.content is not None:
            return line | self._file(stored, entry, entry.content)
        self._members.add_folder(stored, entry.mode, _seconds(entry))
        self._names.enter(stored)
        return line

    def _file(self, stored: str, entry: Entry, content: Content) -> Said:
        """Write a file as long as it was when it was opened; raises `LeftOutError`."""
        for _ in range(READINGS):
            reading = _Reading(content)
            try:
                self._members.add_file(stored, entry.mode, _seconds(entry), reading.chunks(), content.size)
            except _ShorterError:
                content.again()
                continue
            return {"size": reading.size, "sha256": reading.digest.hexdigest()}
        raise LeftOutError("it became shorter each time that it was read")


class _ShorterError(Exception):
    """A file ended before the bytes that it had at its opening."""


class _Reading:
    """One reading of a file, with its digest."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.digest = hashlib.sha256()
        self.size = 0

    def chunks(self) -> Iterator[bytes]:
        """Read as many bytes as there were at the opening."""
        promised = self._content.size
        while self.size < promised:
            chunk = self._content.read(min(CHUNK, promised - self.size))
            if not chunk:
                raise _ShorterError
            self.digest.update(chunk)
            self.size += len(chunk)
            yield chunk


def _seconds(entry: Entry) -> int:
    return (entry.modified_ns or 0) // 10**9


def check_zip(path: Path, site_id: str, export_id: str, scratch: Path, check: Callable[[], None] = unhurried) -> Lacks:
    """Read every member against its CRC and its SHA-256, and open the databases in `scratch`; says what it lacks.

    `check` is called before each chunk. Raises `Temporary` when the zip is not what was written, `Permanent` when a
    database of the site is damaged, what `check` raises.
    """
    scratch.mkdir()
    with _opened(path) as files:
        ending = read_ending(files[0])
        listed = read_list(files[0], ending)
        manifest = read_local(files[1], json.loads(ending.comment)["manifest"])
        lines = _lines_of(files[1], manifest)
        said = next(lines)
        if [said["schema"], said["site"], said["export"]] != [SCHEMA, site_id, export_id]:
            raise Temporary(f"{path} is another download than {export_id} of {site_id}; it is built again")
        lacks = Lacks(_named(said["left_out"]), _named(said["not_restorable"]))
        for line in filter(_is_member, lines):
            check()
            if unchecked := _check_member(files[2], next(listed), line, scratch / DRAFT, check):
                lacks = lacks.and_unchecked(line["path"], unchecked)
        if [next(listed), next(listed, None)] != [manifest, None] or manifest.name != MANIFEST:
            raise Temporary(f"{path} does not have the members that were written; it is built again")
        return lacks


DRAFT = "checked.db"


@contextmanager
def _opened(path: Path) -> Iterator[list[IO[bytes]]]:
    """Open a zip at three places; whatever makes no sense in it is `Temporary`, for it is built again."""
    try:
        with path.open("rb") as listing, path.open("rb") as lines, path.open("rb") as members:
            yield [listing, lines, members]
    except (zlib.error, ValueError, KeyError, TypeError, StopIteration, struct.error, RecursionError) as wrong:
        raise Temporary(f"{path} is damaged: {wrong}; it is built again") from wrong


def _named(said: Said) -> Named:
    return Named(int(said["count"]), tuple(map(str, said["names"])))


def _is_member(line: Said) -> bool:
    return line["kind"] == "folder" or line["kind"] in CONTENT


def _lines_of(file: IO[bytes], manifest: Listed) -> Iterator[Said]:
    """Read the manifest's lines as they come."""
    waiting = b""
    for chunk in read_member(file, manifest):
        *whole, waiting = (waiting + chunk).split(b"\n")
        yield from map(json.loads, whole)
        if len(waiting) > LONGEST_LINE:
            raise DamagedZipError("a line of its manifest is too long")
    if waiting:
        raise DamagedZipError("its manifest has a line without an end")


def _check_member(file: IO[bytes], listed: Listed, line: Said, draft: Path, check: Callable[[], None]) -> str | None:
    """Read one member; the answer says why its database, if it is one, could not be checked."""
    name = line["path"] + ("/" if line["kind"] == "folder" else "")
    if listed.name != name:
        raise DamagedZipError(f"{listed.name[:80]!a} stands where the manifest has {name[:80]!a}")
    digest, is_database = hashlib.sha256(), line["kind"] == "database"
    with (draft if is_database else Path(os.devnull)).open("wb") as copy:
        for chunk in read_member(file, listed):
            check()
            digest.update(chunk)
            copy.write(chunk)
    if line["kind"] in CONTENT and digest.hexdigest() != line["sha256"]:
        raise DamagedZipError(f"{name[:80]!a} does not have the bytes that were written")
    health = examine(draft) if is_database else Health()
    if health.damage is not None:
        raise Permanent(f"the database {name[:80]!a} is damaged: {health.damage}; restore the site or waive the export")
    return health.unchecked


def owner_of(path: Path) -> str | None:
    """Read from a zip whose it says it is; None when it says nothing that can be read."""
    try:
        with path.open("rb") as file:
            site = json.loads(read_ending(file).comment)["site"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return site if isinstance(site, str) else None
