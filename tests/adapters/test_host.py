import json
import shutil
from contextlib import closing
from errno import EIO
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest

from workers.adapters.host import open_host
from workers.adapters.hosts import folder as folder_host
from workers.adapters.hosts.adoption import Known
from workers.base.errors import Permanent, Temporary
from workers.storage.site_content import Removed

SITE = "site_0192a"
OTHER = "site_0192b"


WHOLE = [f"sites/{SITE}", f"sites/.markers/{SITE}.json"]
"""What there is of a site that nothing is done to."""


def marker_of(world):
    return json.loads((world.live() / ".tenure.json").read_text())


class TestEveryHost:
    def test_a_new_site_has_its_owner_as_the_one_agent(self, hosted):
        assert hosted.host.used_agents(SITE) is None
        hosted.site()
        assert hosted.host.used_agents(SITE) == 1

    def test_provisioning_twice_leaves_what_the_customer_has_written(self, hosted):
        hosted.site()
        with closing(sqlite.connect(hosted.live() / "helpdesk.db")) as database, database:
            database.execute("INSERT INTO agents (email) VALUES ('second@acme.example')")
        hosted.site()
        assert hosted.host.used_agents(SITE) == 2

    def test_removing_twice_takes_away_once_and_the_probe_finds_nothing(self, hosted):
        hosted.site()
        assert hosted.host.remains(SITE)
        assert hosted.host.remove(SITE, key="d").files == 2
        assert hosted.host.remove(SITE, key="d") == Removed(0, 0)
        assert hosted.host.remains(SITE) == []

    def test_removing_one_site_leaves_the_other(self, hosted, data_tools):
        hosted.site()
        hosted.site(OTHER)
        before = data_tools.content_of(hosted.live(OTHER))
        hosted.host.remove(SITE, key="d")
        assert data_tools.content_of(hosted.live(OTHER)) == before

    def test_a_restore_changes_the_content_and_nothing_that_the_host_decides(self, hosted):
        hosted.site()
        hosted.save()
        (hosted.live() / "attachments" / "later").write_text("x")
        hosted.host.set_agent_limit(SITE, 9, key="l")
        hosted.host.bring_online(SITE, key="o")
        hosted.restore()
        assert not (hosted.live() / "attachments" / "later").exists()
        assert (marker_of(hosted)["agents"], marker_of(hosted)["online"]) == (9, True)

    def test_a_restore_asked_for_twice_keeps_what_was_written_since(self, hosted):
        hosted.site()
        hosted.save()
        hosted.restore()
        (hosted.live() / "later").write_text("x")
        hosted.restore()
        assert (hosted.live() / "later").exists()
        assert hosted.host.remains(SITE) == WHOLE

    def test_a_site_that_is_not_there_can_be_taken_offline_but_not_brought_online(self, hosted):
        hosted.host.take_offline(SITE, key="t")
        with pytest.raises(Permanent, match="is not there"):
            hosted.host.bring_online(SITE, key="o")

    @pytest.mark.parametrize("bad", ["", "..", "site_", "site_../x", "site_a/b", "site_A", "site_a\n", "/etc", "x"])
    def test_an_id_that_is_none_touches_nothing(self, hosted, bad):
        calls = (hosted.host.used_agents, hosted.host.remains, hosted.host.beside)
        for call in (*calls, lambda site_id: hosted.host.remove(site_id, key="d")):
            with pytest.raises(Permanent, match="nothing was touched"):
                call(bad)


@pytest.mark.parametrize("act", ["provision", "restore", "remove", "snapshot"])
@pytest.mark.parametrize("in_one_step", ["exchange", "two renames"])
def test_killed_at_each_step_the_site_is_the_old_or_the_new_one_and_the_next_call_finishes(
    act, in_one_step, tmp_path, data_tools, monkeypatch
):
    if in_one_step != "exchange":
        monkeypatch.setattr(folder_host, "exchange", lambda _one, _other: False)
    seen, number, lived = set(), 0, False
    while not lived:
        world = data_tools.World(tmp_path / str(number))
        old, new = prepared(world, act, data_tools)
        lived = data_tools.kill_at_step(number, lambda world=world: do(world, act))
        world.host.used_agents(SITE)
        found = data_tools.content_of(world.live()) if world.live().exists() else {}
        assert found in (old, new), f"half a site after step {number}"
        seen.add(found == new)
        do(world, act)
        assert (data_tools.content_of(world.live()) if world.live().exists() else {}) == new
        assert world.host.remains(SITE) == ([] if act == "remove" else WHOLE)
        number += 1
    assert number > 3
    assert True in seen


