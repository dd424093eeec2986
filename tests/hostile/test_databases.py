"""Whatever a customer's database is, asking for its agents and copying it ends soon, and touches nothing else."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest

from tests.hostile import databases
from workers.adapters.hosts.folder import FolderHost
from workers.base.errors import Permanent, Temporary
from workers.storage import customer_database, held_database, sqlite_file
from workers.storage.held_database import Unusable
from workers.storage.site_content import DATABASE

SITE, OTHER = "site_0192a", "site_0192b"
SOON = 2.0
"""Seconds: a batch of commands waits so long for all its sites."""

HOSTILE = {
    "an endless view": (databases.endless_view, "database.odd", "a view"),
    "a view over an endless view": (databases.endless_view_behind_a_table, "database.odd", "a view"),
    "a virtual table": (databases.virtual_table, "database.odd", "a virtual"),
    "a view that says it is a table": (databases.view_that_says_it_is_a_table, "database", "agents"),
    "a generated column that takes for ever": (
        databases.costly_generated_column(9_000_000, 80),
        "database.slow",
        "in time",
    ),
    "a generated column that takes much memory": (
        databases.costly_generated_column(30_000_000, 8),
        "database.odd",
        "memory",
    ),
    "no agents": (databases.no_agents, "database.odd", "missing"),
    "no column active": (databases.no_column, "database.failed", "no such column"),
    "thousands of tables": (databases.many_tables, "database", "helpdesk.db"),
    "a corrupt header": (databases.corrupt_header, "database", "restore"),
    "torn pages": (databases.torn_pages, "database.damaged", "restore"),
    "no database": (databases.no_database, "database.damaged", "restore"),
    "a link to another site's": (databases.link_to(f"../{OTHER}/{DATABASE}"), "database.odd", "a link"),
    "a link to a device": (databases.link_to("/dev/zero"), "database.odd", "a link"),
    "a FIFO": (databases.fifo, "database.odd", "a FIFO"),
    "a folder": (databases.folder_of_that_name, "database.odd", "a folder"),
    "a socket": (databases.bound_socket, "database.odd", "a socket"),
    "a FIFO as its log": (databases.fifo_beside("-wal"), "database.odd", "-wal is a FIFO"),
    "a FIFO as its shared memory": (databases.fifo_beside("-shm"), "database.odd", "-shm is a FIFO"),
    "a FIFO as its journal": (databases.fifo_beside("-journal"), "database.odd", "-journal is a FIFO"),
    "nothing": (databases.missing, "database.missing", "missing"),
}


@pytest.fixture
def host(tmp_path):
    """Two sites, each with its owner."""
    made: Any = FolderHost(tmp_path / "sites")
    for site_id in (SITE, OTHER):
        made.provision(site_id, hostname=f"{site_id}.example.com", email="o@acme.example", agents=5, key="p")
    made.root = tmp_path / "sites"
    with closing(sqlite.connect(made.root / OTHER / DATABASE)) as database, database:
        database.execute("INSERT INTO agents (email) VALUES ('second@acme.example')")
    return made


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_database_is_named_soon_and_the_neighbour_is_answered_at_once(host, what):
    make, code, said = HOSTILE[what]
    make(host.root / SITE)
    began = time.monotonic()
    with pytest.raises(Unusable) as found:
        host.used_agents(SITE)
    assert time.monotonic() - began < SOON
    assert found.value.code.startswith(code)
    assert said in str(found.value)
    began = time.monotonic()
    assert host.used_agents(OTHER) == 2
    assert time.monotonic() - began < SOON
    assert left_over(host.root) == []


def left_over(root):
    return [path.name for path in root.iterdir() if path.name.startswith(".site")]


def test_a_sparse_terabyte_is_counted_and_not_copied_beyond_the_limit(host, tmp_path):
    databases.sparse_terabyte(host.root / SITE)
    assert host.used_agents(SITE) == 1
    with pytest.raises(Unusable, match="a copy may take") as found:
        copied(host, tmp_path)
    assert found.value.code == "database.too_large"
    assert not (tmp_path / "copy.db").exists()


def test_a_copy_that_grows_beyond_its_limit_ends_there(host, tmp_path):
    with closing(sqlite.connect(host.root / SITE / DATABASE)) as desk, desk:
        desk.execute("CREATE TABLE large (x)")
        desk.execute("INSERT INTO large VALUES (zeroblob(20000000))")
    with pytest.raises(Temporary):
        copied(host, tmp_path, seconds=20, most_bytes=8 << 20)
    assert (tmp_path / "copy.db").stat().st_size <= 8 << 20


def copied(host, tmp_path, **bounds):
    folder = os.open(host.root / SITE, os.O_RDONLY)
    try:
        sqlite_file.copy_database(folder, DATABASE, tmp_path / "copy.db", **bounds)
    finally:
        os.close(folder)


@pytest.mark.parametrize("what", [what for what in HOSTILE if what not in {"no agents", "no column active"}])
def test_a_copy_of_a_hostile_database_ends_and_holds_nothing_of_the_neighbour(host, tmp_path, what):
    with closing(sqlite.connect(host.root / OTHER / DATABASE)) as database, database:
        database.execute("INSERT INTO agents (email) VALUES ('SECRET-OF-THE-NEIGHBOUR')")
    HOSTILE[what][0](host.root / SITE)
    began = time.monotonic()
    try:
        copied(host, tmp_path, seconds=2)
    except (Permanent, Temporary):
        pass
    else:
        assert b"SECRET-OF-THE-NEIGHBOUR" not in (tmp_path / "copy.db").read_bytes()
    assert time.monotonic() - began < 2 + SOON
    assert list(tmp_path.glob("copy.db.*")) == []


def test_a_lock_that_is_never_let_go_keeps_a_question_a_moment_and_no_longer(host):
    with closing(sqlite.connect(host.root / SITE / DATABASE, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(Unusable, match="locked") as found:
            host.used_agents(SITE)
        assert time.monotonic() - began < SOON
        assert found.value.code == "database.locked"
        holder.execute("ROLLBACK")
    assert host.used_agents(SITE) == 1


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_a_live_database_is_counted_with_what_only_its_log_has(host, mode):
    with closing(sqlite.connect(host.root / SITE / DATABASE, isolation_level=None)) as desk:
        desk.execute(f"PRAGMA journal_mode = {mode}")
        for number in range(2, 6):
            desk.execute("INSERT INTO agents (email) VALUES (?)", (f"{number}@acme.example",))
            assert host.used_agents(SITE) == number
        desk.execute("BEGIN IMMEDIATE")
        desk.execute("DELETE FROM agents")
        assert host.used_agents(SITE) == 5
        desk.execute("COMMIT")
        assert host.used_agents(SITE) == 0


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_what_a_help_desk_that_was_killed_has_committed_counts_and_nothing_else(host, mode, tmp_path):
    path = host.root / SITE / DATABASE
    killed_while_it_writes(path, mode)
    beside = path.with_name(f"{DATABASE}-{'wal' if mode == 'WAL' else 'journal'}")
    before = path.read_bytes(), beside.read_bytes()
    assert before[1]
    assert host.used_agents(SITE) == 2
    copied(host, tmp_path)
    assert sqlite_file.faults(tmp_path / "copy.db") == []
    with closing(sqlite.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM agents").fetchone() == (2,)
    assert (path.read_bytes(), beside.read_bytes()) == before


def killed_while_it_writes(path, mode):
    script = f"""
