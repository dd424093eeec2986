import os
import threading
from contextlib import closing

import pysqlite3.dbapi2 as sqlite
import pytest

from workers.adapters.backup_store import open_backup_store
from workers.base.errors import Permanent, Temporary
from workers.storage import atomic_files
from workers.storage.site_content import Removed

SITE, OTHER = "site_0192a", "site_0192b"


def archives(world, site_id=SITE):
    return world.folder / "backups" / site_id


class TestEveryVault:
    def test_what_was_saved_is_what_is_read_back(self, vaulted):
        vaulted.site()
        assert vaulted.save() == vaulted.vault.verify(SITE, "bkp_1")

    def test_saving_twice_keeps_the_first_whole_one(self, vaulted):
        vaulted.site()
        first = vaulted.save()
        (vaulted.live() / "later").write_text("x")
        assert vaulted.save() == first
        assert vaulted.vault.verify(SITE, "bkp_1") == first

    def test_removing_one_leaves_the_other_and_twice_is_once(self, vaulted):
        vaulted.site()
        vaulted.save()
        second = vaulted.save(backup_id="bkp_2")
        assert vaulted.vault.remove(SITE, "bkp_1").files == 1
        assert vaulted.vault.remove(SITE, "bkp_1") == Removed(0, 0)
        assert vaulted.vault.verify(SITE, "bkp_2") == second
        with pytest.raises(Permanent, match="not there"):
            vaulted.vault.verify(SITE, "bkp_1")

    def test_removing_all_of_one_site_leaves_the_other_and_the_probe_finds_nothing(self, vaulted):
        for site_id in (SITE, OTHER):
            vaulted.site(site_id)
            vaulted.save(site_id)
        assert vaulted.vault.remains(SITE)
        assert vaulted.vault.remove_all(SITE).files == 1
        assert vaulted.vault.remove_all(SITE) == Removed(0, 0)
        assert vaulted.vault.remains(SITE) == []
        assert vaulted.vault.verify(OTHER, "bkp_1").files == 1

    def test_the_content_of_one_site_is_not_saved_as_another_ones(self, vaulted):
        vaulted.site()
        with vaulted.host.snapshot(SITE) as snapshot, pytest.raises(Permanent, match="nothing was saved"):
            vaulted.vault.save(OTHER, "bkp_1", snapshot)

    @pytest.mark.parametrize("bad", ["", "..", "../bkp_1", "a/b", ".hidden", "A", "x\n"])
    def test_an_id_that_is_none_touches_nothing(self, vaulted, bad):
        for call in (vaulted.vault.verify, vaulted.vault.remove):
            with pytest.raises(Permanent, match="nothing was touched"):
                call(SITE, bad)
        with pytest.raises(Permanent, match="nothing was touched"):
            vaulted.vault.remove_all(bad)

    def test_a_folder_that_is_not_empty_is_not_unpacked_into(self, vaulted, tmp_path):
        vaulted.site()
        vaulted.save()
        (tmp_path / "into").mkdir()
        (tmp_path / "into" / "x").write_text("x")
        with pytest.raises(Permanent, match="not empty"):
            vaulted.vault.extract(SITE, "bkp_1", tmp_path / "into")


def test_killed_at_each_step_a_backup_is_whole_or_not_there_and_the_next_try_finishes(tmp_path, data_tools):
    number, lived = 0, False
    while not lived:
        world = data_tools.World(tmp_path / str(number))
        world.site()
        lived = data_tools.kill_at_step(number, lambda world=world: (world.save(), world.vault.verify(SITE, "bkp_1")))
        if (archives(world) / "bkp_1.tar.zst").exists():
            world.vault.verify(SITE, "bkp_1")
        stored = world.save()
        assert world.vault.verify(SITE, "bkp_1") == stored
        assert world.vault.remains(SITE) == [f"backups/{SITE}/bkp_1.tar.zst"]
        assert world.host.remains(SITE) == [f"sites/{SITE}", f"sites/.markers/{SITE}.json"]
        number += 1
    assert number > 10


def test_what_a_killed_upload_left_is_found_and_removed(stores):
    stores.site()
    stores.save()
    (archives(stores) / ".bkp_2.0a0a0a0a.part").write_text("late")
    stores.vault.remove(SITE, "bkp_1")
    assert stores.vault.remains(SITE) == [f"backups/{SITE}/.bkp_2.0a0a0a0a.part"]
    assert stores.vault.remove_all(SITE) == Removed(1, 4)
    assert stores.vault.remains(SITE) == []


