import os
import stat
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.hostile import trees
from workers.storage import site_tree
from workers.storage.site_tree import (
    MountPointError,
    SwappedError,
    look,
    open_below,
    open_file,
    open_folder,
    open_top,
    opened,
)
from workers.storage.site_walk import MOST_OPEN, MOUNTED, walk
from workers.storage.sorted_names import NameLists


@pytest.fixture(params=["openat2", "older kernel"])
def kernel(request, monkeypatch):
    """Both ways to open: the kernel's own, and the one for kernels that lack it."""
    if request.param == "older kernel":
        monkeypatch.setattr(site_tree, "has_openat2", lambda: False)
    elif not site_tree.has_openat2():
        pytest.skip("this kernel has no openat2")


def walked(folder, tmp_path, in_memory=20_000, **more):
    with opened(open_top(folder)) as top, closing(NameLists(tmp_path, in_memory=in_memory)) as lists:
        return [(found.path, found.fault) for found in walk(top, lists, **more)]


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site").mkdir()
    yield tmp_path / "site"
    trees.remove(tmp_path / "site")


@pytest.mark.usefixtures("kernel")
def test_a_walk_yields_folders_before_their_content_and_names_in_order(site, tmp_path):
    for path in ("b/z", "b/a/x", "a", "b.txt", "é"):
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).touch()
    (site / "link").symlink_to("/etc")
    expected = ["a", "b", "b/a", "b/a/x", "b/z", "b.txt", "link", "é"]
    assert walked(site, tmp_path) == [(path, "") for path in expected]


@pytest.mark.parametrize("in_memory", [1, 2, 7, 100])
def test_names_that_do_not_fit_into_memory_come_in_the_same_order(site, tmp_path, in_memory):
    for number in range(60):
        (site / f"{number:x}").touch()
        (site / f"f{number}").mkdir()
        (site / f"f{number}" / os.fsdecode(b"\xff%d" % number)).touch()
        (site / f"f{number}" / ("é" * 120)).touch()
    assert walked(site, tmp_path, in_memory) == walked(site, tmp_path)
    assert len(walked(site, tmp_path)) == 60 * 4


@pytest.mark.usefixtures("kernel")
def test_a_tree_deeper_than_path_max_is_walked_to_its_bottom_with_few_descriptors(site, tmp_path):
    trees.deep(site, 3000, "abc")
    (site / "z").touch()
    before, most = open_descriptors(), 0
    with opened(open_top(site)) as top, closing(NameLists(tmp_path, in_memory=10)) as lists:
        paths = []
        for found in walk(top, lists):
            paths.append(found.path)
            most = max(most, open_descriptors())
    assert paths[-2:] == ["abc/" * 3000 + "bottom", "z"]
    assert most - before < MOST_OPEN + 8
    assert open_descriptors() == before


def test_a_path_that_is_too_long_is_named_and_not_entered(site, tmp_path):
    trees.deep(site, 30, "abc")
    found = walked(site, tmp_path, longest=50)
    assert found[-1] == ("abc/" * 12 + "abc", "has a path of more than 50 bytes")


@pytest.mark.usefixtures("kernel")
def test_a_mount_point_is_named_and_never_entered(site, tmp_path):
    if not trees.can_mount(tmp_path):
        pytest.skip("mounting is not allowed here")
    neighbour = tmp_path / "neighbour"
    neighbour.mkdir()
    (neighbour / "secret").touch()
    for name in ("a", "b b"):
        (site / name).mkdir()
    (site / "file").touch()
    with trees.mounted(neighbour, site / "b b"), trees.mounted(neighbour / "secret", site / "file"):
        assert site_tree.mount_points(site) == [site / "b b", site / "file"]
        assert walked(site, tmp_path) == [("a", ""), ("b b", MOUNTED), ("file", MOUNTED)]
        with opened(open_top(site)) as top:
            with pytest.raises(MountPointError):
                open_folder("b b", top)
            with pytest.raises(MountPointError):
                open_file("file", top, look("file", top))
    assert site_tree.mount_points(site) == []


@pytest.mark.usefixtures("kernel")
def test_only_the_regular_file_that_was_looked_at_is_opened(site):
    trees.specials(site)
    (site / "file").touch()
    (site / "link").symlink_to("file")
    with opened(open_top(site)) as top:
        for name in ("pipe", "socket", "link"):
            with pytest.raises(SwappedError):
                open_file(name, top, look(name, top))
        seen = look("file", top)
        os.close(open_file("file", top, seen))
        file = site / "file"
        for swap in (partial(os.mkfifo, file), partial(file.symlink_to, "pipe"), file.mkdir, file.touch):
            file.rename(site / f"moved{time.monotonic()}")
            swap()
            with pytest.raises(SwappedError):
                open_file("file", top, seen)


@pytest.mark.usefixtures("kernel")
def test_a_folder_is_opened_by_one_name_and_never_through_a_link(site):
    (site / "a" / "b").mkdir(parents=True)
    (site / "link").symlink_to("a")
    with opened(open_top(site)) as top:
        with opened(open_below(top, ["a", "b"])) as below:
            assert site_tree.is_same(os.fstat(below), (site / "a" / "b").stat())
        with pytest.raises(OSError, match="link"):
            open_below(top, ["link", "b"])
        for name in ("", ".", "..", "a/b", "/"):
            with pytest.raises(ValueError, match="one name"):
                open_folder(name, top)


def test_a_folder_that_is_moved_away_meanwhile_is_named_and_the_walk_goes_on(site, tmp_path):
    trees.deep(site, MOST_OPEN * 2, "d")
    (site / "z").touch()
    with opened(open_top(site)) as top, closing(NameLists(tmp_path)) as lists:
        found = []
        for one in walk(top, lists):
            found.append((one.path, one.fault[:9]))
            if one.name == "bottom":
                (site / "d" / "d" / "d").rename(site / "y")
                (site / "d" / "d").rename(site / "x")
                (site / "d" / "d").mkdir()
    assert ("d/d", "was moved") in found
    assert found[-1] == ("z", "")


@pytest.mark.usefixtures("kernel")
def test_a_folder_that_is_swapped_for_a_link_as_fast_as_possible_is_never_followed(site, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").touch()
    (site / "a").mkdir()
    (site / "link").symlink_to(outside)
    over = threading.Event()
    swapper = threading.Thread(target=_swap, args=(site, over))
    swapper.start()
    try:
        for _ in range(300):
            assert not any("secret" in path for path, _ in walked(site, tmp_path))
    finally:
        over.set()
        swapper.join()


def _swap(site, over):
    while not over.is_set():
        for one, other in (("a", "b"), ("link", "a"), ("a", "link"), ("b", "a")):
            (site / one).rename(site / other)


def test_memory_stays_flat_for_a_folder_with_very_many_entries(site, tmp_path):
    trees.flat(site / "many", 30_000)
    with opened(open_top(site)) as top, closing(NameLists(tmp_path, in_memory=1000)) as lists:
        files = sum(stat.S_ISREG(found.status.st_mode) for found in walk(top, lists))
    assert files == 30_000
