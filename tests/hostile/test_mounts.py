"""What is mounted in a site is an operator's: it is found before anything is removed, named, and waited for."""

import contextlib
import subprocess
from contextlib import contextmanager
from datetime import timedelta

import pytest

from models import effect
from models.clock import machine_now
from models.database import reading
from tests.hostile.trees import can_mount
from tests.world import HOST
from workers.base import fault_points
from workers.base.errors import Mounted
from workers.cli import deletion_reports, reports
from workers.storage import removal
from workers.storage.atomic_files import explained, remove


@pytest.fixture(autouse=True)
def _where_we_may_mount(tmp_path):
    folder = tmp_path / "may we"
    folder.mkdir()
    if not can_mount(folder):
        pytest.skip("needs root on Linux: it mounts")


@pytest.fixture
def precious(tmp_path):
    """An operator's folder on the same disk."""
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "one").write_text("keep me")
    return folder


@pytest.fixture
def mounts():
    """Mounts things; whatever is still mounted at the end is unmounted, however the test ends."""
    made = []

    def mount(*words):
        subprocess.run(["mount", *words], check=True, capture_output=True)
        made.append(words[-1])

    yield mount
    for target in reversed(made):
        subprocess.run(["umount", "--lazy", target], check=False, capture_output=True)


def unmount(target):
    subprocess.run(["umount", target], check=True)


def content_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def site_in(folder):
    site = folder / "sites" / "site_1"
    (site / "attachments").mkdir(parents=True)
    (site / "attachments" / "one").write_text("1")
    return site


@pytest.mark.parametrize("name", ["plain", "with space", "tab\tand\nline", "back\\slash", "a\\040b", "é\udcff"])
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_a_mount_in_a_site_is_found_before_the_first_removal_and_the_next_try_finishes(
    tmp_path, precious, mounts, name, kind
):
    site = site_in(tmp_path)
    target = site / "attachments" / name / "x"
    target.mkdir(parents=True)
    mounts(*(["--bind", precious] if kind == "bind" else ["-t", "tmpfs", "none"]), target)
    (target / "new").write_text("x")
    before = content_of(tmp_path)
    with pytest.raises(Mounted) as said, explained(site):
        remove(site)
    assert str(said.value).startswith(f"{ascii(str(target))[1:-1]} is mounted there")
    assert "umount" in str(said.value)
    assert content_of(tmp_path) == before
    unmount(target)
    remove(site)
    assert not site.exists()
    assert (precious / "one").read_text() == "keep me"


def test_a_file_that_is_mounted_over_a_file_is_found_too(tmp_path, precious, mounts):
    site = site_in(tmp_path)
    mounts("--bind", precious / "one", site / "attachments" / "one")
    with pytest.raises(Mounted, match=r"attachments/one is mounted there"):
        remove(site)
    assert (site / "attachments" / "one").read_text() == "keep me"


def test_a_site_that_is_a_mount_itself_is_named(tmp_path, precious, mounts):
    site = site_in(tmp_path)
    mounts("--bind", precious, site)
    with pytest.raises(Mounted, match=r"site_1 is mounted there"):
        remove(site)
    assert (precious / "one").exists()


@pytest.mark.parametrize("how", ["openat2", "older system"])
@pytest.mark.parametrize("kind", ["a folder", "a file", "what was closed to us"])
def test_a_mount_that_comes_while_the_removal_runs_is_not_entered(tmp_path, precious, mounts, monkeypatch, how, kind):
    """At the last moment: after the folder above was opened, before what is mounted is."""
    if how != "openat2":
        monkeypatch.setattr("workers.storage.site_tree.has_openat2", lambda: False)
    site = site_in(tmp_path)
    target = site / "attachments" / ("one" if kind == "a file" else "later")
    if kind != "a file":
        target.mkdir()
    if kind == "what was closed to us":
        precious.chmod(0)
    look, turns = removal.look, iter([True])

    def quick(name, at):
        status = look(name, at)
        if name == target.name and next(turns, None):
            mounts("--bind", precious / "one" if kind == "a file" else precious, target)
        return status

    monkeypatch.setattr(removal, "look", quick)
    with pytest.raises(Mounted, match=rf"attachments/{target.name} is mounted there"):
        remove(site)
    assert (precious.stat().st_mode & 0o777 == 0) == (kind == "what was closed to us")
    assert (precious / "one").read_text() == "keep me"
    unmount(target)
    remove(site)
    assert not site.exists()


def test_a_deletion_waits_for_a_mount_says_which_and_is_done_when_it_is_gone(world, precious, mounts):
    world.start_trial()
    world.send("export")
    world.send("cancel")
    target = world.site_folder() / "attachments" / "the operator's disk"
    target.mkdir()
    mounts("--bind", precious, target)
    before = content_of(world.site_folder())
    world.advance(days=15)
    assert world.state() == "deleting"
    assert content_of(world.site_folder()) == before
    (row,) = open_deletions(world)
    for said in (row.error, world.show()["attention"], deletion_verdict(world), listed(world)):
        assert f"the deletion waits: {target} is mounted there" in said
        assert "unmount it (umount), then it goes on" in said
    assert row.retry_at - machine_now() < timedelta(seconds=21), "an operator who has unmounted it need not wait long"
    for _ in range(15):  # it never gives up
        world.retry_now()
    assert [row.status for row in open_deletions(world)] == ["pending"]

    unmount(target)
    world.retry_now()
    assert world.state() == "deleted"
    assert (precious / "one").read_text() == "keep me"


