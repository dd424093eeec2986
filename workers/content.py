"""What a site is made of, as one store hands it to another, and what a removal took away."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from workers.errors import Permanent

Kind = Literal["file", "database", "folder", "symlink", "special"]
DATABASE = "helpdesk.db"
"""The one database that every site has."""

SITE_ID = re.compile(r"site_[0-9a-z][0-9a-z_-]{0,79}")
ITEM_ID = re.compile(r"[0-9a-z][0-9a-z_-]{0,99}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a site. `path` is relative, with `/`; undecodable bytes are surrogates, as Python reads names.

    A `database` is a SQLite file whose `source` is a whole copy; a `special` (socket, pipe, device) has no content.
    """

    path: str
    kind: Kind
    mode: int
    source: Path
    target: str = ""


class Snapshot(Protocol):
    """A consistent view of one site: entries as they are found, a folder before its content, names in order."""

    @property
    def site_id(self) -> str:
        """Whose content this is."""

    def __iter__(self) -> Iterator[Entry]:
        """Walk through the site; raises `Temporary`."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal took away; 0 and 0 when nothing was there, so that twice equals once."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.files + other.files, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Stored:
    """A whole archive: its size in bytes, its SHA-256 in hex, the number of files in it."""

    bytes: int
    sha256: str
    files: int


def checked_site(site_id: str) -> str:
    """Let only a site's id through: whatever becomes part of a path can't lead out of it. Raises `Permanent`."""
    return _checked(site_id, SITE_ID, "a site's id")


def checked_item(item_id: str) -> str:
    """Let only the id of a backup or an export through. Raises `Permanent`."""
    return _checked(item_id, ITEM_ID, "the id of a backup or an export")


def _checked(text: str, shape: re.Pattern[str], what: str) -> str:
    if not shape.fullmatch(text):
        raise Permanent(f"{ascii(text)[:80]} is not {what}: nothing was touched")
    return text
