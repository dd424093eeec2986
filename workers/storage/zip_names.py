r"""Names in a download that harm nobody who unpacks it: on Windows, macOS or Linux, by whichever program.

A name of a site may climb (`..\..\evil.bat`), name a drive (`C:evil`) or a device (`CON`, `nul.txt`), end in a dot or
a space, hide its true end behind control or direction characters, or differ from its neighbour only in case. Each part
of a path is made safe by itself, and the whole path is then made unique; what was changed is listed in the download.
"""

import re
import struct
import unicodedata
from hashlib import blake2b

RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"]
    + [f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"]
)
"""Windows opens a device for these, whatever follows a dot."""

FORBIDDEN = re.compile(r'[\\/:*?"<>|]')
LAST = re.compile(r"[. ]+$")
JOINERS = "\u200c\u200d"
"""They are invisible and belong to words of some languages, and to emoji."""

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
LONGEST_PART = 240
LONGEST_PATH = 32_000
"""In bytes: a zip's own limit is 65,535."""

SHELF = "long-paths"
SEEN_BYTES = 1 << 24
PROBES = 4


def plain(path: str) -> str:
    """Spell a name in UTF-8: a byte that is none becomes `%` and its number."""
    return re.sub("[\udc80-\udcff]", _percent, path)


def _percent(found: re.Match[str]) -> str:
    return f"%{ord(found[0]) - 0xDC00:02X}"


def safe_part(name: str) -> str:
    """Make one name safe; it stays as it is where it was safe."""
    name = FORBIDDEN.sub("_", plain(name))
    if not name.isascii() or not name.isprintable():
        name = "".join("_" if _is_unseen(letter) else letter for letter in name)
    name = LAST.sub(lambda found: "_" * len(found[0]), name)
    if name.partition(".")[0].rstrip(" ").upper() in RESERVED:
        name = f"_{name}"
    return name if len(name) <= LONGEST_PART else f"{name[: LONGEST_PART - 20]}~{name[-19:]}"


def _is_unseen(letter: str) -> bool:
    return unicodedata.category(letter) in UNSEEN and letter not in JOINERS


class SafeNames:
    """The names of one download, given in the order of its entries: a folder before its content.

    Memory is flat: what was given is remembered by hashes in a table of fixed size. A name that is wrongly believed to
    be taken gets another one, as if it were.
    """

    def __init__(self) -> None:
        self._seen = bytearray(SEEN_BYTES)
        self._count = 0
        self._above = ""
        self._levels: list[str | int] = []

    def reserve(self, name: str) -> None:
        """Keep a name for the download's own use."""
        self._take(name)

    def stored(self, path: str) -> str:
        """Say under which path an entry is stored."""
        self._count += 1
        while len(self._levels) > path.count("/"):
            self._leave()
        path = self._above + safe_part(path.rpartition("/")[2])
        if len(path.encode()) > LONGEST_PATH:
            path = f"{SHELF}/{self._count}"
        name = self._unused(path)
        self._take(name)
        return name

    def enter(self, stored: str) -> None:
        """Say that what follows lies in the folder that is stored so."""
        is_below = stored.startswith(self._above) and "/" not in stored[len(self._above) :]
        self._levels.append(len(self._above) if is_below else self._above)
        self._above = f"{stored}/"

    def _leave(self) -> None:
        before = self._levels.pop()
        self._above = self._above[:before] if isinstance(before, int) else before

    def _unused(self, name: str) -> str:
        """Keep names apart that have become the same, or that some disk takes for the same."""
        if not self._is_taken(name):
            return name
        name, number = f"{name}~", self._count
        tried = name
        while self._is_taken(tried):
            tried, number = f"{name}{number}", number + 1
        return tried

    def _take(self, name: str) -> None:
        for bit in _bits(name):
            self._seen[bit >> 3] |= 1 << (bit & 7)

    def _is_taken(self, name: str) -> bool:
        return all(self._seen[bit >> 3] & 1 << (bit & 7) for bit in _bits(name))


def _bits(name: str) -> tuple[int, ...]:
    """Where a name leaves its marks: the same for names that differ in case or in how their letters are composed."""
    same = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    digest = blake2b(same.encode(), digest_size=4 * PROBES).digest()
    return tuple(number & (SEEN_BYTES * 8 - 1) for number in struct.unpack(f"<{PROBES}I", digest))
