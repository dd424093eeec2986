import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workers.base.errors import Permanent
from workers.storage.archive_format import (
    FRAME,
    MANIFEST_MAGIC,
    Record,
    Totals,
    header,
    padding,
    title,
    trailer,
    write_record,
)
from workers.storage.archive_reader import open_archive
from workers.storage.archive_unpack import unpack

SITE, BACKUP = "site_0192a", "bkp_1"
LETTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
SHORT = st.text(LETTERS, min_size=1, max_size=12)
LONG = st.sampled_from(["é" * 127 + "x", "a" * 255, "日" * 85, "-", " ", "\n", "..x", "a\\b", "%", "~", "x-wal"])
NAMES = (SHORT | LONG).filter(lambda name: name not in {".", "..", ".tenure.json"} and len(os.fsencode(name)) <= 255)
LEAVES = st.one_of(
    st.binary(max_size=2000).map(lambda content: ("file", content)),
    st.integers(0, 3_000_000).map(lambda hole: ("sparse", hole)),
    st.sampled_from(["attachments", "../..", "/etc/passwd", "x/../..", ".", "gone"]).map(lambda to: ("link", to)),
    st.just(("hard link", None)),
)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


def plant(tree, folder):
    """Make a random tree; names that a disk can't tell apart from one that is there are left out."""
    for name, what in tree.items():
        path = folder / name
        if os.path.lexists(path):
            continue
        if isinstance(what, dict):
            path.mkdir()
            plant(what, path)
        elif what[0] == "file":
            path.write_bytes(what[1])
            path.chmod(0o640)
        elif what[0] == "sparse":
            with path.open("wb") as file:
                file.truncate(what[1])
        elif what[0] == "link":
            path.symlink_to(what[1])
        else:
            os.link(folder_of_site(folder) / "attachments" / "first", path)


def folder_of_site(folder):
    return next(above for above in (folder, *folder.parents) if above.parent.name == "sites")


def round_trip(tree, data_tools):
    with tempfile.TemporaryDirectory() as folder:
        world = data_tools.World(folder)
        world.site()
        (world.live() / "attachments" / "first").write_bytes(b"the first")
        plant(tree, world.live())
        before = data_tools.content_of(world.live())
        stored = world.save()
        assert world.vault.verify(SITE, BACKUP) == stored
        left_out = set(world.restore())
        after = data_tools.content_of(world.live())
        assert after == {path: what for path, what in before.items() if path not in left_out}
        for path in left_out:
            assert before[path][0] == "link"
        for path, what in after.items():
            if what[0] == "link":
                assert Path(os.path.realpath(world.live() / path)).is_relative_to(os.path.realpath(world.live()))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=st.dictionaries(NAMES, TREES, max_size=5))
def test_any_tree_comes_back_with_every_byte_and_only_links_that_stay_inside(tree, data_tools):
    round_trip(tree, data_tools)


@pytest.mark.long
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=st.dictionaries(NAMES, TREES, max_size=5))
def test_three_hundred_trees_come_back(tree, data_tools):
    round_trip(tree, data_tools)


def test_a_deep_tree_comes_back(data_tools):
    with tempfile.TemporaryDirectory() as folder:
        world = data_tools.World(folder)
        world.site()
        here = world.live()
        for _ in range(900):
            here /= "d"
        here.mkdir(parents=True)
        (here / "bottom").write_text("x")
        world.save()
        world.restore()
        assert (here / "bottom").read_text() == "x"
        world.host.remove(SITE, key="d")


def test_names_that_are_no_utf_8_and_read_only_folders_come_back(stores, data_tools):
    stores.site()
    (stores.live() / os.fsdecode(b"caf\xe9")).write_text("x")
    closed = stores.live() / "closed"
    closed.mkdir()
    (closed / "inside").write_text("x")
    closed.chmod(0o555)
    before = data_tools.content_of(stores.live())
    stores.save()
    stores.restore()
    assert data_tools.content_of(stores.live()) == before


def test_links_that_together_lead_out_are_left_out(stores):
    stores.site()
    deep = stores.live() / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "up").symlink_to("../..")
    (stores.live() / "escape").symlink_to("a/b/up/..")
    stores.save()
    assert stores.restore() == ["escape"]
    assert (deep / "up").readlink() == Path("../..")