import os, signal, sys
import pysqlite3.dbapi2 as sqlite
desk = sqlite.connect({str(path)!r}, isolation_level=None)
desk.execute("PRAGMA journal_mode = {mode}")
desk.execute("PRAGMA cache_size = 2")
desk.execute("CREATE TABLE pad (x)")
desk.execute("INSERT INTO agents (email) VALUES ('second@acme.example')")
desk.execute("BEGIN IMMEDIATE")
desk.execute("DELETE FROM agents")
desk.executemany("INSERT INTO pad VALUES (?)", [("x" * 3000,)] * 500)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize("act", ["count", "copy"])
def test_a_journal_that_names_another_file_removes_and_reads_nothing(host, tmp_path, act):
    victim = tmp_path / f"{DATABASE}-mj000000AAA"
    victim.write_bytes(b"the engine's own\0" * 10)
    databases.journal_that_names(victim)(host.root / SITE)
    if act == "count":
        assert host.used_agents(SITE) == 1
    else:
        copied(host, tmp_path)
        with closing(sqlite.connect(tmp_path / "copy.db")) as copy:
            assert copy.execute("SELECT count(*) FROM agents").fetchone() == (1,)
    assert victim.read_bytes() == b"the engine's own\0" * 10


def test_a_number_is_believed_only_until_the_file_changes(host, monkeypatch):
    path = host.root / SITE / DATABASE
    os.utime(path, (time.time() - 60,) * 2)
    assert host.used_agents(SITE) == 1
    asked = []
    monkeypatch.setattr(customer_database.QUICK, "ask", lambda *_args: asked.append(1) or {"agents": 77})
    assert host.used_agents(SITE) == 1
    assert asked == []
    os.utime(path)
    assert host.used_agents(SITE) == 77


