"""Whatever a customer puts into a site, and whatever is changed while it goes: the site goes, and nothing else does."""

import contextlib
import fcntl
import os
import struct
import tempfile
import threading
import tracemalloc
from itertools import count
from pathlib import Path

import pytest

from tests.hostile.trees import deep, flat, specials
from workers.base.errors import Temporary
from workers.storage import removal
from workers.storage.atomic_files import explained, remove
from workers.storage.item_store import ItemStore
from workers.storage.site_content import Removed

NOBODY = 65534
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, IMMUTABLE = 0x80086601, 0x40086602, 0x10

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user, or a file that nobody may change")


@pytest.fixture
def site(tmp_path):
    """A customer's folder, beside another one's."""
    folder = tmp_path / "sites" / "site_1"
    (folder / "attachments").mkdir(parents=True)
    (folder / "attachments" / "one").write_text("1")
    return folder


@pytest.fixture
def neighbour(tmp_path):
    folder = tmp_path / "sites" / "site_2"
    for number in range(5):
        (folder / "attachments" / f"{number}").mkdir(parents=True)
        (folder / "attachments" / f"{number}" / "precious").write_text("theirs")
    return folder


def content_of(folder):
    return sorted(str(path) for path in folder.rglob("*"))


@contextlib.contextmanager
def immutable(path):
    """Nobody may change it, root neither."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, struct.pack("l", 0)))
        try:
            fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", flags | IMMUTABLE))
        except OSError as wrong:
            pytest.skip(f"this disk has no such files: {wrong}")
        try:
            yield
        finally:
            fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", flags))
    finally:
        os.close(descriptor)


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def as_nobody(act):
    """Do something as a user who may not do everything."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            act()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class TestShapes:
    @pytest.mark.parametrize("levels", [1, removal.DEEPEST, removal.DEEPEST + 1, 3 * removal.DEEPEST, 1_200])
    def test_a_chain_of_folders_far_beyond_path_max_goes(self, site, levels):
        deep(site, levels, name="d" * 5)
        assert remove(site) == Removed(2, len("1") + len("at the bottom"))
        assert not site.exists()

    def test_many_deep_chains_beside_each_other_go_with_all_that_is_in_them(self, site):
        for number in range(10):
            (site / str(number)).mkdir()
            deep(site / str(number), 2 * removal.DEEPEST)
        assert remove(site).files == 11
        assert not site.exists()

    @pytest.mark.parametrize("entries", [10_000, pytest.param(1_000_000, marks=pytest.mark.long)])
    def test_any_number_of_entries_goes_in_memory_that_does_not_grow(self, site, entries):
        flat(site / "flat", entries)
        tracemalloc.start()
        taken = remove(site)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (taken.files, site.exists()) == (entries + 1, False)
        assert peak < 1 << 20

    def test_few_descriptors_are_open_however_deep_it_is(self, site, monkeypatch):
        deep(site, 500)
        most, look = [], removal.look

        def counted(name, at):
            most.append(descriptors())
            return look(name, at)

        before = descriptors()
        monkeypatch.setattr(removal, "look", counted)
        remove(site)
        assert max(most) - before <= 2 * removal.DEEPEST + 8
        assert descriptors() == before

    def test_pipes_sockets_devices_links_and_strange_names_go_and_nothing_is_waited_for(self, site, neighbour):
        specials(site)
        (site / "out").symlink_to(neighbour)
        (site / "nowhere").symlink_to("/no/such/place")
        (site / "with\nline and \udcff").write_text("x")
        before = content_of(neighbour)
        remove(site)
        assert not site.exists()
        assert content_of(neighbour) == before

    @AS_ROOT
    @pytest.mark.parametrize("levels", [1, removal.DEEPEST + 2])
    def test_folders_that_take_all_rights_from_us_are_opened_again_as_they_are_ours(self, site, levels):
        deep(site, levels)
        inner = [path for path in site.rglob("*") if path.is_dir()]
        for path in (*site.rglob("*"), site, site.parent):
            os.lchown(path, NOBODY, NOBODY)
        for path in (*reversed(inner), site):
            path.chmod(0)
        site.parent.parent.chmod(0o755)
        for above in site.parent.parents:
            if Path(tempfile.gettempdir()) in above.parents:
                above.chmod(above.stat().st_mode | 0o011)
        assert as_nobody(lambda: remove(site)) == 0
        assert not site.exists()

    @AS_ROOT
    @pytest.mark.parametrize("which", ["attachments/one", "attachments"])
    def test_what_nobody_may_change_is_named_and_goes_as_soon_as_it_may(self, site, which):
        said = pytest.raises(Temporary, match=r"site_1/attachments/one: .*; let the user .* chattr -i")
        with immutable(site / which), said, explained(site):
            remove(site)
        assert remove(site).files == 1
        assert not site.exists()

    def test_a_file_and_a_link_are_taken_as_they_are(self, tmp_path, neighbour):
        (tmp_path / "file").write_text("123")
        (tmp_path / "link").symlink_to(neighbour)
        assert remove(tmp_path / "file") == Removed(1, 3)
        assert remove(tmp_path / "link").files == 1
        assert neighbour.is_dir()

    def test_nothing_there_is_nothing_taken(self, tmp_path):
        assert remove(tmp_path / "none") == Removed()
        assert remove(tmp_path / "no folder" / "none") == Removed()


