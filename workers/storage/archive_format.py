"""The format of a backup: one file that `tar --zstd -xf` can open, and that proves itself.

    zstd frame      a tar of files and folders, never of links
    skippable frame the manifest, zstd: a line of JSON for the archive, then one for each entry, in order of their paths
    skippable frame the trailer: where the manifest begins, what it adds up to, SHA-256 of everything before the digest

Manifest and members stand in the same order, so that both are read side by side, in memory that does not grow.
Format 2 adds to the manifest what a tar header can't say: owners, moments before 1970 and parts of a second, extended
attributes, what is missing. Format 1 (of Tenure 0.1) is read as well.
"""

import base64
import binascii
import json
import os
import re
import struct
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

from workers.base.errors import Permanent
from workers.storage.site_content import MOST_NAMED, NOTHING_LACKS, Kind, Lacks, Named

FORMAT = 2
SCHEMA = re.compile(r"tenure/backup/([1-9][0-9]{0,5})")
CHUNK = 1 << 20
LONGEST_LINE = 1 << 19
"""In bytes: a longest path, its target and its attributes, as JSON spells the worst of them."""

FRAME = struct.Struct("<II")
"""A skippable frame's magic and size: zstd programs step over it."""

MANIFEST_MAGIC = 0x184D2A54
TRAILER_MAGIC = 0x184D2A55
TOTALS = struct.Struct("<8sQQQQ")
WORD = b"tenure/1"
DIGEST = 32
TRAILER_SIZE = FRAME.size + TOTALS.size + DIGEST
BLOCK = 512
END = bytes(2 * BLOCK)
LONGEST_NAME = 100
"""In bytes, of a whole path in a plain tar header."""

LONGEST_PART = 255
"""In bytes, of one name on a disk."""

LARGEST = 8**11
"""From 8 GiB on a size does not fit into a tar header, nor a time so late."""

LARGEST_ID = 8**7
"""Of an owner, in a tar header: a larger one stands in the manifest only."""

UNKNOWN = -1
"""An owner, a group or the parts of a second of an archive of format 1, which did not keep them."""

LATEST = 1 << 40
"""Seconds before or after 1970: no disk knows a later moment."""

CONTENT = ("file", "database")
"""The kinds that have bytes of their own."""

SHA256 = re.compile(r"[0-9a-f]{64}")
MEMBERS = {"file": b"0", "database": b"0", "folder": b"5"}
"""The kinds that are members of the tar, with their type flags; the others stand in the manifest only."""

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the manifest. `size` in bytes, `modified` in Unix seconds, `sha256` in hex, "" without content.

    `nanos` are the parts of the second. A symlink's `target` is told from the site's folder if `in_site`. `nature` says
    what a special file is. `attributes` are pairs of a name and a value in base64.
    """

    path: str
    kind: Kind
    mode: int
    size: int = 0
    modified: int = 0
    sha256: str = ""
    target: str = ""
    nanos: int = UNKNOWN
    uid: int = UNKNOWN
    gid: int = UNKNOWN
    in_site: bool = False
    nature: str = ""
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> Key:
        """What entries are ordered by: a folder stands before its content."""
        return tuple(self.path.split("/"))

    @property
    def modified_ns(self) -> int | None:
        """When it was changed, in nanoseconds from 1970; None where that was not kept."""
        if self.nanos == UNKNOWN and self.kind not in CONTENT:
            return None
        return self.modified * 10**9 + max(self.nanos, 0)

    @property
    def extended(self) -> tuple[tuple[str, bytes], ...]:
        """The extended attributes as they were."""
        return tuple((name, base64.b64decode(value)) for name, value in self.attributes)


DEFAULTS = {field.name: field.default for field in fields(Record)}


@dataclass(frozen=True, slots=True)
class Title:
    """What a backup says about itself; `home` is the path that the site's folder had."""

    site: str
    backup: str
    home: str = ""
    lacks: Lacks = NOTHING_LACKS


@dataclass(frozen=True, slots=True)
class Totals:
    """What a manifest adds up to. `manifest` is the offset of its frame, `bytes` the content of all files."""

    manifest: int
    entries: int
    files: int
    bytes: int


def title(site_id: str, backup_id: str, home: str = "", lacks: Lacks = NOTHING_LACKS) -> bytes:
    """Write the manifest's first line."""
    return _line({"schema": f"tenure/backup/{FORMAT}", **asdict(Title(site_id, backup_id, home, lacks))})


def read_title(line: bytes) -> Title:
    """Read the manifest's first line; raises `Permanent` when it makes no sense or is of a newer format."""
    try:
        said = json.loads(line)
        number = int(SCHEMA.fullmatch(said["schema"])[1])  # type: ignore[index]
        found = Title(said["site"], said["backup"], said.get("home", ""), _read_lacks(said.get("lacks", {})))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Permanent("its manifest does not say what it is of") from None
    if number > FORMAT:
        raise Permanent(
            f"it was written by a newer Tenure: its format is {number}, and this one reads up to {FORMAT}; upgrade it"
        )
    if any(type(text) is not str for text in (found.site, found.backup, found.home)):
        raise Permanent("its manifest does not say what it is of")
    return found


def _read_lacks(said: dict[str, Any]) -> Lacks:
    return Lacks(_read_named(said.get("out", {})), _read_named(said.get("remake", {})))


def _read_named(said: dict[str, Any]) -> Named:
    """Read a list of what is missing; raises ValueError and the like for anything that the writer would not write."""
    count, names = int(said.get("count", 0)), tuple(map(str, said.get("names", ())))
    if not len(names) <= min(count, MOST_NAMED):
        raise ValueError(count)
    return Named(count, names)


