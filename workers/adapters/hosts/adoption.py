"""Make the markers of a data folder that version 0.1 has left, and take away those that it forgot; at every start.

Until now a site's own `.tenure.json` said whose folder it is, and its customer could write it. It is read once more
here. The folder's name, which only the host gives, and the database decide: a customer who has removed the file, or has
put another name into it, gets the marker that the site should have. One case could be an operator's mistake and is left
to the operator: the file names another living site, which does not stand in its own place. Then the two may have been
mixed up, and to remove the wrong one would be the worst that can happen.

Any number of processes may do this at once, beside workers that work: a marker that is there is never written over.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from workers.adapters.hosts import marker_copy
from workers.adapters.hosts.marker import FOLDER, Marker, Markers
from workers.base.logs import log
from workers.storage.atomic_files import is_there
from workers.storage.site_content import SITE_ID

BATCH = 500


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows of a site: whether it was ever built, whether it is deleted, and what its host allows."""

    hostname: str
    online: bool
    agents: int
    was_ready: bool
    is_deleted: bool


Ask = Callable[[list[str]], Mapping[str, Known]]


def adopt(root: Path, ask: Ask) -> None:
    """Do it for all sites under a root; `ask` gives what is known of some ids.

    Raises OSError, `Permanent` and `Temporary`; what is not done then is done at the next start.
    """
    if not is_there(root):
        return
    markers = Markers(root)
    for ids in _batches(_unmarked(root)):
        known = ask(ids)
        for site_id in ids:
            if site_id in known and not known[site_id].is_deleted:
                _adopt(root, markers, site_id, known[site_id], ask)
    for ids in _batches(_marked(root)):
        known = ask(ids)
        for site_id in ids:
            if site_id in known and known[site_id].is_deleted and not is_there(root / site_id):
                markers.remove(site_id)


def _adopt(root: Path, markers: Markers, site_id: str, known: Known, ask: Ask) -> None:
    live = root / site_id
    copy = marker_copy.find(live)
    is_named = copy is not None and copy.site == site_id
    if not is_named and not known.was_ready:
        return  # whatever stands there, no site was built
    if copy is not None and not is_named and _may_be(copy.site, root, ask):
        name = marker_copy.NAME
        error = f"{live} says that it is {copy.site}, which is not in its own place: have they been mixed up?"
        remedy = f"nothing is done to it until they are moved back, or {name} is removed if it is {site_id} after all"
        log.error("alarm", site=known.hostname, site_id=site_id, error=f"{error} {remedy}")
        return
    replaced = copy.replaced if copy is not None and is_named else None
    mark = Marker(site_id, known.hostname, known.online, known.agents, replaced)
    markers.write_first(markers.bound(mark, live))


def _may_be(other: str, root: Path, ask: Ask) -> bool:
    """Whether a folder could be another site's: a living one that does not stand in its own place."""
    known = ask([other]).get(other) if SITE_ID.fullmatch(other) else None
    if known is None or known.is_deleted:
        return False
    copy = marker_copy.find(root / other)
    return (copy is None or copy.site != other) and not is_there(root / FOLDER / f"{other}.json")


def _unmarked(root: Path) -> Iterator[str]:
    for path in root.iterdir():
        is_site = SITE_ID.fullmatch(path.name) is not None and path.is_dir() and not path.is_symlink()
        if is_site and not is_there(root / FOLDER / f"{path.name}.json"):
            yield path.name


def _marked(root: Path) -> Iterator[str]:
    for path in (root / FOLDER).iterdir() if is_there(root / FOLDER) else ():
        if path.suffix == ".json" and SITE_ID.fullmatch(path.stem):
            yield path.stem


def _batches(ids: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(ids, BATCH)):
        yield batch