def test_killed_at_each_step_the_move_of_old_markers_is_finished_by_the_next_start(tmp_path, data_tools):
    sites = {SITE, OTHER}
    facts: dict[str, Any] = {
        "hostname": "acme.example.com",
        "online": True,
        "agents": 5,
        "was_ready": True,
        "is_deleted": False,
    }

    def known(ids):
        return {site_id: Known(**facts) for site_id in ids}

    number, lived = 0, False
    while not lived:
        world = data_tools.World(tmp_path / str(number))
        for site_id in sites:
            world.site(site_id)
        shutil.rmtree(world.folder / "sites" / ".markers")
        before = {site_id: data_tools.content_of(world.live(site_id)) for site_id in sites}
        lived = data_tools.kill_at_step(number, lambda world=world: world.host.take_over(known))
        world.host.take_over(known)
        assert {path.name for path in (world.folder / "sites" / ".markers").iterdir()} == {
            f"{SITE}.json",
            f"{OTHER}.json",
        }
        assert {site_id: data_tools.content_of(world.live(site_id)) for site_id in sites} == before
        world.host.remove(SITE, key="d")
        assert world.host.remains(OTHER) == [f"sites/{OTHER}", f"sites/.markers/{OTHER}.json"]
        number += 1
    assert number > 5


def prepared(world, act, tools):
    """Make the site before the act; its content before and after it."""
    if act == "provision":
        reference = tools.World(world.folder / "reference")
        reference.site()
        return {}, tools.content_of(reference.live())
    world.site()
    then = tools.content_of(world.live())
    if act == "restore":
        world.save()
        (world.live() / "attachments" / "later").write_text("x")
    now = tools.content_of(world.live())
    return now, {"remove": {}, "restore": then, "snapshot": now}[act]


def do(world, act):
    if act == "provision":
        world.site()
    elif act == "restore":
        world.restore()
    elif act == "remove":
        world.host.remove(SITE, key="d")
    else:
        with world.host.snapshot(SITE) as snapshot:
            assert "helpdesk.db" in {entry.path for entry in snapshot}


