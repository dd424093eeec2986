"""A site over its limits: the copy is partial, says so everywhere, and keeps nobody from deleting it in the end."""

import json
import os
import zipfile
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from models.timestamps import unstamp
from tests.hostile import trees
from tests.world import HOST
from workers.base.errors import Temporary
from workers.storage.site_limits import SiteLimits

BIG = 300_000


@pytest.fixture
def narrow(world):
    """A world in which a site may have 200 kB and half a million seconds."""
    world.context.__dict__["limits"] = SiteLimits(files=100, bytes=200_000)
    world.start_trial()
    (world.site_folder() / "attachments" / "big\x1b.bin").write_bytes(os.urandom(BIG))
    (world.site_folder() / "attachments" / "small").write_bytes(b"x")
    return world


def unreachable(_mail):
    raise Temporary("the mail server is away")


def members(url):
    with zipfile.ZipFile(unquote(urlsplit(url).path)) as file:
        lines = [json.loads(line) for line in file.read("tenure-manifest.jsonl").splitlines()]
        return file.namelist(), lines


def test_a_partial_backup_says_what_is_missing_in_its_event_its_point_and_attention(narrow):
    narrow.advance(days=1)
    (event,) = narrow.events("backup.verified")
    assert (event["data"]["partial"], event["data"]["left_out"]) == (True, 1)
    assert event["data"]["left_out_names"][0].startswith(
        "attachments/big\\x1b.bin: its 300000 bytes are over the limit"
    )
    shown = narrow.show()
    point = shown["restore_points"]["previous_day"]
    assert (point["partial"], point["left_out"]) == (True, event["data"]["left_out_names"])
    assert "the newest backup is partial" in shown["attention"]
    (narrow.site_folder() / "attachments" / "big\x1b.bin").unlink()
    narrow.advance(days=1)
    shown = narrow.show()
    assert (shown["restore_points"]["previous_day"]["partial"], shown["attention"]) == (False, None)


def test_a_partial_export_counts_when_the_letter_that_names_what_is_missing_is_out(narrow, monkeypatch):
    monkeypatch.setattr(narrow.context.mailer, "send", unreachable)
    narrow.send("cancel")
    assert narrow.show()["export"]["partial"]
    assert narrow.show()["deletes_at"] is None
    monkeypatch.undo()
    narrow.retry_now()
    shown = narrow.show()
    assert shown["export"]["partial"]
    names, (first, *_) = members(shown["export"]["url"])
    assert "attachments/small" in names
    assert not any("big" in name for name in names)
    assert first["left_out"]["names"] == shown["export"]["left_out"]
    assert unstamp(shown["deletes_at"]) == narrow.now + timedelta(days=14)


def test_the_letter_of_a_partial_download_names_what_is_missing(narrow):
    narrow.send("cancel")
    (letter,) = [mail for mail in narrow.mails() if "download" in mail["subject"]]
    text = letter.get_content()
    assert "It is not complete: 1 of its files or folders" in text
    assert "attachments/big\\x1b.bin" in text
    assert "Please download it before" in text


def test_a_partial_final_backup_asks_for_a_waiver_and_with_it_the_site_is_deleted(narrow):
    narrow.send("cancel")
    narrow.advance(days=13)
    attention = narrow.show()["attention"]
    assert "the final backup is partial and does not count" in attention
    assert f"site.waive with guard=backup before {narrow.show()['deletes_at']}" in attention
    assert "backup.partial" in [event["data"]["code"] for event in narrow.events("alarm.raised")]
    narrow.advance(days=7)
    assert narrow.state() == "cancelled"
    narrow.send("waive", guard="backup", reason="looked at")
    assert "does not count" not in str(narrow.show()["attention"])
    narrow.advance(days=3)
    assert narrow.state() == "deleted"
    assert [path.name for path in (narrow.data_dir / "sites").iterdir() if not path.name.startswith(".")] == []


def test_what_a_restore_can_not_bring_back_is_named_everywhere(world):
    world.start_trial()
    trees.specials(world.site_folder() / "attachments")
    program = world.site_folder() / "attachments" / "program"
    program.touch()
    program.chmod(0o4755)
    world.send("back_up")
    (event,) = world.events("backup.verified")
    named = {name for name in event["data"]["not_restorable_names"] if "device" not in name}
    assert named == {
        "attachments/pipe: a pipe",
        "attachments/program: its set-user-id bit",
        "attachments/socket: a socket",
    }
    assert not event["data"]["partial"]
    assert "a restore can't bring back" in world.show()["attention"]
    world.send("export")
    (event,) = world.events("export.ready")
    assert named <= set(event["data"]["not_restorable_names"])
    world.send("restore", **{"from": world.events("backup.verified")[0]["data"]["id"]})
    (done,) = world.events("site.restored")
    assert "attachments/pipe: a pipe" in done["data"]["left_out"]
    assert done["subject"] == HOST
    assert not Path(world.site_folder() / "attachments" / "pipe").exists()


def test_a_restore_is_refused_while_the_safety_backup_would_be_partial(narrow):
    big = narrow.site_folder() / "attachments" / "big\x1b.bin"
    content = big.read_bytes()
    big.unlink()
    narrow.advance(days=1)
    big.write_bytes(content)
    narrow.send("restore", **{"from": "previous_day"})
    assert "nothing was restored: the safety backup is partial" in narrow.show()["attention"]
    assert big.read_bytes() == content


def test_the_review_of_a_restore_says_what_the_backup_does_not_bring_back(narrow):
    os.mkfifo(narrow.site_folder() / "pipe")
    narrow.advance(days=1)
    said = narrow.say("restore", extra={"dryrun": True}, **{"from": "previous_day"})
    assert "does not bring back everything: 1 left out (attachments/big" in said["message"]
    assert "1 not to be made again (pipe: a pipe)" in said["message"]


def test_names_that_are_no_text_are_told_in_ascii_and_stop_nothing(narrow):
    folder = narrow.site_folder() / "attachments"
    (folder / "big\x1b.bin").unlink()
    (folder / os.fsdecode(b"link\xff\x1b[31m")).symlink_to("/etc/passwd")
    os.mkfifo(folder / os.fsdecode(b"pipe\xff\n"))
    narrow.advance(days=1)
    (folder / os.fsdecode(b"big\xff")).write_bytes(bytes(BIG))
    narrow.send("export")
    assert narrow.show()["export"]["left_out"][0].startswith("attachments/big\\udcff: its 300000 bytes")
    (folder / os.fsdecode(b"big\xff")).unlink()
    narrow.send("restore", **{"from": "previous_day"})
    (done,) = narrow.events("site.restored")
    assert done["data"]["left_out"] == ["attachments/link\\udcff\\x1b[31m", "attachments/pipe\\udcff\\n: a pipe"]