def test_holes_stay_holes_and_special_files_are_passed_over(stores):
    stores.site()
    with (stores.live() / "sparse").open("wb") as file:
        file.truncate(64 << 20)
    os.mkfifo(stores.live() / "pipe")
    stores.save()
    stores.restore()
    assert (stores.live() / "sparse").stat().st_size == 64 << 20
    assert (stores.live() / "sparse").stat().st_blocks * 512 < 1 << 20
    assert not (stores.live() / "pipe").exists()


def test_set_user_id_is_not_restored_and_times_are(stores):
    stores.site()
    program = stores.live() / "program"
    program.write_text("x")
    program.chmod(0o4755)
    os.utime(program, (1_000_000_000, 1_000_000_000))
    stores.save()
    stores.restore()
    assert (program.stat().st_mode & 0o7777, program.stat().st_mtime) == (0o755, 1_000_000_000)


def test_anyone_with_tar_can_open_a_backup(stores, tmp_path):
    stores.site()
    (stores.live() / "attachments" / ("é" * 120)).write_text("hello")
    stores.save()
    place = stores.folder / "backups" / SITE / f"{BACKUP}.tar.zst"
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(place.read_bytes()), read_across_frames=True) as frames:
        plain = frames.read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        assert archive.extractfile("attachments/" + "é" * 120).read() == b"hello"


@pytest.mark.parametrize(("flips", "cuts"), [(300, 100), pytest.param(1600, 400, marks=pytest.mark.long)])
def test_any_flipped_bit_and_any_cut_is_found(stores, flips, cuts):
    stores.site()
    (stores.live() / "attachments" / "x").write_bytes(random.Random(1).randbytes(500))
    stored = stores.save()
    place = stores.folder / "backups" / SITE / f"{BACKUP}.tar.zst"
    whole, chance = place.read_bytes(), random.Random(2)
    for bit in sorted({chance.randrange(len(whole) * 8) for _ in range(flips)}):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        place.write_bytes(flipped)
        with pytest.raises(Permanent):
            stores.vault.verify(SITE, BACKUP)
    for length in sorted({chance.randrange(len(whole)) for _ in range(cuts)}):
        place.write_bytes(whole[:length])
        with pytest.raises(Permanent):
            stores.vault.verify(SITE, BACKUP)
    place.write_bytes(whole)
    assert stores.vault.verify(SITE, BACKUP) == stored


def forge(records, members, site=SITE, *, lines=None):
    """Make an archive as an attacker who knows the format would: every digest right."""
    compressor = zstandard.ZstdCompressor()
    tar = compressor.compress(members)
    written = [write_record(record) for record in records] if lines is None else lines
    manifest = compressor.compress(b"".join([title(site, BACKUP), *written]))
    files = [record for record in records if record.kind in {"file", "database"}]
    totals = Totals(len(tar), len(records), len(files), sum(record.size for record in files))
    body = tar + FRAME.pack(MANIFEST_MAGIC, len(manifest)) + manifest + trailer(totals)
    return body + hashlib.sha256(body).digest()


def record_of(path, content=b"x", kind="file", **more: Any):
    digest = hashlib.sha256(content).hexdigest() if kind == "file" else ""
    size = len(content) if kind == "file" else 0
    fields: dict[str, Any] = {"size": size, "sha256": digest} | more
    return Record(path, kind, 0o644, **fields)