@pytest.mark.parametrize("kind", ["a folder", "a file"])
def test_a_mount_that_was_there_all_the_time_is_named_in_every_copy_and_waited_for_at_the_end(
    world, precious, mounts, kind
):
    """What is mounted is no part of the site: its copies lack nothing, so only the removal waits for the operator."""
    world.start_trial()
    target = world.site_folder() / "attachments" / "disk"
    target.mkdir() if kind == "a folder" else target.touch()
    mounts("--bind", precious if kind == "a folder" else precious / "one", target)
    world.advance(days=1)
    (named,) = world.show()["restore_points"]["previous_day"]["not_restorable"]
    assert named.startswith("attachments/disk: is a mount point")
    assert not world.show()["restore_points"]["previous_day"]["partial"]
    assert "attachments/disk" in world.show()["attention"]
    world.send("cancel")
    world.advance(days=15)
    assert world.state() == "deleting"
    assert f"{target} is mounted there" in world.show()["attention"]
    unmount(target)
    world.retry_now()
    assert world.state() == "deleted"
    assert (precious / "one").read_text() == "keep me"


def deletion_verdict(world):
    (verdict,) = [one for one in reports.why(world.context, HOST)["verdicts"] if one["type"] == "deletion"]
    return verdict["because"]


def listed(world):
    (row,) = deletion_reports.listing(world.context)["sites"]
    return str(row["waits_for"])


def open_deletions(world):
    with reading(world.context.database) as tx:
        return [row for row in effect.unfinished(tx) if row.kind == "delete"]


def test_a_mount_that_comes_when_the_site_is_set_aside_is_not_emptied_either(world, precious, mounts):
    world.start_trial()
    world.send("export")
    world.send("cancel")
    folder = world.site_folder()
    gone = folder.with_name(f".{folder.name}.gone")
    (folder / "attachments" / "x").mkdir()

    with hooked("delete.set_aside", lambda: mounts("--bind", precious, gone / "attachments" / "x")):
        world.advance(days=15)
    assert world.state() == "deleting"
    assert (precious / "one").read_text() == "keep me"
    unmount(gone / "attachments" / "x")
    world.retry_now()
    assert world.state() == "deleted"
    assert (precious / "one").read_text() == "keep me"


@contextmanager
def hooked(point, act):
    """Do something when a point is reached for the first time."""
    turns = iter([True])

    def hook(reached):
        if reached == point and next(turns, None):
            act()

    fault_points.hooks.append(hook)
    try:
        yield
    finally:
        fault_points.hooks.remove(hook)


@pytest.mark.parametrize("moment", ["before", "while it is prepared", "after the swap"])
def test_a_restore_takes_nothing_of_a_mount_along_whenever_it_comes(world, precious, mounts, moment):
    world.start_trial()
    world.advance(days=1)
    folder = world.site_folder()
    restore = folder.with_name(f".{folder.name}.restore")
    target = {"after the swap": restore}.get(moment, folder) / "attachments" / "disk"
    (folder / "attachments" / "disk").mkdir()
    point = {"while it is prepared": "restore.unpacked", "after the swap": "restore.swapped"}.get(moment)
    if point is None:
        mounts("--bind", precious, target)
    with hooked(point, lambda: mounts("--bind", precious, target)):
        world.send("restore", **{"from": "previous_day"})
    (row,) = [row for row in open_effects(world) if row.kind == "restore"]
    assert f"{target} is mounted there" in row.error
    assert (folder / "attachments" / "disk").exists() == (moment != "after the swap")
    assert (precious / "one").read_text() == "keep me"

    unmount(target)
    world.retry_now()
    assert open_effects(world) == []
    assert not (folder / "attachments" / "disk").exists()
    assert sorted(path.name for path in folder.parent.iterdir() if path.name != ".markers") == [folder.name]
    assert (precious / "one").read_text() == "keep me"


def open_effects(world):
    with reading(world.context.database) as tx:
        return list(effect.unfinished(tx))


def test_a_mount_among_the_backups_stops_their_removal_alone(world, precious, mounts):
    world.start_trial()
    world.advance(days=1)
    site_id = world.show(HOST)["id"]
    target = world.data_dir / "backups" / site_id / "disk"
    target.mkdir()
    mounts("--bind", precious, target)
    with pytest.raises(Mounted, match="disk is mounted there"):
        world.context.vault.remove_all(site_id)
    assert (precious / "one").exists()
    with contextlib.suppress(Mounted):
        world.context.host.remove(site_id, key="d")
    assert world.context.host.remains(site_id) == []
