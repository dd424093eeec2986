"""What stands around a hostile site: a neighbour, the engine's own files, and what can be seen of them."""

import contextlib
import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import zstandard
from pysqlite3 import dbapi2 as sqlite

from tests.hostile import writer
from tests.hostile.actor import SITE
from tests.hostile.adapters import Adapters

CANARY = b"CANARY-of-the-neighbour-and-the-engine"
"""It stands in every file that is not the hostile site's."""

OWN = b"what the hostile customer wrote\n"
LARGE = os.urandom(1 << 20)


def make_engine(folder: Path) -> None:
    """The engine's own files, each with the canary in it."""
    with closing(sqlite.connect(folder / "tenure.db")) as database, database:
        database.execute("create table if not exists clock (secret text)")
        database.execute("delete from clock")
        database.execute("insert into clock values (?)", [CANARY.decode()])
    (folder / "payments.jsonl").write_bytes(CANARY)


def make_neighbour(adapters: Adapters) -> None:
    names = {"hostname": "victim.example.com", "email": "owner@victim.example.com"}
    shutil.rmtree(adapters.site(writer.NEIGHBOUR), ignore_errors=True)
    adapters.host.provision(writer.NEIGHBOUR, **names, agents=5, key="key")
    site = adapters.site(writer.NEIGHBOUR)
    for number in range(20):
        (site / "attachments" / f"{CANARY.decode()}-{number}.txt").write_bytes(CANARY)
    (site / "attachments" / "letter.txt").write_bytes(CANARY)
    with closing(sqlite.connect(site / "helpdesk.db")) as database, database:
        database.execute("create table letters (text)")
        database.execute("insert into letters values (?)", [CANARY.decode()])


def fill(site: Path) -> None:
    attachments = site / "attachments"
    (attachments / "0-large").write_bytes(LARGE)
    (attachments / "many").mkdir()
    for number in range(writer.FOLDERS):
        (attachments / "many" / f"{number:04}").mkdir()
    for number in range(40):
        (attachments / "many" / "0001" / f"{number}").write_bytes(OWN)
    for number in range(writer.PAIRS):
        (attachments / f"file{number:03}").write_bytes(OWN * 40)
        shutil.copyfile(site / "helpdesk.db", attachments / f"own{number:03}.db")


def own_walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Everything but what is in the hostile site's own folders."""
    for at, names, files in os.walk(folder):
        yield at, [*names], files
        names[:] = [name for name in names if SITE not in name]


def looks(folder: Path) -> Iterator[tuple[str, str]]:
    """Each path outside of the hostile site with what can be seen of it."""
    for at, names, files in own_walk(folder):
        for name in (*names, *files):
            if SITE in name:
                continue
            path = Path(at) / name
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                is_file = stat.S_ISREG(status.st_mode)
                content = hashlib.blake2b(path.read_bytes()).hexdigest() if is_file else ""
                yield str(path.relative_to(folder)), f"{status.st_mode:o} {status.st_uid} {status.st_ino} {content}"


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is gone, other or new."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def content_of(path: Path) -> bytes:
    """All that is in an archive, unpacked: names and bytes."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as members:
            return b"\n".join(name.encode() + members.read(name) for name in members.namelist())
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