def write_record(record: Record) -> bytes:
    """Write a line of the manifest; names that are no UTF-8 are kept as they are."""
    values = {name: getattr(record, name) for name in DEFAULTS}
    return _line({name: value for name, value in values.items() if value != DEFAULTS[name]})


def read_record(line: bytes) -> Record:
    """Read a line of the manifest; raises `Permanent` for anything that the writer would not write."""
    try:
        said = json.loads(line)
        said["attributes"] = tuple((name, value) for name, value in said.get("attributes", ()))
        record = Record(**said)
        fault = _fault(record)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Permanent(f"the manifest has a line that makes no sense: {line[:80]!a}") from None
    if fault:
        raise Permanent(f"the manifest's {ascii(record.path)[:80]} {fault}")
    return record


def _fault(record: Record) -> str:
    """Say what is wrong with one entry by itself."""
    texts = (record.path, record.kind, record.sha256, record.target, record.nature)
    if any(type(text) is not str for text in texts):
        return "is not made of texts"
    if any(type(number) is not int or not least <= number < limit for number, least, limit in _numbers(record)):
        return "has an impossible mode, size, owner or time"
    return _misfit(record) or _attributes_fault(record) or path_fault(record.path)


def _numbers(record: Record) -> tuple[tuple[int, int, int], ...]:
    """The numbers of an entry, each with the least that it may be and the first that is too large."""
    return (
        (record.mode, 0, 1 << 12),
        (record.size, 0, 1 << 63),
        (record.modified, -LATEST, LATEST),
        (record.nanos, UNKNOWN, 10**9),
        (record.uid, UNKNOWN, (1 << 32) - 1),
        (record.gid, UNKNOWN, (1 << 32) - 1),
    )


def _attributes_fault(record: Record) -> str:
    if type(record.in_site) is not bool or (record.in_site and record.kind != "symlink"):
        return "is no link that stays in the site"
    for name, value in record.attributes:
        if type(name) is not str or not name.isprintable() or len(name) > LONGEST_PART or type(value) is not str:
            return "has an attribute that makes no sense"
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            return "has an attribute that makes no sense"
    return ""


def _misfit(record: Record) -> str:
    """Say what an entry has that its kind can't have, or lacks."""
    if record.kind not in {*MEMBERS, "symlink", "special"}:
        return "is of an unknown kind"
    if record.kind in CONTENT and not SHA256.fullmatch(record.sha256):
        return "has no digest"
    if record.kind not in CONTENT and (record.size or record.sha256):
        return "has content where there can be none"
    if (record.kind == "symlink") != bool(record.target) or not _is_encodable(record.target):
        return "has a target that makes no sense"
    return ""


def path_fault(path: str) -> str:
    """Say why a path can't stand in a site; "" if it can."""
    if path.startswith("/"):
        return "is an absolute path"
    if any(part in {"", ".", ".."} for part in path.split("/")):
        return "is a path that leads elsewhere"
    if not _is_encodable(path) or any(len(os.fsencode(part)) > LONGEST_PART for part in path.split("/")):
        return "has a name that no disk can hold"
    return ""


def _is_encodable(name: str) -> bool:
    """Whether a name can be handed to the system: no zero byte, no surrogates but those of undecodable bytes."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def header(record: Record) -> bytes:
    """Make the tar header of a member: the same bytes for the same record, for ever.

    The reader makes it again and compares, so nothing that stands in an archive is ever interpreted.
    """
    name = os.fsencode(record.path) + (b"/" if record.kind == "folder" else b"")
    extra = b""
    if len(name) > LONGEST_NAME or not name.isascii():
        extra += _extra(b"path", name)
    if record.size >= LARGEST:
        extra += _extra(b"size", str(record.size).encode())
    block = _block(name, record, MEMBERS[record.kind], record.size)
    if not extra:
        return block
    return _block(b"PaxHeader", record, b"x", len(extra)) + extra + padding(len(extra)) + block


def padding(size: int) -> bytes:
    """Fill up to whole blocks."""
    return bytes(-size % BLOCK)


def _extra(key: bytes, value: bytes) -> bytes:
    """Make a pax record, whose length counts its own digits."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return str(length).encode() + rest


def _block(name: bytes, record: Record, flag: bytes, size: int) -> bytes:
    """Make one ustar block; what does not fit stands in a pax record before it."""
    fields = (
        name[:LONGEST_NAME].ljust(100, b"\0"),
        b"%07o\0%07o\0%07o\0" % (record.mode & 0o7777, _small(record.uid), _small(record.gid)),
        b"%011o\0" % (size if size < LARGEST else 0),
        b"%011o\0" % min(max(record.modified, 0), LARGEST - 1),
        b" " * 8,
        flag,
        bytes(100),
        b"ustar\x0000",
    )
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _small(number: int) -> int:
    """An owner as a tar header can say it; the manifest has the true one."""
    return number if 0 <= number < LARGEST_ID else 0


def trailer(totals: Totals) -> bytes:
    """Make the last frame up to its digest."""
    return FRAME.pack(TRAILER_MAGIC, TOTALS.size + DIGEST) + TOTALS.pack(WORD, *astuple(totals))


def read_trailer(frame: bytes) -> Totals:
    """Read the last frame; raises `Permanent` when it is none."""
    if len(frame) != TRAILER_SIZE or frame[: FRAME.size] != FRAME.pack(TRAILER_MAGIC, TOTALS.size + DIGEST):
        raise Permanent("it is cut short, or is no backup at all")
    word, *numbers = TOTALS.unpack(frame[FRAME.size : -DIGEST])
    if word != WORD:
        raise Permanent(f"it is of a kind that this Tenure does not know: {word!a}; upgrade Tenure")
    return Totals(*numbers)
