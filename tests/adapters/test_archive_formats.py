"""Backups of other versions, and what a restore brings back beside the bytes."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.adapters.test_archive import BACKUP, SITE, forge, record_of
from workers.base.errors import Permanent
from workers.storage.archive_format import title
from workers.storage.archive_reader import open_archive

OLD = Path(__file__).with_name("backup_of_0_1.tar.zst")


def entries(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_backup_that_version_0_1_made_is_verified_and_restored(stores):
    stores.site()
    place = stores.folder / "backups" / SITE / f"{BACKUP}.tar.zst"
    place.parent.mkdir(parents=True)
    shutil.copy(OLD, place)
    stored = stores.vault.verify(SITE, BACKUP)
    assert (stored.files, stored.lacks.partial) == (3, False)
    assert stores.restore() == ["attachments/outside", "pipe: a special file"]
    live = stores.live()
    assert (live / "attachments" / "café.txt").read_text() == "hello from 0.1"
    assert (live / "attachments" / "café.txt").stat().st_mtime == 1_000_000_000
    assert (live / "attachments" / "inside").readlink() == Path("café.txt")
    assert (live / "attachments" / os.fsdecode(b"\xff")).exists()
    assert stat.S_IMODE((live / "closed").stat().st_mode) == 0o500
    assert stores.host.used_agents(SITE) == 1


def test_a_backup_of_a_newer_format_says_that_tenure_must_be_upgraded(tmp_path, monkeypatch):
    monkeypatch.setattr("workers.storage.archive_format.FORMAT", 3)
    content = forge([record_of("a")], b"")
    monkeypatch.undo()
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(Permanent, match="newer Tenure: its format is 3, and this one reads up to 2; upgrade"):
        open_archive(tmp_path / "archive", SITE, BACKUP)


def test_a_title_has_a_bounded_length(monkeypatch):
    assert len(title(SITE, BACKUP, "/" + "x" * 4000)) < 1 << 16


@pytest.mark.parametrize(
    "moment", [-86_400_000_000_001, -1, 0, 1, 1_700_000_000_123_456_789, 20_000_000_000_000_000_001]
)
def test_moments_come_back_to_the_nanosecond_before_1970_too(stores, moment):
    stores.site()
    for name in ("file", "folder", "link"):
        path = stores.live() / name
        (path.mkdir if name == "folder" else path.touch)() if name != "link" else path.symlink_to("file")
        os.utime(path, ns=(moment, moment), follow_symlinks=False)
    before = {name: (stores.live() / name).lstat().st_mtime_ns for name in ("file", "folder", "link")}
    stores.save()
    stores.vault.verify(SITE, BACKUP)
    stores.restore()
    assert {name: (stores.live() / name).lstat().st_mtime_ns for name in before} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owner_and_group_come_back(stores):
    stores.site()
    live = stores.live()
    (live / "attachments" / "file").touch()
    (live / "attachments" / "link").symlink_to("file")
    owners = {"attachments": (1234, 2345), "attachments/file": (70_000, 3_000_000_000), "attachments/link": (7, 8)}
    for path, (uid, gid) in owners.items():
        os.chown(live / path, uid, gid, follow_symlinks=False)
    stores.save()
    stores.vault.verify(SITE, BACKUP)
    stores.restore()
    found = {path: (live / path).lstat() for path in owners}
    assert {path: (status.st_uid, status.st_gid) for path, status in found.items()} == owners


def test_extended_attributes_come_back_on_files_and_folders(stores):
    stores.site()
    live = stores.live()
    file = live / "attachments" / "file"
    file.touch()
    given = {"user.tag": b"\x00\xff binary", "user.é": b""}
    try:
        for path in (file, file.parent, live / "helpdesk.db"):
            for name, value in given.items():
                os.setxattr(path, name, value)
    except OSError:
        pytest.skip("this disk takes no extended attributes")
    stores.save()
    stores.vault.verify(SITE, BACKUP)
    stores.restore()
    for path in (file, file.parent, live / "helpdesk.db"):
        assert {name: os.getxattr(path, name) for name in os.listxattr(path) if name.startswith("user.")} == given


def test_set_group_id_and_sticky_of_folders_come_back_and_never_those_of_programs(stores):
    stores.site()
    (stores.live() / "shared").mkdir()
    (stores.live() / "shared").chmod(0o3770)
    (stores.live() / "program").touch()
    (stores.live() / "program").chmod(0o6755)
    stored = stores.save()
    assert stored.lacks.remake.names == ("program: its set-user-id bit", "program: its set-group-id bit")
    stores.restore()
    modes = {name: stat.S_IMODE((stores.live() / name).stat().st_mode) for name in ("shared", "program")}
    assert modes == {"shared": 0o3770, "program": 0o755}


class TestAbsoluteLinks:
    def test_into_the_site_come_back_where_the_site_is_now(self, stores, tmp_path):
        stores.site()
        live = stores.live()
        (live / "attachments" / "file").write_text("x")
        (live / "a" / "b").mkdir(parents=True)
        (live / "a" / "b" / "link").symlink_to(live.absolute() / "attachments" / "file")
        (live / "gone").symlink_to(live.absolute() / "not" / "there")
        before = (live / "a" / "b" / "link").readlink()
        stores.save()
        assert stores.restore() == []
        assert (live / "a" / "b" / "link").readlink() == before
        assert (live / "a" / "b" / "link").read_text() == "x"
        elsewhere = tmp_path / "elsewhere"
        assert stores.vault.extract(SITE, BACKUP, elsewhere, str(elsewhere)) == []
        assert (elsewhere / "a" / "b" / "link").readlink() == elsewhere / "attachments" / "file"

    @pytest.mark.parametrize(
        "target", ["{live}/../site_0192b/x", "{live}", "{live}x/y", "/etc/passwd", "/", "{live}/escape/x"]
    )
    def test_that_lead_out_in_any_way_are_left_out(self, stores, target):
        stores.site()
        live = stores.live().absolute()
        (live / "escape").symlink_to("..")
        (live / "link").symlink_to(target.format(live=live))
        stores.save()
        left_out = stores.restore()
        assert "escape" in left_out
        assert ("link" in left_out) == (target != "{live}")

    def test_round_in_circles_end(self, stores):
        stores.site()
        live = stores.live().absolute()
        (live / "one").symlink_to(live / "two")
        (live / "two").symlink_to("one")
        stores.save()
        assert stores.restore() == []