def member(path, content=b"x", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.size, info.uname = kind, link, len(content), ""
    return info.tobuf(tarfile.PAX_FORMAT) + content + padding(len(content))


def ours(path, content=b"x"):
    return header(record_of(path, content)) + content + padding(len(content))


END = bytes(1024)


def hostile(chance):
    """One archive that must be refused, and a word that the refusal has."""
    name = "".join(chance.choices("abcxyz", k=chance.randrange(1, 90)))
    climbing = "../" * chance.randrange(1, 9) + name
    good = record_of(name)
    bomb = bytes(chance.randrange(1000, 2_000_000))
    return chance.choice(
        [
            (forge([record_of(f"/{name}")], ours(f"/{name}") + END), "absolute"),
            (forge([record_of(climbing)], ours(climbing) + END), "leads elsewhere"),
            (forge([record_of(f"{name}/../../x")], ours(f"{name}/../../x") + END), "leads elsewhere"),
            (forge([good], member(name, b"", tarfile.SYMTYPE, "/etc/passwd") + END), "is a link"),
            (forge([good], member(name, b"", tarfile.LNKTYPE, "/etc/passwd") + END), "is a link"),
            (forge([good], ours(name) + member("l", b"", tarfile.SYMTYPE, "..") + END), "is a link"),
            (forge([good], member(name, b"", chance.choice([b"3", b"4", b"6"])) + END), "is a device"),
            (forge([good], member(climbing) + END), "leads elsewhere"),
            (forge([good, good], ours(name) * 2 + END), "stands twice"),
            (forge([good], ours(name) * 2 + END), "stands twice"),
            (forge([good], member(name, bomb) + END), "in the manifest"),
            (forge([good], ours(name) + END + bomb), "more in the archive"),
            (forge([good], b""), "cut short"),
            (forge([good], ours(name)[: chance.randrange(513)]), "cut short"),
            (forge([good], END), "cut short"),
            (forge([good], ours(name) + END, site="site_0192b"), "another site"),
            (forge([record_of(name, b"y")], ours(name) + END), "bytes that were saved"),
            (forge([record_of(f"{name}/x")], ours(f"{name}/x") + END), "does not have"),
            (forge([record_of("l", kind="symlink", target=".."), record_of("l/x")], END), "does not have"),
            (forge([good], ours(name) + END, lines=[b"[" * 60_000 + b"\n"]), "makes no sense"),
            (forge([good], ours(name) + END, lines=[b"x" * 200_000]), "too long|without an end"),
            (forge([good], ours(name) + END, lines=[json.dumps({"path": 1}).encode() + b"\n"]), "makes no sense"),
            (forge([good], ours(name) + END, lines=[]), "more member|totals"),
            (forge([record_of("\ud800")], END), "no disk can hold"),
            (forge([record_of("n" * 256)], END), "no disk can hold"),
        ]
    )


@pytest.mark.parametrize("count", [400, pytest.param(2000, marks=pytest.mark.long)])
def test_every_hostile_archive_is_refused_with_a_clear_error_and_writes_nothing_outside(tmp_path, count):
    chance = random.Random(3)
    for number in range(count):
        content, word = hostile(chance)
        around = tmp_path / str(number)
        (around / "into").mkdir(parents=True)
        place = around / "archive"
        place.write_bytes(content)
        with pytest.raises(Permanent, match=word):
            unpack(open_archive(place, SITE, BACKUP), around / "into")
        assert sorted(path.name for path in around.iterdir()) == ["archive", "into"]
        assert not any(path.is_symlink() for path in around.rglob("*"))


def test_a_forged_archive_without_a_fault_is_accepted(tmp_path):
    place = tmp_path / "archive"
    place.write_bytes(forge([record_of("a")], ours("a") + END))
    unpack(open_archive(place, SITE, BACKUP), tmp_path / "into")
    assert (tmp_path / "into" / "a").read_bytes() == b"x"


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_of_any_length_comes_back(stores, size):
    stores.site()
    content = random.Random(size).randbytes(size)
    (stores.live() / "file").write_bytes(content)
    stores.save()
    stores.restore()
    assert (stores.live() / "file").read_bytes() == content


def test_a_header_says_the_same_as_the_tar_of_the_system(tmp_path):
    for size in (0, 5, 8**11 + 1):
        for path in ("short", "d/" * 60 + "long", "é"):
            record = Record(path, "file", 0o640, size, 1_000_000_000, "0" * 64)
            with tarfile.open(fileobj=io.BytesIO(header(record) + bytes(1024))) as archive:
                found = archive.next()
            assert (found.name, found.size, found.mode, found.mtime) == (path, size, 0o640, 1_000_000_000)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process its own peak")
def test_memory_stays_flat_for_a_large_site(stores):
    stores.site()
    chunk = random.Random(4).randbytes(1 << 20)
    with (stores.live() / "large").open("wb") as file:
        for _ in range(192):
            file.write(chunk)
    script = (
        "import sys; from pathlib import Path; from workers.adapters.host import open_host;"
        "from workers.adapters.backup_store import open_backup_store as o; d = Path(sys.argv[1]); v = o('file:', d)\n"
        f"with open_host('file:', d).snapshot('{SITE}') as s: v.save('{SITE}', '{BACKUP}', s)\n"
        f"v.verify('{SITE}', '{BACKUP}'); print(Path('/proc/self/status').read_text())"
    )
    ran = subprocess.run([sys.executable, "-c", script, stores.folder], capture_output=True, text=True, check=True)
    peak = next(line for line in ran.stdout.splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 100 << 10, peak
