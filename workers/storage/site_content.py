"""What a site is made of, as one store hands it to another, and what a removal took away."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from workers.base.errors import Permanent

Kind = Literal["file", "database", "folder", "symlink", "special", "absent"]
DATABASE = "helpdesk.db"
"""The one database that every site has."""

SITE_ID = re.compile(r"site_[0-9a-z][0-9a-z_-]{0,79}")
ITEM_ID = re.compile(r"[0-9a-z][0-9a-z_-]{0,99}")
MOST_NAMED = 50
"""Things that a list of what is missing names; the others are counted."""

LONGEST_REASON = 200
LONGEST_SHOWN = 120


class LeftOutError(Exception):
    """The content of an entry can't be had, for a reason that a new try would meet again: it says which."""


class Content(Protocol):
    """The bytes of one file or database, read once, from the start, before the next entry is asked for."""

    @property
    def size(self) -> int:
        """How many bytes it had when it was opened."""

    def read(self, size: int) -> bytes:
        """Read at most so many bytes; empty at the end. Raises `LeftOutError`, OSError."""

    def again(self) -> None:
        """Begin at the first byte again; raises OSError."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a site. `path` is relative, with `/`; undecodable bytes are surrogates, as Python reads names.

    `content` is of a file and of a `database` (a SQLite file, as a whole copy). `target` is of a symlink, and told from
    the site's folder if `in_site`. `nature` says what a `special` is. An `absent` entry could not be read, and `nature`
    says why. `modified_ns` counts from 1970, may be negative, and is None where it is not known, like owner and group.
    `unrestorable` says in words what a restore will not set again.
    """

    path: str
    kind: Kind
    mode: int = 0
    content: Content | None = None
    target: str = ""
    in_site: bool = False
    nature: str = ""
    modified_ns: int | None = None
    uid: int | None = None
    gid: int | None = None
    attributes: tuple[tuple[str, bytes], ...] = ()
    unrestorable: tuple[str, ...] = ()


class Snapshot(Protocol):
    """A consistent view of one site: entries as they are found, a folder before its content, names in order."""

    @property
    def site_id(self) -> str:
        """Whose content this is."""

    @property
    def home(self) -> str:
        """The absolute path of the site's folder, which links in it may name; "" if it has none."""

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
class Named:
    """So many things, the first of them named with a reason, in ASCII."""

    count: int = 0
    names: tuple[str, ...] = ()

    def plus(self, path: str, reason: str) -> "Named":
        """Count one more, and name it while there is room."""
        if self.count >= MOST_NAMED:
            return Named(self.count + 1, self.names)
        return Named(self.count + 1, (*self.names, f"{shortened(path)}: {reason[:LONGEST_REASON]}"))

    def told(self) -> dict[str, Any]:
        """The same as a document."""
        return {"count": self.count, "names": list(self.names)}

    def __str__(self) -> str:
        more = self.count - len(self.names)
        return "; ".join([*self.names, *([f"and {more} more"] if more else [])])


@dataclass(frozen=True, slots=True)
class Lacks:
    """What a copy of a site lacks: content that was left `out`, and what a restore can't `remake`, like pipes."""

    out: Named = Named()
    remake: Named = Named()

    @property
    def partial(self) -> bool:
        """Whether content is missing."""
        return self.out.count > 0

    def and_unchecked(self, path: str, reason: str) -> "Lacks":
        """Count a database too that is there as it was copied, but could not be checked within the limits."""
        return Lacks(self.out.plus(path, reason), self.remake)

    def row(self) -> dict[str, dict[str, Any]] | None:
        """What a row keeps of it; None if nothing is lacking."""
        if not (self.out.count or self.remake.count):
            return None
        return {"out": self.out.told(), "remake": self.remake.told()}

    def told(self) -> dict[str, Any]:
        """What other systems hear of it, in the data of an event."""
        return {
            "partial": self.partial,
            "left_out": self.out.count,
            "left_out_names": list(self.out.names),
            "not_restorable": self.remake.count,
            "not_restorable_names": list(self.remake.names),
        }


NOTHING_LACKS = Lacks()


@dataclass(frozen=True, slots=True)
class Stored:
    """A whole archive: its size in bytes, its SHA-256 in hex, the number of files in it, what it lacks."""

    bytes: int
    sha256: str
    files: int
    lacks: Lacks = NOTHING_LACKS


def shortened(path: str) -> str:
    """Show a path of a customer's to people: ASCII, without control characters, the middle of a long one left out."""
    shown = ascii(path)[1:-1]
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:60]}...{shown[-50:]}"


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
