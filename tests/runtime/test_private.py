"""The data folder is one user's alone, whoever else works on the machine and whatever umask a shell has."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from tests.runtime.judged import by_name
from workers.base import private_files, up_file
from workers.base.settings import SettingsError, load
from workers.health import doctor, heartbeats, open_modes
from workers.supervisor import embedded_valkey

OPEN = pytest.mark.usefixtures("wide_open")


@pytest.fixture
def wide_open():
    """A shell in which everything that is made is open to everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def settings_of(data_dir, **more):
    return load({"TENURE_DATA_DIR": str(data_dir), **{f"TENURE_{name}": value for name, value in more.items()}})


def another_user(monkeypatch):
    """From now on this process is somebody else, as far as its files are concerned."""
    other = os.geteuid() + 4321
    monkeypatch.setattr(private_files.os, "geteuid", lambda: other)


def modes_in(folder):
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode)
        for path in [folder, *sorted(folder.rglob("*"))]
        if not path.is_symlink()
    }


def running_here(data_dir):
    up_file.announce(data_dir, up_file.UpFile("redis://:secret@127.0.0.1:1/0", "sqlite:///x.db", os.getpid()))


@OPEN
class TestWhatIsMade:
    def test_every_process_of_ours_makes_private_files_whatever_umask_it_was_started_with(self, up, tools):
        up.start().wait_until_ready()
        umasks = {
            command: int(Path(f"/proc/{pid}/status").read_text().split("Umask:")[1].split()[0], 8)
            for pid, command in tools.processes(up.folder).items()
            if "crew" not in command or "workers" in command
        }
        assert len(umasks) >= 3
        assert set(umasks.values()) == {0o077}
        open_to_others = {
            name: oct(mode) for name, mode in modes_in(up.folder).items() if mode & 0o077 and name != "Procfile"
        }
        assert open_to_others == {}
        up.signal(signal.SIGTERM)
        assert up.wait() == 0

    def test_the_command_line_does_too(self, run, beating):
        run(beating)
        assert os.umask(0) == 0o077


@OPEN
class TestWhatIsThere:
    @pytest.fixture
    def old(self, data_dir):
        """A folder as a careless shell made it, with content that is not ours to change and a link that leads out."""
        for name in ("sites/site_1/attachments", "sites/.markers", "backups/site_1", "outbox/.names", "valkey/a"):
            (data_dir / name).mkdir(parents=True)
        for name in ("tenure.db", "sites/site_1/helpdesk.db", "backups/site_1/b.tar.zst", "outbox/m.eml", "valkey/a/f"):
            (data_dir / name).touch()
        (data_dir / "sites/site_1/attachments").chmod(0o755)
        outside = data_dir.parent / "outside"
        outside.mkdir()
        outside.chmod(0o755)
        (data_dir / "backups/elsewhere").symlink_to(outside)
        return data_dir

    def test_all_that_is_open_is_closed_but_the_content_of_sites_and_no_link_is_followed(self, old):
        found = open_modes.close(settings_of(old))
        inside = {"sites/site_1/attachments": 0o755, "sites/site_1/helpdesk.db": 0o666}
        after = modes_in(old)
        assert {name: mode for name, mode in after.items() if mode & 0o077} == inside
        assert (after["."], after["sites/site_1"], after["tenure.db"]) == (0o700, 0o700, 0o600)
        assert stat.S_IMODE((old.parent / "outside").stat().st_mode) == 0o755
        assert found.mended.count == len(after) - len(inside)

    def test_a_second_look_finds_nothing_to_do(self, old):
        open_modes.close(settings_of(old))
        assert open_modes.close(settings_of(old)) == open_modes.Closed()

    def test_a_store_and_a_database_elsewhere_are_closed_too_and_their_neighbours_are_not(self, old, tmp_path):
        elsewhere = tmp_path / "elsewhere"
        for name in ("sites/site_2", "backups/site_2", "of others"):
            (elsewhere / name).mkdir(parents=True)
        for name in ("x.db", "x.db-wal", "sites/site_2/helpdesk.db", "backups/site_2/b.tar.zst"):
            (elsewhere / name).touch()
        url = f"file://{elsewhere}"
        open_modes.close(settings_of(old, HOST_URL=url, BACKUPS_URL=url, DATABASE_URL=f"sqlite:///{elsewhere}/x.db"))
        still = {name for name, mode in modes_in(elsewhere).items() if mode & 0o077}
        assert still == {".", "of others", "sites/site_2/helpdesk.db"}

    def test_a_folder_that_nobody_may_read_and_a_pipe_are_closed_without_waiting(self, data_dir):
        (data_dir / "locked").mkdir(mode=0o700)
        (data_dir / "locked").chmod(0o077)
        os.mkfifo(data_dir / "pipe")
        (data_dir / "pipe").chmod(0o666)
        open_modes.close(settings_of(data_dir))
        assert modes_in(data_dir)["pipe"] == 0o600
        assert modes_in(data_dir)["locked"] == 0

    def test_up_says_what_it_closed_and_doctor_what_it_finds(self, up, data_dir):
        up.folder = data_dir
        (data_dir / "outbox").mkdir()
        (data_dir / "outbox").chmod(0o777)
        up.start().wait_until_ready()
        (line,) = [one for one in up.log("done") if "closed to other users" in one["outcome"]]
        assert str(data_dir / "outbox") in line["outcome"]
        assert modes_in(data_dir)["outbox"] == 0o700

    def test_doctor_closes_what_is_open_and_says_so_once(self, world):
        assert by_name(doctor._privacy(world.context))["privacy"].level == "warn"  # the tests' own shell
        assert by_name(doctor._privacy(world.context))["privacy"].well
        (world.data_dir / "tenure.db").chmod(0o644)
        found = by_name(doctor._privacy(world.context))["privacy"]
        assert (found.level, str(world.data_dir / "tenure.db") in found.value) == ("warn", True)
        assert by_name(doctor._privacy(world.context))["privacy"].well

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_what_belongs_to_another_user_is_named_and_left_alone(self, old):
        os.chown(old / "outbox", 4321, 4321)
        found = open_modes.close(settings_of(old))
        assert (found.foreign.count, found.foreign.first) == (1, [str(old / "outbox")])
        assert modes_in(old)["outbox"] == 0o777