def test_an_archive_of_another_site_stops_the_removal_of_all_and_is_not_read_as_ours(stores):
    for site_id in (SITE, OTHER):
        stores.site(site_id)
        stores.save(site_id)
    strayed = archives(stores) / "bkp_2.tar.zst"
    (archives(stores, OTHER) / "bkp_1.tar.zst").rename(strayed)
    for act in (lambda: stores.vault.remove_all(SITE), lambda: stores.vault.remove(SITE, "bkp_2")):
        with pytest.raises(Permanent, match=f"is of '{OTHER}'"):
            act()
    with pytest.raises(Permanent, match="another site"):
        stores.vault.verify(SITE, "bkp_2")
    assert strayed.exists()
    assert (archives(stores) / "bkp_1.tar.zst").exists()


def test_a_backup_under_another_ones_name_is_refused(stores):
    stores.site()
    stores.save()
    (archives(stores) / "bkp_1.tar.zst").rename(archives(stores) / "bkp_2.tar.zst")
    with pytest.raises(Permanent, match="another backup"):
        stores.vault.verify(SITE, "bkp_2")


def test_a_damaged_backup_is_written_again_and_can_be_removed(stores):
    stores.site()
    stores.save()
    place = archives(stores) / "bkp_1.tar.zst"
    place.write_bytes(place.read_bytes()[:-9])
    with pytest.raises(Permanent, match=f"backup bkp_1 of {SITE}"):
        stores.vault.verify(SITE, "bkp_1")
    stored = stores.save()
    assert stores.vault.verify(SITE, "bkp_1") == stored
    place.write_bytes(b"nothing")
    assert stores.vault.remove_all(SITE) == Removed(1, 7)


def test_a_help_desk_whose_pages_are_damaged_does_not_pass_as_a_backup(stores):
    stores.site()
    database = stores.live() / "helpdesk.db"
    with closing(sqlite.connect(database)) as writer, writer:
        writer.execute("CREATE INDEX subjects ON tickets (subject)")
        writer.executemany("INSERT INTO tickets VALUES (?, 'r', ?, 1)", ((n, f"subject {n}") for n in range(500)))
    damaged = bytearray(database.read_bytes())
    position = damaged.rindex(b"subject 77")
    damaged[position : position + 7] = b"SUBJECT"
    database.write_bytes(damaged)
    stores.save()
    with pytest.raises(Permanent, match=r"helpdesk\.db is damaged"):
        stores.vault.verify(SITE, "bkp_1")
    with pytest.raises(Permanent, match=r"helpdesk\.db' is damaged"):
        stores.build()
    assert stores.downloads.remains(SITE) == []


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_database_that_is_being_written_is_saved_as_it_was_at_one_moment(stores, mode):
    stores.site()
    path, stop, began = stores.live() / "helpdesk.db", threading.Event(), threading.Event()
    writer = threading.Thread(target=write_pairs, args=(path, mode, stop, began))
    writer.start()
    try:
        assert began.wait(20)
        for number in range(8):
            stores.save(backup_id=f"bkp_{number}")
    finally:
        stop.set()
        writer.join()
    for number in range(8):
        stores.vault.verify(SITE, f"bkp_{number}")
        into = stores.folder / f"out{number}"
        stores.vault.extract(SITE, f"bkp_{number}", into)
        with closing(sqlite.connect(into / "helpdesk.db")) as database:
            tickets, replies = (
                database.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("tickets", "replies")
            )
        assert tickets == replies
        assert tickets != (0,)


def write_pairs(path, mode, stop, began):
    with closing(sqlite.connect(path, timeout=30, isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode = {mode}")
        number = 0
        while not stop.is_set():
            number += 1
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO tickets VALUES (?, 'r', 's', 1)", (number,))
            database.execute("INSERT INTO replies VALUES (?, ?, 'a', 'b')", (number, number))
            database.execute("COMMIT")
            began.set()


def test_a_full_disk_is_temporary_names_the_path_and_leaves_nothing(stores, monkeypatch):
    stores.site()
    stores.save()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files.os, "fsync", full)
    with pytest.raises(Temporary, match=rf"{SITE}.*No space left on device; free space"):
        stores.save(backup_id="bkp_2")
    monkeypatch.undo()
    assert stores.vault.remains(SITE) == [f"backups/{SITE}/bkp_1.tar.zst"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_says_who_must(stores):
    (stores.folder / "backups").mkdir(parents=True, mode=0o500)
    with pytest.raises(Temporary, match="let the user that runs Tenure"):
        stores.vault.writable()


def test_a_url_of_no_known_kind_names_the_setting_the_value_and_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"TENURE_BACKUPS_URL='s3://bucket/x'.*use file:"):
        open_backup_store("s3://bucket/x", tmp_path)
