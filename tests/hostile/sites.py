"""Hostile sites, one for each thing that a customer may do to the own folder: each function makes one."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

from tests.hostile import databases, trees

ENGINE = "../../tenure.db"


def links_out_of_the_site(folder: Path) -> None:
    """The database and a folder are links: to the engine's own, and to all other sites."""
    databases.link_to(ENGINE)(folder)
    (folder / "attachments" / "all").symlink_to("../..")


def pipes_for_files(folder: Path) -> None:
    """A log that is a pipe, a marker that is one, and a folder full of them."""
    databases.fifo_beside("-wal")(folder)
    (folder / "attachments" / "x").write_bytes(b"SQLite format 3\0" * 64)
    os.mkfifo(folder / "attachments" / "x-wal")
    (folder / ".tenure.json").unlink(missing_ok=True)
    os.mkfifo(folder / ".tenure.json")


def paths_too_long(folder: Path) -> None:
    """Deeper than a path may be long."""
    trees.deep(folder, 300, name="d" * 40)


def much_of_everything(folder: Path) -> None:
    """More entries than the limit, and a file that says it is larger than the disk."""
    trees.flat(folder / "attachments" / "many", 6_000)
    trees.sparse(folder / "attachments" / "huge", 1 << 40)


def marker_of_another(folder: Path) -> None:
    """It says that it is another site, may have all agents, and was restored."""
    said = {"schema": "tenure/marker/1", "site": "site_of_somebody_else", "hostname": "x", "online": True}
    (folder / ".tenure.json").write_text(json.dumps({**said, "agents": 10_000, "replaced": "any"}))


def names_that_harm(folder: Path) -> None:
    """What a program for Windows would write elsewhere, or not at all."""
    for name in ("..\\..\\evil.bat", "C:evil", "CON", "aux.txt", "a\nb\x1b[2J", "ends with a dot.", "a:b"):
        (folder / "attachments" / name).write_text("harm")
    (folder / "attachments" / os.fsdecode(b"\xff\xfe")).write_text("no UTF-8")


def what_can_not_be_restored(folder: Path) -> None:
    """Pipes, sockets, devices, absolute links, moments before 1970."""
    trees.specials(folder / "attachments")
    (folder / "attachments" / "absolute").symlink_to(folder / databases.NAME)
    (folder / "attachments" / "old").touch()
    os.utime(folder / "attachments" / "old", (-(10**9), -(10**9)))


def closed_to_everybody(folder: Path) -> None:
    """Nobody may read it, and everybody may write into it."""
    shut = folder / "attachments" / "shut"
    shut.mkdir()
    (shut / "inside").touch()
    shut.chmod(0)
    (folder / "attachments").chmod(0o777)


MAKERS = {
    "links out of the site": links_out_of_the_site,
    "endless view": databases.endless_view,
    "costly index": databases.costly_index,
    "pipes": pipes_for_files,
    "long paths": paths_too_long,
    "much of everything": much_of_everything,
    "marker of another": marker_of_another,
    "names that harm": names_that_harm,
    "not to be restored": what_can_not_be_restored,
    "closed": closed_to_everybody,
}
"""By name; none of them needs root, though `not to be restored` has a device only with it."""


@contextmanager
def mounted(folder: Path, source: Path):
    """The site of a customer who could mount: another folder stands in it while the block runs."""
    at = folder / "attachments" / "mounted"
    at.mkdir()
    with trees.mounted(source, at):
        yield
