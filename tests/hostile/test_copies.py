"""A customer who changes the site while it is copied, or fills it with what can't be copied."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.hostile import trees
from workers.adapters.backup_store import open_backup_store
from workers.adapters.export_store import ExportStore
from workers.adapters.host import open_host
from workers.adapters.hosts import snapshot as snapshots
from workers.base.errors import Permanent, Temporary
from workers.storage.site_limits import SiteLimits

SITE, BACKUP = "site_0192a", "bkp_1"
SECRET = b"the secret of the engine"


class Stores:
    """One data folder with a site and, beside it, what no copy of it may hold."""

    def __init__(self, folder, limits=None):
        self.folder = folder
        limits = limits or SiteLimits()
        self.host, self.vault = open_host("file:", folder, limits), open_backup_store("file:", folder, limits)
        self.downloads = ExportStore(folder, limits)
        self.host.provision(SITE, hostname="acme.example.com", email="o@acme.example", agents=5, key="p")
        self.live = folder / "sites" / SITE
        (folder / "tenure.db").write_bytes(SECRET)
        (folder / "sites" / "site_0192b").mkdir()
        (folder / "sites" / "site_0192b" / "attachments").mkdir()
        (folder / "sites" / "site_0192b" / "attachments" / "theirs").write_bytes(SECRET)

    def save(self):
        with self.host.snapshot(SITE) as snapshot:
            stored = self.vault.save(SITE, BACKUP, snapshot)
        assert self.vault.verify(SITE, BACKUP) == stored
        return stored

    def build(self):
        with self.host.snapshot(SITE) as snapshot:
            return self.downloads.build(SITE, "exp_1", snapshot)

    def restore(self):
        into = self.host.beside(SITE)
        left_out = self.vault.extract(SITE, BACKUP, into, self.host.home(SITE))
        self.host.replace(SITE, into, key="r")
        return left_out

    def saved_bytes(self):
        """Everything that a backup holds, unpacked."""
        out = self.folder / "out"
        self.vault.extract(SITE, BACKUP, out)
        found = b"".join(path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file())
        trees.remove(out)
        return found


@pytest.fixture
def stores(tmp_path):
    yield Stores(tmp_path / "data")
    trees.remove(tmp_path / "data")


def zip_of(download):
    return zipfile.ZipFile(unquote(urlsplit(download.url).path))


def in_zip(download):
    with zip_of(download) as file:
        return b"".join(file.read(name) for name in file.namelist())


def lines_of(download):
    with zip_of(download) as file:
        first, *lines = [json.loads(line) for line in file.read("tenure-manifest.jsonl").splitlines()]
    return first, lines


@pytest.mark.parametrize("target", ["../../../tenure.db", "../../site_0192b/attachments/theirs", "/etc/passwd"])
@pytest.mark.parametrize("copy", ["save", "build"])
def test_a_file_that_becomes_a_link_between_look_and_opening_is_left_out_and_named(stores, monkeypatch, target, copy):
    victim, opening = stores.live / "attachments" / "file", snapshots.open_file
    victim.write_bytes(b"mine")

    def swap_then_open(name, at, seen):
        if name == "file":
            victim.unlink()
            victim.symlink_to(target)
        return opening(name, at, seen)

    monkeypatch.setattr(snapshots, "open_file", swap_then_open)
    made = getattr(stores, copy)()
    assert made.lacks.out.names == ("attachments/file: it can't be opened: is another object than a moment ago",)
    assert SECRET not in (stores.saved_bytes() if copy == "save" else in_zip(made))


def test_the_help_desk_that_becomes_a_link_after_it_was_copied_is_stored_as_it_was_copied(stores):
    with stores.host.snapshot(SITE) as snapshot:
        (stores.live / "helpdesk.db").rename(stores.live / "moved.db")
        (stores.live / "helpdesk.db").symlink_to("../../tenure.db")
        stores.vault.save(SITE, BACKUP, snapshot)
    stores.vault.verify(SITE, BACKUP)
    saved = stores.saved_bytes()
    assert SECRET not in saved
    assert b"o@acme.example" in saved


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("../../tenure.db"), os.mkfifo, Path.mkdir])
def test_a_help_desk_that_is_no_regular_file_is_refused_clearly_and_never_opened(stores, make):
    (stores.live / "helpdesk.db").unlink()
    make(stores.live / "helpdesk.db")
    for copy in (stores.save, stores.build):
        with pytest.raises((Permanent, Temporary), match=r"helpdesk\.db"):
            copy()


def test_pipes_beside_databases_and_under_any_name_hold_nobody_up(stores):
    other = stores.live / "attachments" / "x"
    other.write_bytes((stores.live / "helpdesk.db").read_bytes())
    for name in ("x-wal", "x-journal", "pipe"):
        os.mkfifo(stores.live / "attachments" / name)
    stored, built = stores.save(), stores.build()
    names = {f"attachments/{name}: a pipe" for name in ("x-wal", "x-journal", "pipe")}
    for made in (stored, built):
        assert set(made.lacks.remake.names) == names
        assert [name.partition(":")[0] for name in made.lacks.out.names] == ["attachments/x"]


def test_a_file_on_which_the_customer_holds_a_lease_is_left_out_and_named(stores, monkeypatch):
    signals = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with (stores.live / "attachments" / "leased").open("wb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            pytest.skip("this disk knows no leases")
        stored = stores.save()
    signal.signal(signal.SIGIO, signals)
    assert stored.lacks.out.count == 1
    assert stored.lacks.out.names[0].startswith("attachments/leased: it can't be opened")


def test_a_file_that_becomes_shorter_at_every_reading_is_left_out_and_the_rest_is_whole(stores, monkeypatch):
    big, reading = stores.live / "attachments" / "big", os.read
    (stores.live / "attachments" / "small").write_bytes(b"whole")

    def shrink(descriptor, size):
        if os.fstat(descriptor).st_ino == big.stat().st_ino:
            os.truncate(big, os.fstat(descriptor).st_size - (1 << 20))
        return reading(descriptor, size)

    for copy in ("save", "build"):
        trees.sparse(big, 40 << 20)
        monkeypatch.setattr("workers.storage.site_file.os.read", shrink)
        made = getattr(stores, copy)()
        monkeypatch.undo()
        assert made.lacks.out.names == ("attachments/big: it became shorter each time that it was read",)
        assert b"whole" in (stores.saved_bytes() if copy == "save" else in_zip(made))


def test_a_tree_deeper_than_path_max_is_saved_downloaded_restored_and_removed(stores):
    trees.deep(stores.live / "attachments", 1200, "abcd", b"at the very bottom")
    stored, built = stores.save(), stores.build()
    assert not stored.lacks.partial
    assert not built.lacks.partial
    assert b"at the very bottom" in in_zip(built)
    assert stores.restore() == []
    assert stores.save() == stored
    stores.host.remove(SITE, key="d")
    assert stores.host.remains(SITE) == []


@pytest.mark.parametrize(
    ("limits", "setting"),
    [(SiteLimits(bytes=100_000), "TENURE_SITE_MAX_BYTES"), (SiteLimits(files=5), "TENURE_SITE_MAX_FILES")],
)
def test_over_a_limit_the_copy_ends_says_so_and_has_the_help_desk(tmp_path, limits, setting):
    stores = Stores(tmp_path / "data", limits)
    (stores.live / "attachments" / "big").write_bytes(os.urandom(200_000))
    for number in range(5):
        (stores.live / "attachments" / f"{number}").touch()
    stored, built = stores.save(), stores.build()
    assert stored.lacks.partial
    assert built.lacks.partial
    assert setting in str(stored.lacks.out)
    assert setting in str(lines_of(built)[0]["left_out"])
    assert b"o@acme.example" in stores.saved_bytes()
    assert "helpdesk.db" in {line["path"] for line in lines_of(built)[1]}


def test_the_time_limit_ends_the_reading_of_one_large_file(tmp_path):
    stores = Stores(tmp_path / "data")
    trees.sparse(stores.live / "large", 10 << 30)
    script = f"""
