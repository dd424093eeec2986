"""The download's format: a plain zip that anyone can open, with a list of what is in it.

The last member, `tenure-manifest.jsonl`, has a line of JSON for the download and one for each entry, links included: a
zip has no links that every program understands. Names that are no UTF-8 have `%` and the byte's number instead.
"""

import hashlib
import json
import os
import re
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from workers.archive import CHUNK, CONTENT
from workers.archive_writer import open_source
from workers.content import Entry, Snapshot
from workers.errors import Permanent, Temporary
from workers.sqlite_file import faults

SCHEMA = "tenure/download/1"
MANIFEST = "tenure-manifest.jsonl"
LEVEL = 3
EARLIEST, LATEST = 315532800, 4354819198
"""A zip can't say a moment before 1980 or after 2107; Unix seconds."""

LARGE = 1 << 30
"""From 1 GiB on a member is written with 64-bit sizes, for it may grow past 2 GiB when packed; bytes."""

Said = dict[str, Any]


def write_zip(file: IO[bytes], snapshot: Snapshot, export_id: str) -> None:
    """Write a site into an open file, in one pass; raises `Temporary`."""
    said: Said = {"schema": SCHEMA, "site": snapshot.site_id, "export": export_id}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as members:
        members.comment = json.dumps(said).encode("ascii")
        lines = [said, *filter(None, (_write_entry(entry, members) for entry in snapshot))]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        members.writestr(_unused(MANIFEST, members), text)


def _write_entry(entry: Entry, members: zipfile.ZipFile) -> Said | None:
    """Write one entry; None for a file that is gone."""
    name = _unused(_plain(entry.path), members)
    line: Said = {"path": name, "kind": entry.kind, "mode": entry.mode}
    if entry.kind in CONTENT:
        return _write_file(entry, line, members)
    if entry.kind == "folder":
        members.writestr(_member(f"{name}/", entry.mode | 0o40000, EARLIEST), b"")
    return line | ({"target": _plain(entry.target)} if entry.target else {})


def _write_file(entry: Entry, line: Said, members: zipfile.ZipFile) -> Said | None:
    """Write a file's bytes as they come, however the file changes meanwhile, and say what they were."""
    try:
        source = open_source(entry.source)
    except FileNotFoundError:
        return None
    digest, size = hashlib.sha256(), 0
    with source:
        status = os.fstat(source.fileno())
        info = _member(line["path"], entry.mode | 0o100000, int(status.st_mtime))
        with members.open(info, "w", force_zip64=status.st_size >= LARGE) as member:
            while size < status.st_size and (chunk := source.read(min(CHUNK, status.st_size - size))):
                digest.update(chunk)
                size += member.write(chunk)
    return line | {"size": size, "sha256": digest.hexdigest()}


def _member(name: str, mode: int, modified: int) -> zipfile.ZipInfo:
    moment = time.gmtime(min(max(modified, EARLIEST), LATEST))
    info = zipfile.ZipInfo(name, moment[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = (mode & 0xFFFF) << 16 | (0x10 if name.endswith("/") else 0)
    return info


def _plain(path: str) -> str:
    """Spell a name in UTF-8: a byte that is none becomes `%` and its number."""
    return re.sub("[\udc80-\udcff]", _percent, path)


def _percent(found: re.Match[str]) -> str:
    return f"%{ord(found[0]) - 0xDC00:02X}"


def _unused(name: str, members: zipfile.ZipFile) -> str:
    """Keep names apart that have become the same."""
    while name in members.NameToInfo or f"{name}/" in members.NameToInfo:
        name += "~"
    return name


def check_zip(path: Path, site_id: str, export_id: str, scratch: Path) -> None:
    """Read every member against its CRC and its SHA-256, and open the databases in `scratch`.

    Raises `Temporary` when the zip is not what was written, `Permanent` when a database of the site is damaged.
    """
    with _opened(path) as members:
        said, *lines = read_lines(members)
        if said != {"schema": SCHEMA, "site": site_id, "export": export_id}:
            raise Temporary(f"{path} is another download than {export_id} of {site_id}; it is built again")
        scratch.mkdir()
        names = [line["path"] + ("/" if line["kind"] == "folder" else "") for line in lines if _is_member(line)]
        if names != members.namelist()[:-1]:
            raise Temporary(f"{path} does not have the members that were written; it is built again")
        for line in filter(_has_content, lines):
            _check_member(members, line, scratch / DRAFT)


DRAFT = "checked.db"


def _is_member(line: Said) -> bool:
    return line["kind"] == "folder" or _has_content(line)


def _has_content(line: Said) -> bool:
    return line["kind"] in CONTENT


def _check_member(members: zipfile.ZipFile, line: Said, draft: Path) -> None:
    digest, is_database = hashlib.sha256(), line["kind"] == "database"
    with members.open(line["path"]) as member, (draft if is_database else Path(os.devnull)).open("wb") as copy:
        while chunk := member.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != line["sha256"]:
        raise Temporary(f"{line['path']!a} does not have the bytes that were written; it is built again")
    if is_database and (wrong := faults(draft)):
        raise Permanent(f"the database {line['path']!a} is damaged: {wrong[0]}; restore the site or waive the export")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip; whatever makes no sense in it is `Temporary`, for it is built again."""
    try:
        with zipfile.ZipFile(path) as members:
            yield members
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, EOFError, NotImplementedError) as wrong:
        raise Temporary(f"{path} is damaged: {wrong}; it is built again") from wrong


def read_lines(members: zipfile.ZipFile) -> list[Said]:
    """Read the list that is the last member."""
    return [json.loads(line) for line in members.read(members.namelist()[-1]).splitlines()]


def owner_of(path: Path) -> str | None:
    """Read from a zip whose it says it is; None when it says nothing that can be read."""
    try:
        with zipfile.ZipFile(path) as members:
            site = json.loads(members.comment)["site"]
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError):
        return None
    return site if isinstance(site, str) else None
