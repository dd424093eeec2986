"""What a restore leaves beside a site when its clean-up fails goes at the next try, before it says that it is done."""

import pytest

from models import effect
from models.database import reading
from workers.adapters.hosts import folder as folder_host


def beside(world):
    sites = world.site_folder().parent
    return sorted(path.name for path in sites.iterdir() if path.name not in {world.site_folder().name, ".markers"})


def open_kinds(world):
    with reading(world.context.database) as tx:
        return [row.kind for row in effect.unfinished(tx)]


@pytest.mark.parametrize("swap", ["exchange", "two renames"])
@pytest.mark.parametrize("failures", [1, 2])
def test_a_clean_up_that_failed_half_way_is_finished_at_the_next_try(world, monkeypatch, swap, failures):
    if swap == "two renames":
        monkeypatch.setattr(folder_host, "exchange", lambda _one, _other: False)
    world.start_trial()
    world.advance(days=1)
    (world.site_folder() / "attachments" / "later").write_text("x")
    remove, left = folder_host.remove, [failures]

    def fails(path):
        if left[0] and (path / "attachments" / "later").exists():
            left[0] -= 1
            raise OSError(5, "Input/output error", str(path))
        return remove(path)

    monkeypatch.setattr(folder_host, "remove", fails)
    world.send("restore", **{"from": "previous_day"})
    for tried in range(failures):
        assert open_kinds(world) == ["restore"], tried
        assert beside(world) != []
        world.retry_now()
    assert open_kinds(world) == []
    assert beside(world) == []
    assert not (world.site_folder() / "attachments" / "later").exists()


def test_a_backup_that_can_not_be_unpacked_leaves_nothing_beside_the_site(world):
    world.start_trial()
    world.advance(days=1)
    archive = next((world.data_dir / "backups").rglob("*.tar.zst"))
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    archive.write_bytes(damaged)
    world.send("restore", **{"from": "previous_day"})
    assert open_kinds(world) == []
    assert "gave up" in world.show()["attention"]
    assert beside(world) == []


def test_tidying_takes_nothing_where_the_old_content_is_all_there_is(stores_of):
    """The machine stopped between two renames: what was set aside is put back, not thrown away."""
    host, live = stores_of
    live.rename(live.with_name(f".{live.name}.before"))
    host.tidy(live.name)
    assert (live / "helpdesk.db").exists()
    assert host.remains(live.name)[0] == f"sites/{live.name}"


@pytest.fixture
def stores_of(tmp_path):
    host = folder_host.FolderHost(tmp_path / "sites")
    host.provision("site_1", hostname="a.example.com", email="o@a.example", agents=5, key="p")
    return host, tmp_path / "sites" / "site_1"


@pytest.mark.parametrize("kind", ["back_up", "restore"])
def test_what_an_earlier_try_left_in_the_store_goes_with_the_next_one(world, monkeypatch, kind):
    world.start_trial()
    world.advance(days=1)
    site_id = world.site_folder().name
    verify, left = world.context.vault.verify, []

    def dies(site_id, backup_id):
        if not left:
            left.append(world.data_dir / "backups" / site_id / f".{backup_id}.0123abcd.scratch")
            left[0].mkdir()
            (left[0] / "half a database").write_text("theirs")
            raise OSError(5, "Input/output error")
        return verify(site_id, backup_id)

    monkeypatch.setattr(world.context.vault, "verify", dies)
    world.send(kind, **({"from": "previous_day"} if kind == "restore" else {}))
    assert left[0].exists()
    world.retry_now()
    assert open_kinds(world) == []
    assert [path.name for path in (world.data_dir / "backups" / site_id).iterdir() if path.name.startswith(".")] == []
