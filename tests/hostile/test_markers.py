"""Whose folder it is stands where no customer can write; what a customer writes about it is never believed."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hostile.trees import sparse
from workers.adapters.host import open_host
from workers.adapters.hosts import folder as folder_host
from workers.adapters.hosts import marker_copy
from workers.adapters.hosts.adoption import Known
from workers.adapters.hosts.marker import Marker, Markers
from workers.base import fault_points
from workers.base.errors import Permanent, Temporary
from workers.storage.site_content import Removed

SITE, OTHER = "site_0192a", "site_0192b"
TRUE = {"site": SITE, "hostname": "acme.example.com", "online": False, "agents": 5, "replaced": None}


@pytest.fixture
def host(tmp_path):
    made = open_host("file:", tmp_path)
    made.provision(SITE, hostname="acme.example.com", email="o@acme.example", agents=5, key="p")
    return made


@pytest.fixture
def live(tmp_path):
    return tmp_path / "sites" / SITE


def build(host, site_id):
    host.provision(site_id, hostname=f"{site_id}.example.com", email="o@acme.example", agents=5, key="p")


def marker_of(live):
    return Markers(live.parent).find(live.name)


def copy_in(live):
    return json.loads((live / ".tenure.json").read_text())


def write_copy(live, **lies):
    (live / ".tenure.json").write_text(json.dumps({"schema": "tenure/marker/1", **TRUE, **lies}))


def restore(host, live, key="r", name="restored"):
    """Swap in a folder with one file."""
    into = host.beside(live.name)
    into.mkdir()
    (into / name).write_text(name)
    host.replace(live.name, into, key=key)


def folder_in_its_place(path):
    path.mkdir()
    (path / "mine").mkdir()
    (path / "mine" / "too").write_text("x")


HOSTILE = {
    "another site": lambda path: write_copy(path.parent, site=OTHER),
    "more agents": lambda path: write_copy(path.parent, agents=10_000, online=True),
    "a restore that was not": lambda path: write_copy(path.parent, replaced="r"),
    "no json": lambda path: path.write_text("{" * 5_000),
    "deep json": lambda path: path.write_text("[" * 60_000),
    "nothing": lambda _path: None,
    "a link": lambda path: path.symlink_to("/etc/hostname"),
    "a link to the marker": lambda path: path.symlink_to(path.parents[1] / ".markers" / f"{SITE}.json"),
    "a pipe": os.mkfifo,
    "a folder": folder_in_its_place,
    "4 GB": lambda path: sparse(path, 4 << 30),
}


@pytest.mark.parametrize("what", HOSTILE)
class TestAHostileCopy:
    @pytest.fixture
    def host(self, host, live, what):
        """The site of a customer who has just written that."""
        (live / ".tenure.json").unlink()
        HOSTILE[what](live / ".tenure.json")
        return host

    def test_blocks_no_deletion_and_leads_it_nowhere_else(self, host, live):
        build(host, OTHER)
        assert host.remove(SITE, key="d") != Removed()
        assert host.remains(SITE) == []
        assert (live.with_name(OTHER) / "helpdesk.db").exists()

    def test_is_no_proof_of_a_restore_and_hinders_none(self, host, live):
        assert not host.is_replaced(SITE, key="r")
        restore(host, live)
        assert host.is_replaced(SITE, key="r")
        assert copy_in(live) == {"schema": "tenure/marker/1", **TRUE, "replaced": "r"}

    def test_is_replaced_when_facts_change_and_the_marker_has_what_the_host_said(self, host, live):
        host.set_agent_limit(SITE, 9, key="l")
        host.bring_online(SITE, key="o")
        told = {**TRUE, "agents": 9, "online": True}
        assert copy_in(live) == {"schema": "tenure/marker/1", **told}
        mark = marker_of(live)
        assert (mark.site, mark.agents, mark.online, mark.replaced) == (SITE, 9, True, None)

    def test_hinders_no_look_at_the_site(self, host):
        with host.snapshot(SITE) as snapshot:
            assert "helpdesk.db" in {entry.path for entry in snapshot}


class TestTheCopy:
    def test_is_written_again_though_nothing_changes_when_it_says_something_else(self, host, live):
        write_copy(live, online=True)
        host.take_offline(SITE, key="o")
        assert copy_in(live)["online"] is False

    def test_a_folder_in_its_place_is_kept_beside_it(self, host, live):
        (live / ".tenure.json").unlink()
        folder_in_its_place(live / ".tenure.json")
        host.bring_online(SITE, key="o")
        (aside,) = live.glob("tenure.json.*")
        assert (aside / "mine" / "too").read_text() == "x"

    def test_a_site_that_can_not_be_written_is_told_to_operators_and_blocks_nothing(
        self, host, live, log_lines, monkeypatch
    ):
        def refused(*_words):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(marker_copy, "_write", refused)
        host.bring_online(SITE, key="o")
        assert marker_of(live).online
        assert "can't be written (Operation not permitted)" in log_lines.read_text()

    def test_a_full_disk_is_no_customers_doing_and_is_tried_again(self, host, live, monkeypatch):
        def full(*_words):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(marker_copy, "_write", full)
        with pytest.raises(Temporary, match="free space"):
            host.bring_online(SITE, key="o")
        monkeypatch.undo()
        host.bring_online(SITE, key="o")
        assert copy_in(live)["online"] is True

    @pytest.mark.usefixtures("host")
    def test_copy_and_marker_are_for_nobody_else_to_read(self, live):
        assert (live / ".tenure.json").stat().st_mode & 0o077 == 0
        assert (live.parent / ".markers" / f"{SITE}.json").stat().st_mode & 0o077 == 0


class TestFoldersThatWereMoved:
    def test_two_sites_that_changed_places_are_not_removed(self, host, live):
        build(host, OTHER)
        other = live.with_name(OTHER)
        live.rename(live.with_name("x"))
        other.rename(live)
        live.with_name("x").rename(other)
        for site_id in (SITE, OTHER):
            with pytest.raises(Permanent, match="belongs to"):
                host.remove(site_id, key="d")
        assert host.remains(SITE)[0] == f"sites/{SITE}"

    def test_a_copy_of_the_whole_data_folder_is_as_good_as_the_folder(self, host, live, tmp_path):
        restore(host, live)
        sites = tmp_path / "copied" / "sites"
        os.system(f"cp -a {live.parent} {tmp_path}/moved && mkdir {sites.parent} && mv {tmp_path}/moved {sites}")
        copied = open_host("file:", sites.parent)
        assert copied.is_replaced(SITE, key="r")
        restore(copied, sites / SITE, key="r2")
        assert copied.is_replaced(SITE, key="r2")
        assert copied.remove(SITE, key="d").files
        assert copied.remains(SITE) == []
        assert host.remains(SITE)

    def test_a_site_that_an_operator_put_back_from_a_tape_is_still_the_site(self, host, live):
        os.system(f"cp -a {live} {live}.tape && rm -r {live} && mv {live}.tape {live}")
        host.take_offline(SITE, key="o")
        assert host.remove(SITE, key="d").files == 2


class TestSwaps:
    @pytest.mark.parametrize("point", ["marker.drafted", "copy.drafted", "restore.swapping", "restore.swapped"])
    @pytest.mark.parametrize("swap", ["exchange", "two renames"])
    def test_a_death_between_marker_and_swap_leaves_no_doubt_which_content_stands_there(
        self, host, live, monkeypatch, point, swap
    ):
        if swap == "two renames":
            monkeypatch.setattr(folder_host, "exchange", lambda _one, _other: False)
        with dying_at(point), pytest.raises(KeyboardInterrupt):
            restore(host, live)
        is_new = (live / "restored").exists()
        assert is_new == (point == "restore.swapped")
        assert host.is_replaced(SITE, key="r") == is_new
        if is_new:
            host.tidy(SITE)
        else:
            restore(host, live)
        assert host.is_replaced(SITE, key="r")
        assert (live / "restored").exists()
        assert host.remains(SITE) == [f"sites/{SITE}", f"sites/.markers/{SITE}.json"]

    def test_a_swap_that_did_not_take_place_is_forgotten_before_its_folder_is_removed(self, host, live):
        with dying_at("restore.swapping"), pytest.raises(KeyboardInterrupt):
            restore(host, live)
        assert marker_of(live).swapping == "r"
        host.beside(SITE)
        assert marker_of(live).swapping is None


@contextmanager
def dying_at(point):
    def die(reached):
        if reached == point:
            raise KeyboardInterrupt

    fault_points.hooks.append(die)
    try:
        yield
    finally:
        fault_points.hooks.remove(die)


class Old:
    """A worker of version 0.1, which knows the copy alone."""

    def __init__(self, root):
        self.root = root

    def provision(self, site_id):
        live = self.root / site_id
        (live / "attachments").mkdir(parents=True)
        (live / "helpdesk.db").write_text("x")
        write_copy(live, site=site_id)

    def read(self, site_id):
        said = copy_in(self.root / site_id)
        assert said.pop("schema") == "tenure/marker/1"
        assert set(said) == set(TRUE)
        assert said["site"] == site_id
        return said

    def change(self, site_id, **facts):
        write_copy(self.root / site_id, **{**self.read(site_id), **facts})

    def replace(self, site_id, key):
        new = self.root / f".{site_id}.restore"
        new.mkdir()
        write_copy(new, **{**self.read(site_id), "replaced": key})
        os.system(f"rm -r {self.root / site_id}")
        new.rename(self.root / site_id)

    def remove(self, site_id):
        self.read(site_id)
        os.system(f"rm -r {self.root / site_id}")


def known(**sites):
    """What a database says: ids with the facts that matter."""
    plain = {"hostname": "acme.example.com", "online": True, "agents": 7, "was_ready": True, "is_deleted": False}
    rows = {site_id: Known(**{**plain, **facts}) for site_id, facts in sites.items()}
    return lambda ids: {site_id: rows[site_id] for site_id in ids if site_id in rows}


class TestAnOlderFolder:
    @pytest.fixture
    def old(self, tmp_path):
        made = Old(tmp_path / "sites")
        made.provision(SITE)
        return made

    @pytest.fixture
    def host(self, old):
        return folder_host.FolderHost(old.root)

    def test_gets_markers_from_the_database_at_the_start_and_only_the_last_restore_from_the_site(self, host, live):
        write_copy(live, agents=10_000, online=False, hostname="evil", replaced="r1")
        host.take_over(known(**{SITE: {}}))
        mark = marker_of(live)
        assert (mark.site, mark.hostname, mark.agents, mark.online) == (SITE, "acme.example.com", 7, True)
        assert host.is_replaced(SITE, key="r1")
        write_copy(live, replaced="r2")
        host.take_over(known(**{SITE: {}}))
        assert not host.is_replaced(SITE, key="r2")

    @pytest.mark.parametrize("what", HOSTILE)
    def test_a_customer_who_had_forged_the_old_marker_gets_the_true_one(self, host, live, what):
        (live / ".tenure.json").unlink()
        HOSTILE[what](live / ".tenure.json")
        host.take_over(known(**{SITE: {}}))
        assert (marker_of(live).site, marker_of(live).agents) == (SITE, 7)
        assert host.remove(SITE, key="d").files
        assert host.remains(SITE) == []

    def test_a_site_that_says_it_is_a_neighbour_who_is_at_home_is_taken_at_its_place(self, host, old, live):
        old.provision(OTHER)
        write_copy(live, site=OTHER)
        host.take_over(known(**{SITE: {}, OTHER: {}}))
        assert marker_of(live).site == SITE

    @pytest.mark.parametrize("home", ["empty", "says it is us"])
    def test_a_site_that_may_be_another_one_is_left_to_an_operator(self, host, old, live, home, log_lines):
        if home != "empty":
            old.provision(OTHER)
            write_copy(live.with_name(OTHER), site=SITE)
        write_copy(live, site=OTHER)
        host.take_over(known(**{SITE: {}, OTHER: {}}))
        assert marker_of(live) is None
        assert "have they been mixed up?" in log_lines.read_text()
        with pytest.raises(Permanent, match="belongs to"):
            host.remove(SITE, key="d")
        (live / ".tenure.json").unlink()  # as the remedy says
        host.take_over(known(**{SITE: {}, OTHER: {}}))
        assert marker_of(live).site == SITE

    def test_a_folder_that_was_never_a_site_is_not_made_one(self, host, live):
        (live / ".tenure.json").unlink()
        host.take_over(known(**{SITE: {"was_ready": False}}))
        host.take_over(known())
        host.take_over(known(**{SITE: {"is_deleted": True}}))
        assert marker_of(live) is None

    def test_several_starts_at_once_write_over_nothing_that_came_between(self, host, live):
        """One has asked the database; before it writes, another one is done and a worker changes the limit."""

        def slow(ids):
            first = known(**{SITE: {}})(ids)
            if marker_of(live) is None:
                host.take_over(known(**{SITE: {}}))
                host.set_agent_limit(SITE, 99, key="l")
            return first

        host.take_over(slow)
        assert marker_of(live).agents == 99

    def test_what_a_start_that_died_left_of_a_marker_is_written_over(self, host, live):
        with dying_at("marker.drafted"), pytest.raises(KeyboardInterrupt):
            host.take_over(known(**{SITE: {}}))
        assert marker_of(live) is None
        (live.parent / ".markers" / f".{SITE}.json.draft").write_text("half a mar")
        host.take_over(known(**{SITE: {}}))
        assert marker_of(live).agents == 7
        assert Markers(live.parent).left(SITE) == [f"{SITE}.json"]


class TestAnOlderWorkerBesideUs:
    @pytest.fixture
    def old(self, tmp_path):
        return Old(tmp_path / "sites")

    def test_goes_on_with_sites_of_ours(self, host, old, live):
        host.set_agent_limit(SITE, 9, key="l")
        restore(host, live)
        assert old.read(SITE) == {**TRUE, "agents": 9, "replaced": "r"}

    def test_builds_sites_that_we_take_for_what_they_are(self, host, old):
        old.provision(OTHER)
        host.set_agent_limit(OTHER, 9, key="l")
        assert old.read(OTHER)["agents"] == 9
        assert host.remove(OTHER, key="d").files

    def test_what_it_changes_is_changed_by_us_though_we_know_of_no_change(self, host, old, live):
        host.bring_online(SITE, key="o")
        old.change(SITE, online=False, agents=3)
        host.bring_online(SITE, key="o")
        assert (copy_in(live)["online"], copy_in(live)["agents"]) == (True, 5)

    def test_a_restore_that_it_has_made_is_not_made_again(self, host, old):
        old.replace(SITE, "r7")
        assert host.is_replaced(SITE, key="r7")
        old.change(SITE, replaced="r8")
        assert not host.is_replaced(SITE, key="r8")

    def test_the_marker_of_a_site_that_it_has_deleted_goes_at_the_next_start(self, host, old):
        old.remove(SITE)
        assert host.remains(SITE) == [f"sites/.markers/{SITE}.json"]
        host.take_over(known(**{SITE: {}}))
        assert host.remains(SITE)
        host.take_over(known(**{SITE: {"is_deleted": True}}))
        assert host.remains(SITE) == []


def test_a_marker_that_is_not_ours_or_makes_no_sense_removes_nothing(host, live):
    path = live.parent / ".markers" / f"{SITE}.json"
    text = path.read_text()
    for bad in ("", "{}", text.replace(SITE, OTHER), text.replace("marker/2", "marker/3"), "[]"):
        path.write_text(bad)
        with pytest.raises(Permanent, match="is damaged, or of a newer version"):
            host.remove(SITE, key="d")
    path.unlink()
    path.symlink_to(Path("/dev/null"))
    with pytest.raises(Temporary, match="not followed"):
        host.remove(SITE, key="d")
    path.unlink()
    path.write_text(text)
    path.chmod(0o622)
    with pytest.raises(Temporary, match="can be written by others"):
        host.remove(SITE, key="d")
    assert (live / "helpdesk.db").exists()


def test_a_marker_fits_in_what_is_read_of_it(host, live):
    host.remove(SITE, key="d")
    long = "a" * 250
    Markers(live.parent).write(Marker(SITE, long, online=True, agents=10**9, replaced=long, swapping=long))
    assert marker_of(live).hostname == long
