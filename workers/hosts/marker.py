"""The marker in a site's folder: whose it is, and what the host allows. It is the host's, never part of the content."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from workers.durable import write_whole
from workers.errors import Permanent

NAME = ".tenure.json"
DRAFT = f".{NAME}." + "[0-9a-f]" * 8
"""What `write_whole` leaves of a marker when its process dies."""

LEFT_SECONDS = 60.0
"""Nobody takes so long to write a few bytes; who does finds the draft gone, and tries again."""

SCHEMA = "tenure/marker/1"


@dataclass(frozen=True, slots=True)
class Marker:
    """What the help desk reads: open or not, how many agents. `replaced` is the key of the last restore."""

    site: str
    hostname: str
    online: bool
    agents: int
    replaced: str | None = None


def write(folder: Path, marker: Marker) -> None:
    """Replace the marker, whole, and take away what a process that died in doing so has left.

    A young draft may be that of another worker, whose lease ran out while it wrote.
    """
    write_whole(folder / NAME, json.dumps({"schema": SCHEMA, **asdict(marker)}) + "\n")
    now = (folder / NAME).stat().st_mtime  # of the disk's own clock, like the drafts'
    for left in folder.glob(DRAFT):
        with suppress(FileNotFoundError):
            if now - left.stat().st_mtime > LEFT_SECONDS:
                left.unlink()


def read(folder: Path, site_id: str) -> Marker:
    """Read the marker of this very site; raises `Permanent` when the folder is not known to be its own."""
    marker = find(folder)
    if marker is None:
        raise Permanent(f"{folder} has no {NAME} that can be read: it is not known to be a site's, and is left alone")
    if marker.site != site_id:
        raise Permanent(f"{folder} belongs to {ascii(marker.site)[:80]} and not to {site_id}: it is left alone")
    return marker


def is_ours(path: Path) -> bool:
    """Whether a file in a site's own folder is the host's: a marker, or the draft of one."""
    return path.name == NAME or fnmatchcase(path.name, DRAFT)


def find(folder: Path) -> Marker | None:
    """Read the marker whosever it is; None when there is none that makes sense."""
    try:
        fields = json.loads((folder / NAME).read_bytes())
        if fields.pop("schema") != SCHEMA:
            return None
        return Marker(**fields)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