@pytest.mark.parametrize("rows", [2_000_000, pytest.param(10_000_000, marks=pytest.mark.long)])
def test_millions_of_rows_are_given_up_in_time_and_counted_by_who_has_more_of_it(host, rows):
    databases.many_rows(host.root / SITE, rows)
    folder, private = os.open(host.root / SITE, os.O_RDONLY), host.root / ".site_x.agents.1.1"
    began = time.monotonic()
    with pytest.raises(Unusable, match="in time"):
        sqlite_file.count_agents(folder, private, 0.01)
    assert time.monotonic() - began < SOON
    assert sqlite_file.count_agents(folder, private, 20) == rows
    os.close(folder)


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_where_nothing_can_be_linked_the_bytes_are_copied(host, tmp_path, mode, monkeypatch):
    with closing(sqlite.connect(host.root / SITE / DATABASE, isolation_level=None)) as desk:
        desk.execute(f"PRAGMA journal_mode = {mode}")
        desk.execute("INSERT INTO agents (email) VALUES ('second@acme.example')")
        monkeypatch.setattr(held_database.os, "link", cannot_link)
        assert host.used_agents(SITE) == 2
        copied(host, tmp_path)
    with closing(sqlite.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM agents").fetchone() == (2,)
    assert left_over(host.root) == []


@pytest.mark.parametrize("make", [databases.fifo, databases.fifo_beside("-wal"), databases.link_to("/dev/zero")])
def test_where_nothing_can_be_linked_nothing_but_files_is_opened(host, make, monkeypatch):
    make(host.root / SITE)
    monkeypatch.setattr(held_database.os, "link", cannot_link)
    with pytest.raises(Unusable, match="no regular file"):
        host.used_agents(SITE)


def cannot_link(*_args, **_more):
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_a_database_that_is_swapped_all_the_time_is_never_anothers(host, tmp_path):
    """The neighbour has 77 agents and a secret; a link to its database stands there half of the time."""
    with closing(sqlite.connect(host.root / OTHER / DATABASE)) as neighbour, neighbour:
        rows = [(f"SECRET-{number}@acme.example",) for number in range(75)]
        neighbour.executemany("INSERT INTO agents (email) VALUES (?)", rows)
    swapper = subprocess.Popen([sys.executable, "-c", SWAPPER, str(host.root / SITE), str(host.root / OTHER)])
    seen, refused = set(), 0
    try:
        for number in range(150):
            try:
                seen.add(host.used_agents(SITE))
                if number % 10 == 0:
                    copied(host, tmp_path)
                    assert b"SECRET" not in (tmp_path / "copy.db").read_bytes()
            except (Permanent, Temporary):
                refused += 1
            (tmp_path / "copy.db").unlink(missing_ok=True)
    finally:
        swapper.kill()
        swapper.wait(10)
    assert seen == {1}
    assert refused > 0
    assert host.used_agents(OTHER) == 77


SWAPPER = """
import os, sys
mine, other = sys.argv[1:]
os.chdir(mine)
os.rename("helpdesk.db", "real")
os.symlink(other + "/helpdesk.db", "link")
os.symlink(other + "/helpdesk.db-wal", "wal")
while True:
    for source, target in (("real", "helpdesk.db"), ("link", "helpdesk.db"), ("wal", "helpdesk.db-wal")):
        os.link(source, "next", follow_symlinks=False)
        os.rename("next", target)
    os.unlink("helpdesk.db-wal")
"""


class TestAnExpensiveCheck:
    def test_an_expensive_index_ends_at_the_limit_and_the_check_says_so(self, host, tmp_path, monkeypatch):
        databases.costly_index(host.root / SITE)
        copied(host, tmp_path)
        monkeypatch.setattr(sqlite_file, "CHECK_SECONDS", 0.5)
        began = time.monotonic()
        health = sqlite_file.examine(tmp_path / "copy.db")
        assert time.monotonic() - began < 3 + SOON
        assert health.damage is None
        assert "its pages are whole, its indexes were not compared" in health.unchecked
        assert sqlite_file.faults(tmp_path / "copy.db") == [health.unchecked]

    def test_an_index_of_huge_values_takes_no_more_memory_than_allowed(self, host, tmp_path):
        databases.index_of_huge_values(host.root / SITE)
        copied(host, tmp_path)
        customer_database.PATIENT.end()
        customer_database.PATIENT.start(1)
        (pid,) = customer_database.PATIENT.pids()
        before = peak_of(pid)
        said = sqlite_file._check(tmp_path / "copy.db", "quick_check", 5)
        assert said == {"faults": []}
        assert peak_of(pid) - before < 64 << 20
        health = sqlite_file.examine(tmp_path / "copy.db")
        assert health.damage is None

    def test_a_sound_database_is_sound_and_a_damaged_one_is_damaged(self, host, tmp_path):
        copied(host, tmp_path)
        assert sqlite_file.examine(tmp_path / "copy.db") == sqlite_file.Health()
        databases.torn_pages(tmp_path)
        assert sqlite_file.examine(tmp_path / DATABASE).damage


def peak_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


class TestTheProcesses:
    def test_one_that_is_killed_is_replaced_and_nobody_notices(self, host):
        assert host.used_agents(SITE) == 1
        before = customer_database.QUICK.pids()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        os.utime(host.root / SITE / DATABASE)
        assert host.used_agents(SITE) == 1
        assert set(customer_database.QUICK.pids()).isdisjoint(before)

    def test_one_that_hangs_is_killed_at_its_deadline_and_replaced(self, host):
        customer_database.QUICK.end()
        customer_database.QUICK.start(1)
        (pid,) = customer_database.QUICK.pids()
        os.kill(pid, signal.SIGSTOP)
        os.utime(host.root / SITE / DATABASE)
        began = time.monotonic()
        with pytest.raises(Unusable, match="in time"):
            host.used_agents(SITE)
        assert time.monotonic() - began < SOON
        assert pid not in customer_database.QUICK.pids()
        assert host.used_agents(SITE) == 1

    def test_none_outlives_a_parent_that_is_killed(self):
        script = """
import time
from workers.storage import customer_database
customer_database.QUICK.start(2)
customer_database.PATIENT.start(1)
print(*customer_database.QUICK.pids(), *customer_database.PATIENT.pids(), flush=True)
time.sleep(60)
"""
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 3
        parent.kill()
        parent.wait(10)
        parent.stdout.close()
        until = time.monotonic() + 10
        while any(is_running(pid) for pid in pids):
            assert time.monotonic() < until, "a reading process outlived its parent"
            time.sleep(0.01)

    def test_it_has_no_core_few_descriptors_and_little_room(self):
        customer_database.QUICK.start(1)
        limits = Path(f"/proc/{customer_database.QUICK.pids()[0]}/limits").read_text()
        said = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
        assert said["Max core file size"] == "0"
        assert said["Max open files"] == "64"
        assert said["Max address space"] == str(1 << 30)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_database_that_cannot_be_checked_in_time_makes_a_partial_backup_and_is_in_it_whole(world, monkeypatch):
    monkeypatch.setattr(sqlite_file, "CHECK_SECONDS", 0.05)
    world.start_trial()
    databases.costly_index(world.site_folder())
    world.send("back_up")
    (told,) = (event["data"] for event in world.events("backup.verified"))
    assert told["partial"]
    assert told["left_out_names"][0].startswith(f"{DATABASE}: the check was given up")
    assert "partial" in world.show()["attention"]
    into = world.data_dir / "out"
    world.context.vault.extract(world.show()["id"], told["id"], into)
    with closing(sqlite.connect(into / DATABASE)) as copy:
        assert copy.execute("SELECT count(*) FROM agents").fetchone() == (1,)
    world.send("export")
    assert world.events("export.ready")[0]["data"]["partial"]
    world.advance(minutes=1)
    world.send("cancel")
    assert "site.waive with guard=backup" in world.show()["attention"]
