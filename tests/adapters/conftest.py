import contextlib
import hashlib
import os
import signal
import stat
import sys
import warnings
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pysqlite3.dbapi2 as sqlite
import pytest

from workers.adapters.backup_store import open_backup_store
from workers.adapters.export_store import ExportStore
from workers.adapters.host import open_host

STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.utime", "os.symlink"}
HOSTS = {"folder": lambda folder: open_host("file:", folder)}
VAULTS = {"folder": lambda folder: open_backup_store("file:", folder)}


def content_of(folder):
    """Everything in a folder but the host's marker: kinds, modes, digests; a database by what it says."""
    return {
        str(path.relative_to(folder)): described(path)
        for path in sorted(folder.rglob("*"))
        if path.name != ".tenure.json"
    }


def described(path):
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "link", str(path.readlink())
    if stat.S_ISDIR(mode):
        return "folder", stat.S_IMODE(mode)
    if path.name == "helpdesk.db":
        with closing(sqlite.connect(path)) as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return "database", {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    return "file", stat.S_IMODE(mode), hashlib.sha256(path.read_bytes()).hexdigest()


def kill_at_step(number, act):
    """Do something in a process that is killed at its so-many-th touch of the disk; whether it lived to the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            sys.addaudithook(Killer(number))
            act()
            os._exit(0)
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "it failed instead of being killed"
    return os.WIFEXITED(status)


class Killer:
    def __init__(self, number):
        self.left = number

    def __call__(self, event, _arguments):
        if event in STEPS:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


class World:
    """One data folder with its stores, and a site that is easy to make."""

    def __init__(self, folder, host="folder", vault="folder"):
        self.folder = Path(folder)
        self.host = HOSTS[host](self.folder)
        self.vault = VAULTS[vault](self.folder)
        self.downloads = ExportStore(self.folder)

    def site(self, site_id="site_0192a"):
        self.host.provision(site_id, hostname="acme.example.com", email="owner@acme.example", agents=5, key="p")
        return site_id

    def live(self, site_id="site_0192a"):
        return self.folder / "sites" / site_id

    def save(self, site_id="site_0192a", backup_id="bkp_1"):
        with self.host.snapshot(site_id) as snapshot:
            return self.vault.save(site_id, backup_id, snapshot)

    def build(self, site_id="site_0192a", export_id="exp_1"):
        with self.host.snapshot(site_id) as snapshot:
            return self.downloads.build(site_id, export_id, snapshot)

    def restore(self, site_id="site_0192a", backup_id="bkp_1", key="r"):
        into = self.host.beside(site_id)
        left_out = self.vault.extract(site_id, backup_id, into)
        self.host.replace(site_id, into, key=key)
        return left_out


@pytest.fixture
def data_tools():
    """The helpers above: a test module can't import a conftest."""
    return SimpleNamespace(content_of=content_of, kill_at_step=kill_at_step, World=World)


@pytest.fixture
def stores(tmp_path):
    return World(tmp_path / "data")


@pytest.fixture(params=sorted(HOSTS))
def hosted(request, tmp_path):
    """A world on each kind of host."""
    return World(tmp_path / "data", host=request.param)


@pytest.fixture(params=sorted(VAULTS))
def vaulted(request, tmp_path):
    """A world with each kind of vault."""
    return World(tmp_path / "data", vault=request.param)
