import hashlib
import json
import os
import random
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from workers.base.errors import Permanent, Temporary
from workers.storage.site_content import Removed

SITE, OTHER = "site_0192a", "site_0192b"


def place_of(download):
    return Path(unquote(urlsplit(download.url).path))


def test_a_download_is_a_plain_zip_at_an_absolute_url(stores):
    stores.site()
    (stores.live() / "attachments" / "hé llo.txt").write_text("hello")
    download = stores.build()
    place = place_of(download)
    assert download.url.startswith("file:///")
    assert (download.bytes, download.sha256) == (
        place.stat().st_size,
        hashlib.sha256(place.read_bytes()).hexdigest(),
    )
    with zipfile.ZipFile(place) as members:
        assert members.testzip() is None
        assert members.read("attachments/hé llo.txt") == b"hello"
        assert {"helpdesk.db", "attachments/"} < set(members.namelist())


def test_the_list_says_what_is_in_it_links_included(stores):
    stores.site()
    (stores.live() / "link").symlink_to("attachments")
    with zipfile.ZipFile(place_of(stores.build())) as members:
        said, *lines = [json.loads(line) for line in members.read("tenure-manifest.jsonl").splitlines()]
    assert (said["site"], said["export"]) == (SITE, "exp_1")
    assert {line["path"]: line["kind"] for line in lines} == {
        "attachments": "folder",
        "helpdesk.db": "database",
        "link": "symlink",
    }
    assert next(line["target"] for line in lines if line["kind"] == "symlink") == "attachments"


def test_names_that_a_zip_can_not_say_stay_apart(stores):
    stores.site()
    for name in (os.fsdecode(b"\xff"), "%FF", "tenure-manifest.jsonl"):
        (stores.live() / name).write_text(ascii(name))
    with zipfile.ZipFile(place_of(stores.build())) as members:
        assert {"%FF", "%FF~", "tenure-manifest.jsonl", "tenure-manifest.jsonl~"} < set(members.namelist())


def test_building_twice_keeps_the_first_and_a_damaged_one_is_built_again(stores):
    stores.site()
    first = stores.build()
    assert stores.build() == first
    place_of(first).write_bytes(b"damaged")
    assert stores.build().bytes == first.bytes


def test_a_file_from_before_1980_does_not_stop_a_download(stores):
    stores.site()
    old = stores.live() / "old"
    old.write_text("x")
    os.utime(old, (0, 0))
    stores.build()


def test_any_flipped_bit_in_the_content_is_found(stores):
    stores.site()
    (stores.live() / "attachments" / "x").write_bytes(random.Random(1).randbytes(3000))
    place = place_of(stores.build())
    whole, chance = place.read_bytes(), random.Random(2)
    with zipfile.ZipFile(place) as members:
        info = members.getinfo("attachments/x")
    first = info.header_offset + 30 + len(info.filename)
    for bit in sorted({chance.randrange(info.compress_size * 8) for _ in range(200)}):
        flipped = bytearray(whole)
        flipped[first + bit // 8] ^= 1 << bit % 8
        place.write_bytes(flipped)
        with pytest.raises((Permanent, Temporary)):
            stores.downloads._check(SITE, "exp_1")


def test_killed_at_each_step_a_download_is_whole_or_not_there_and_the_next_try_finishes(tmp_path, data_tools):
    number, lived = 0, False
    while not lived:
        world = data_tools.World(tmp_path / str(number))
        world.site()
        lived = data_tools.kill_at_step(number, world.build)
        place = world.folder / "exports" / SITE / "exp_1.zip"
        if place.exists():
            world.downloads._check(SITE, "exp_1")
        world.build()
        assert world.downloads.remains(SITE) == [f"exports/{SITE}/exp_1.zip"]
        number += 1
    assert number > 10


def test_removing_all_of_one_site_leaves_the_other_and_the_probe_finds_nothing(stores):
    for site_id in (SITE, OTHER):
        stores.site(site_id)
        stores.build(site_id)
    assert stores.downloads.remove_all(SITE).files == 1
    assert stores.downloads.remove_all(SITE) == Removed(0, 0)
    assert stores.downloads.remains(SITE) == []
    assert stores.downloads.remains(OTHER) == [f"exports/{OTHER}/exp_1.zip"]


def test_a_download_of_another_site_is_never_deleted(stores):
    stores.site(OTHER)
    strayed = place_of(stores.build(OTHER))
    strayed.parent.rename(strayed.parent.with_name(SITE))
    for act in (stores.downloads.remove_all, lambda site_id: stores.downloads.remove(site_id, "exp_1")):
        with pytest.raises(Permanent, match="left alone"):
            act(SITE)
    assert stores.downloads.remains(SITE) == [f"exports/{SITE}/exp_1.zip"]


def test_a_place_that_can_not_be_written_says_what_to_do(stores):
    stores.folder.mkdir()
    (stores.folder / "exports").write_text("a file in the way")
    with pytest.raises(Temporary, match="something stands where a folder must be: move it away"):
        stores.downloads.writable()