import sys
from pathlib import Path
from workers.adapters.backup_store import open_backup_store
from workers.adapters.host import open_host
from workers.storage.site_limits import SiteLimits
folder, limits = Path(sys.argv[1]), SiteLimits(seconds=2)
with open_host("file:", folder, limits).snapshot("{SITE}") as snapshot:
    print(open_backup_store("file:", folder).save("{SITE}", "{BACKUP}", snapshot).lacks.out)
open_backup_store("file:", folder).verify("{SITE}", "{BACKUP}")
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
    ran = subprocess.run([sys.executable, "-c", script, stores.folder], capture_output=True, text=True, check=True)
    said, peak = ran.stdout.splitlines()
    assert said.startswith("large: the time limit of 2 s was over (TENURE_SITE_SECONDS)")
    assert int(peak) < 130 << 10


def test_the_time_limit_ends_the_reading_back_in_the_middle_of_a_file(stores):
    trees.sparse(stores.live / "large", 64 << 20)
    stores.save()
    stores.build()
    ticks = iter(range(1_000_000))
    hurried = SiteLimits(seconds=30).deadline("reading it back", lambda: next(ticks))
    stores.vault._limits = stores.downloads._limits = Hurried(hurried)
    for act in (partial(stores.vault.verify, SITE, BACKUP), partial(stores.downloads._check, SITE, "exp_1")):
        with pytest.raises(Temporary, match="reading it back took longer than 30 s"):
            act()
    assert next(ticks) < 200


class Hurried:
    """Limits whose time passes with every look at the clock."""

    seconds = 30.0

    def __init__(self, check):
        self._check = check

    def deadline(self, _doing):
        return self._check


MEASURED = f"""
import sys
from pathlib import Path
from workers.adapters.backup_store import open_backup_store
from workers.adapters.export_store import ExportStore
from workers.adapters.host import open_host
folder = Path(sys.argv[1])
host, vault, downloads = open_host("file:", folder), open_backup_store("file:", folder), ExportStore(folder)
with host.snapshot("{SITE}") as snapshot:
    files = vault.save("{SITE}", "{BACKUP}", snapshot).files
vault.verify("{SITE}", "{BACKUP}")
with host.snapshot("{SITE}") as snapshot:
    downloads.build("{SITE}", "exp_1", snapshot)
print(files, next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.parametrize(
    "count", [6_000, *(pytest.param(many, marks=pytest.mark.long) for many in (60_000, 1_000_000))]
)
def test_memory_stays_flat_for_a_download_with_very_many_members(tmp_path, count):
    peaks = []
    for number in (10, count):
        stores = Stores(tmp_path / str(number))
        trees.flat(stores.live / "many", number)
        ran = subprocess.run(
            [sys.executable, "-c", MEASURED, stores.folder], capture_output=True, text=True, check=True
        )
        files, peak = map(int, ran.stdout.split())
        assert files == number + 1
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 64 << 10, peaks
    trees.remove(tmp_path / str(count))