def test_a_disk_that_can_not_tell_is_never_taken_for_an_empty_one(stores, monkeypatch):
    stores.site()
    stores.save()
    look = Path.lstat

    def lstat(path):
        if SITE in path.name:
            raise OSError(EIO, "Input/output error", str(path))
        return look(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    acts = [
        lambda: stores.host.remains(SITE),
        lambda: stores.host.remove(SITE, key="d"),
        lambda: stores.host.take_offline(SITE, key="o"),
        lambda: stores.vault.remains(SITE),
        lambda: stores.vault.remove_all(SITE),
        lambda: stores.downloads.remains(SITE),
    ]
    for act in acts:
        with pytest.raises(Temporary, match="Input/output error"):
            act()
    monkeypatch.undo()
    assert stores.host.remains(SITE)
    assert stores.vault.remains(SITE)


class TestTheMarker:
    def test_a_folder_without_one_is_never_deleted(self, stores):
        stores.site()
        (stores.live() / ".tenure.json").unlink()
        (stores.folder / "sites" / ".markers" / f"{SITE}.json").unlink()
        with pytest.raises(Permanent, match="left alone"):
            stores.host.remove(SITE, key="d")
        assert (stores.live() / "helpdesk.db").exists()

    def test_a_folder_with_another_sites_is_never_deleted_nor_built_over(self, stores):
        stores.site(OTHER)
        stores.live(OTHER).rename(stores.live())
        for act in (lambda: stores.host.remove(SITE, key="d"), stores.site, stores.save):
            with pytest.raises(Permanent, match="belongs to"):
                act()
        assert (stores.live() / "helpdesk.db").exists()

    def test_a_leftover_with_another_sites_is_not_deleted(self, stores):
        stores.site(OTHER)
        stores.live(OTHER).rename(stores.folder / "sites" / f".{SITE}.gone")
        with pytest.raises(Permanent, match="belongs to"):
            stores.host.remove(SITE, key="d")

    def test_a_link_in_place_of_a_site_is_not_followed(self, stores, tmp_path):
        stores.site()
        stores.live().rename(tmp_path / "elsewhere")
        stores.live().symlink_to(tmp_path / "elsewhere")
        with pytest.raises(Permanent, match="is a link"):
            stores.host.remove(SITE, key="d")
        assert (tmp_path / "elsewhere" / "helpdesk.db").exists()

    def test_content_that_was_there_before_the_site_is_not_built_over(self, stores):
        stores.live().mkdir(parents=True)
        (stores.live() / "precious").write_text("x")
        with pytest.raises(Permanent, match="left alone"):
            stores.site()
        assert (stores.live() / "precious").read_text() == "x"

    def test_an_archive_can_not_bring_its_own(self, stores):
        stores.site()
        folder = stores.host.beside(SITE)
        (folder / ".tenure.json").mkdir(parents=True)
        stores.host.replace(SITE, folder, key="r")
        assert marker_of(stores)["site"] == SITE


class TestALiveSite:
    def test_a_second_look_at_the_same_time_waits_for_the_next_try(self, stores):
        stores.site()
        with (
            stores.host.snapshot(SITE),
            pytest.raises(Temporary, match="in use"),
            stores.host.snapshot(SITE),
        ):
            pass
        assert stores.host.remains(SITE) == WHOLE

    def test_a_look_that_fails_leaves_nothing(self, stores):
        stores.site()
        with pytest.raises(RuntimeError), stores.host.snapshot(SITE):
            raise RuntimeError
        assert stores.host.remains(SITE) == WHOLE

    def test_a_database_is_copied_with_what_only_its_log_knows_and_the_log_is_not_copied(self, stores, tmp_path):
        stores.site()
        with closing(sqlite.connect(stores.live() / "helpdesk.db")) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            with writer:
                writer.execute("INSERT INTO agents (email) VALUES ('second@acme.example')")
            assert (stores.live() / "helpdesk.db-wal").stat().st_size
            with stores.host.snapshot(SITE) as snapshot:
                content = {entry.path: entry.content and entry.content.read(1 << 20) for entry in snapshot}
        (tmp_path / "copy.db").write_bytes(content["helpdesk.db"])
        with closing(sqlite.connect(tmp_path / "copy.db")) as copy:
            assert copy.execute("SELECT count(*) FROM agents").fetchone() == (2,)
        assert set(content) == {"attachments", "helpdesk.db"}

    def test_a_file_named_like_a_log_of_no_database_is_content(self, stores):
        stores.site()
        (stores.live() / "notes-wal").write_text("x")
        with stores.host.snapshot(SITE) as snapshot:
            assert "notes-wal" in {entry.path for entry in snapshot}

    def test_a_damaged_database_that_the_customer_put_there_is_a_file(self, stores):
        stores.site()
        (stores.live() / "attachments" / "old.db").write_bytes(b"SQLite format 3\0" + bytes(4096))
        with stores.host.snapshot(SITE) as snapshot:
            assert {entry.path: entry.kind for entry in snapshot}["attachments/old.db"] == "file"

    def test_a_live_database_that_only_its_own_program_can_check_is_kept_with_what_its_log_has(self, stores, tmp_path):
        stores.site()
        path = stores.live() / "attachments" / "app.db"
        with closing(sqlite.connect(path)) as app:
            app.create_collation("theirs", lambda one, other: (one > other) - (one < other))
            app.execute("PRAGMA journal_mode=WAL")
            app.execute("CREATE TABLE words (word TEXT COLLATE theirs UNIQUE)")
            with app:
                app.execute("INSERT INTO words VALUES ('last')")
            with stores.host.snapshot(SITE) as snapshot:
                ((kind, content),) = [
                    (entry.kind, entry.content.read(1 << 20))
                    for entry in snapshot
                    if entry.path == "attachments/app.db"
                ]
        (tmp_path / "copy.db").write_bytes(content)
        with closing(sqlite.connect(tmp_path / "copy.db")) as copy:
            assert copy.execute("SELECT word FROM words NOT INDEXED").fetchall() == [("last",)]
        assert kind == "file"

    def test_a_site_without_its_database_is_not_backed_up_as_if_it_were_whole(self, stores):
        stores.site()
        (stores.live() / "helpdesk.db").unlink()
        with pytest.raises(Permanent, match="lost its database"):
            stores.save()


def test_a_url_of_no_known_kind_names_the_setting_the_value_and_the_remedy(tmp_path):
    for url in ("ftp://user:secret@x/y", "file:relative", "file://other/x"):
        with pytest.raises(ValueError, match=r"TENURE_HOST_URL=.*use file:") as wrong:
            open_host(url, tmp_path)
        assert "secret" not in str(wrong.value)


def test_sites_may_stand_elsewhere(tmp_path, data_tools):
    host = open_host((tmp_path / "else where").as_uri(), tmp_path / "data")
    host.provision(SITE, hostname="a.example.com", email="o@a.example", agents=5, key="p")
    host.writable()
    assert (tmp_path / "else where" / "sites" / SITE / "helpdesk.db").exists()


def test_a_store_that_can_not_be_written_says_what_to_do(tmp_path):
    (tmp_path / "sites").write_text("a file in the way")
    with pytest.raises(Temporary, match=r"sites.*something stands where a folder must be"):
        open_host("file:", tmp_path).writable()