class TestChanges:
    """The customer is quicker than we are: at each single step something else stands where we looked."""

    def swapped_at(self, number, site, neighbour, monkeypatch):
        """At the so-many-th look a folder that was seen becomes a link to the neighbour's; whether it came to it."""
        looks, look, done = count(), removal.look, []

        def quick(name, at):
            status = look(name, at)
            if next(looks) == number:
                with contextlib.suppress(OSError):
                    os.rename(name, f"{name}.aside", src_dir_fd=at, dst_dir_fd=at)
                    os.symlink(neighbour / "attachments", name, dir_fd=at)
                    done.append(name)
            return status

        monkeypatch.setattr(removal, "look", quick)
        remove(site)
        monkeypatch.undo()
        return bool(done)

    def test_a_folder_that_becomes_a_link_to_another_sites_takes_nothing_of_it_along(
        self, tmp_path, neighbour, monkeypatch
    ):
        before, swaps = content_of(neighbour), 0
        for number in range(1, 61):  # the first is at the site itself, which no customer can swap
            site = tmp_path / "sites" / "site_1"
            for path in ("a/b/c", "0", "1/0", "attachments/3"):
                (site / path).mkdir(parents=True)
                (site / path / "precious").write_text("mine")
            deep(site, removal.DEEPEST + 3)
            swaps += self.swapped_at(number, site, neighbour, monkeypatch)
            assert content_of(neighbour) == before, number
            assert not site.exists()
        assert swaps > 30

    def test_a_folder_that_becomes_a_file_or_gets_full_again_goes_too(self, site, monkeypatch):
        look, turns = removal.look, iter(["file", "full"])

        def quick(name, at):
            status = look(name, at)
            if name == "attachments" and (turn := next(turns, None)):
                with contextlib.suppress(OSError):
                    (site / "attachments").rename(site / turn)
                (site / "attachments").write_text("x") if turn == "file" else (site / "more").mkdir()
            return status

        monkeypatch.setattr(removal, "look", quick)
        remove(site)
        assert not site.exists()

    def test_a_writer_that_never_stops_does_not_keep_us_for_ever_and_goes_on_next_time(self, site, monkeypatch):
        over, here = threading.Event(), os.open(site, os.O_RDONLY)

        def write():
            for number in count():
                if over.is_set():
                    return
                with contextlib.suppress(OSError):
                    os.close(os.open(f"{number}", os.O_CREAT | os.O_WRONLY, dir_fd=here))

        writer = threading.Thread(target=write)
        monkeypatch.setattr(removal, "MOST_SECONDS", 0.3)
        monkeypatch.setattr(removal, "OFTEN", 10)
        monkeypatch.setattr(removal._Removal, "_is_gone", lambda _self, _parent, _name: _self._look_at_the_clock())
        writer.start()
        try:
            with pytest.raises(Temporary, match=r"does not get empty within .* stop what still writes"):
                remove(site)
        finally:
            over.set()
            writer.join()
            os.close(here)
        monkeypatch.undo()
        remove(site)
        assert not site.exists()


class TestStores:
    def test_what_a_killed_try_left_beside_an_item_goes_however_deep_it_is(self, tmp_path):
        room = ItemStore(tmp_path / "backups", ".tar", lambda _path: None)
        with room.adding("site_1", "bkp_1") as file:
            file.write(b"x")
        left = tmp_path / "backups" / "site_1" / ".bkp_1.0123abcd.scratch"
        left.mkdir()
        deep(left, 600, name="d" * 8)
        assert room.remove("site_1", "bkp_1").files == 2
        assert room.remains("site_1") == []

    def test_a_folder_of_leftovers_that_can_not_be_read_is_not_taken_for_empty(self, tmp_path, monkeypatch):
        room = ItemStore(tmp_path / "backups", ".tar", lambda _path: None)
        (tmp_path / "backups" / "site_1").mkdir(parents=True)

        def fails(_path):
            raise PermissionError(13, "Permission denied", "backups")

        monkeypatch.setattr(Path, "iterdir", fails)
        with pytest.raises(Temporary, match="Permission denied"):
            room.remove("site_1", "bkp_1")