class TestWhatIsBelieved:
    def test_up_json_of_this_user_is(self, data_dir):
        running_here(data_dir)
        assert settings_of(data_dir).redis_url == "redis://:secret@127.0.0.1:1/0"

    def test_up_json_of_another_user_is_not_followed_and_the_remedy_is_said(self, data_dir, monkeypatch):
        running_here(data_dir)
        another_user(monkeypatch)
        monkeypatch.setattr(private_files, "check_folder", lambda _folder: None)
        with pytest.raises(SettingsError, match=r"up\.json belongs to .* is not followed; remove it .* run Tenure as"):
            settings_of(data_dir)

    def test_a_data_folder_of_another_user_is_not_believed(self, data_dir, monkeypatch):
        another_user(monkeypatch)
        with pytest.raises(SettingsError, match=r"data belongs to .*: nothing in it is believed; run Tenure as"):
            settings_of(data_dir, REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL="sqlite:///x.db")

    @pytest.mark.parametrize("kind", ["link", "pipe", "folder", "socket", "open to writers"])
    def test_up_json_that_is_anything_else_is_not_followed(self, data_dir, kind):
        path = data_dir / "up.json"
        running_here(data_dir)
        if kind == "open to writers":
            path.chmod(0o620)
        else:
            path.rename(data_dir / "true.json")
        if kind == "link":
            path.symlink_to(data_dir / "true.json")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        with pytest.raises(SettingsError, match=r"up\.json .*: it is not followed"):
            settings_of(data_dir)

    def test_with_both_addresses_given_up_json_is_not_asked_at_all(self, data_dir):
        (data_dir / "up.json").symlink_to("/nowhere")
        found = settings_of(data_dir, REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL="sqlite:////x.db")
        assert found.redis_url == "redis://127.0.0.1:1/0"

    def test_a_saved_address_of_valkey_that_is_another_users_is_not_used(self, data_dir, monkeypatch):
        (data_dir / "valkey").mkdir()
        (data_dir / "valkey" / "url").write_text("redis://:x@127.0.0.1:1/0\n")
        assert up_file.saved_url(data_dir) == "redis://:x@127.0.0.1:1/0"
        another_user(monkeypatch)
        with pytest.raises(private_files.NotOursError, match="not followed"):
            embedded_valkey.prepare(data_dir)

    def test_a_word_about_processes_by_another_user_is_no_word(self, data_dir, monkeypatch):
        heartbeats.begin_drain(data_dir)
        assert heartbeats.draining(data_dir) == os.getpid()
        another_user(monkeypatch)
        assert heartbeats.draining(data_dir) is None

    def test_a_pipe_in_place_of_a_pulse_keeps_no_probe_waiting(self, data_dir):
        (data_dir / "alive").mkdir()
        own = heartbeats.HeartbeatFile(data_dir, "worker")
        os.mkfifo(data_dir / "alive" / f"clock.1.{os.uname().nodename}")
        own.beat()
        assert [sign.role for sign in heartbeats.signs(data_dir)] == ["worker"]
        own.file.close()


class TestRoot:
    def test_up_warns_that_it_runs_as_root_and_only_then(self, data_dir, log_lines, monkeypatch):
        for uid, told in ((0, 1), (1000, 0)):
            monkeypatch.setattr(open_modes, "is_root", lambda uid=uid: uid == 0)
            log_lines.write_text("")
            open_modes.close_and_tell(settings_of(data_dir))
            lines = [json.loads(line) for line in log_lines.read_text().splitlines() if line.strip("\0")]
            assert sum("runs as root" in line.get("error", "") for line in lines) == told

    def test_doctor_warns_of_it_too(self, world, monkeypatch):
        for name, level in (("root", "warn"), ("tenure", "ok")):
            monkeypatch.setattr(private_files, "user", lambda _uid, name=name: name)
            assert by_name(doctor._privacy(world.context))["user"].level == level
