"""Restoring a site: from a point or an id, content only, and whole whatever happens on the way."""

import contextlib
import os
import signal
import sys
import warnings
from contextlib import closing
from datetime import timedelta

import pytest
from pysqlite3 import dbapi2 as sqlite

from engine.backups import in_words
from models import backup
from models.database import reading
from models.timestamps import stamp, unstamp
from workers.base.errors import Permanent

DAY = timedelta(days=1)
STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def note(world, text, host="acme.example.com"):
    """Write something down in the site, as its users do."""
    folder = world.site_folder(host)
    (folder / "attachments" / "note.txt").write_text(text)
    with closing(sqlite.connect(folder / "helpdesk.db")) as database, database:
        database.execute("create table if not exists notes (text)")
        database.execute("delete from notes")
        database.execute("insert into notes values (?)", [text])


def noted(world, host="acme.example.com"):
    """What is written in the site: in its file and in its database; both or it is not whole."""
    folder = world.site_folder(host)
    with closing(sqlite.connect(folder / "helpdesk.db")) as database:
        (in_database,) = database.execute("select text from notes").fetchone()
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    in_file = (folder / "attachments" / "note.txt").read_text()
    assert in_file == in_database
    return in_file


def live_through(world, days):
    """So many days, each with a note that names it, written after the night of the day before."""
    for day in range(days):
        note(world, f"day {day}")
        world.advance(days=1)


def backups(world, host="acme.example.com"):
    with reading(world.context.database) as tx:
        return backup.backups_of(tx, world.show(host)["id"])


def safety(world):
    return [row for row in backups(world) if row.purpose == "safety"]


def without_backups(site):
    return {name: value for name, value in site.items() if name not in {"restore_points", "next"}}


@pytest.mark.parametrize(("point", "day"), [("previous_day", 9), ("7_day", 2)])
def test_a_site_restored_from_a_point_has_the_content_of_that_day(world, point, day):
    world.start_trial()
    live_through(world, 10)

    said = world.send("restore", **{"from": point})

    assert (said["outcome"], said["effects"]) == ("applied", ["restore"])
    assert noted(world) == f"day {day}"
    assert world.letters()[-1] == "restored"


def test_a_restore_changes_the_content_and_nothing_else(world):
    world.start_active(agents=7)
    note(world, "old")
    world.advance(days=2)
    note(world, "new")
    before, invoices = world.show(), world.charges()

    world.send("restore", **{"from": "previous_day"})

    after = world.show()
    assert noted(world) == "old"
    assert without_backups(after) == without_backups(before)
    assert (after["next"], world.charges()) == (before["next"], invoices)


def test_the_safety_backup_fills_no_point_and_brings_back_what_was_live(world):
    world.start_trial()
    live_through(world, 3)
    note(world, "just now")
    points = world.show()["restore_points"]

    world.send("restore", **{"from": "previous_day"})
    assert noted(world) == "day 2"
    (kept,) = safety(world)
    assert world.show()["restore_points"] == points

    world.send("restore", **{"from": kept.id})
    assert noted(world) == "just now"
    assert len(safety(world)) == 2


def test_the_review_says_how_much_time_leaves_and_fixes_the_backup(world):
    world.start_trial()
    live_through(world, 3)
    taken = unstamp(world.show()["restore_points"]["previous_day"]["taken_at"])

    seen = world.say("restore", extra={"dryrun": True}, **{"from": "previous_day"})

    assert seen["outcome"] == "preview"
    assert f"will be as it was at {stamp(taken)}" in seen["notes"][0]
    assert f": {in_words(world.now - taken)} of data leave" in seen["notes"][0]
    assert noted(world) == "day 2"
    world.advance(minutes=14)
    done = world.send("restore", extra={"review": seen["review"]}, **{"from": "previous_day"})
    assert done["outcome"] == "applied"


def test_a_review_is_stale_once_the_point_means_another_backup(world):
    world.start_trial()
    world.advance(days=2)
    night = next(step["at"] for step in world.show()["next"] if step["what"] == "back_up_nightly")
    world.advance_to(unstamp(night) - timedelta(minutes=1))
    seen = world.say("restore", extra={"dryrun": True}, **{"from": "previous_day"})
    world.advance(minutes=2)

    said = world.send("restore", extra={"review": seen["review"]}, **{"from": "previous_day"})

    assert (said["outcome"], said["code"]) == ("refused", "review.stale")


def test_a_point_that_does_not_exist_yet_is_refused_with_the_moment_from_which_it_can(world):
    world.start_trial()
    night = next(step["at"] for step in world.show()["next"] if step["what"] == "back_up_nightly")
    said = world.send("restore", **{"from": "previous_day"})
    assert (said["code"], night in said["message"]) == ("restore.no_such_point", True)

    world.advance_to(night)
    assert world.say("restore", extra={"dryrun": True}, **{"from": "previous_day"})["outcome"] == "preview"
    said = world.send("restore", **{"from": "7_day"})
    assert stamp(unstamp(night) + 7 * DAY) in said["message"]

    world.advance_to(unstamp(night) + 7 * DAY - timedelta(microseconds=1))
    assert world.send("restore", **{"from": "7_day"})["code"] == "restore.no_such_point"
    world.advance(microseconds=1)
    assert world.send("restore", **{"from": "7_day"})["outcome"] == "applied"


def test_a_backup_of_another_site_is_no_point_of_this_one(world):
    world.start_trial()
    world.start_trial("other.example.com")
    world.advance(days=1)
    (other,) = backups(world, "other.example.com")

    assert world.send("restore", **{"from": other.id})["code"] == "restore.no_such_point"


def test_a_hold_refuses_a_restore_and_stops_one_that_was_decided_before(world):
    world.start_trial()
    live_through(world, 2)
    note(world, "live")
    world.say("restore", **{"from": "previous_day"})
    world.say("hold", reason="court order 7")
    world.rest()

    assert noted(world) == "live"
    assert "a hold is on the site" in world.show()["attention"]
    assert world.send("restore", **{"from": "previous_day"})["code"] == "hold.active"

    world.send("release")
    assert world.send("retry")["outcome"] == "no_op"
    assert noted(world) == "live"
    world.send("restore", **{"from": "previous_day"})
    assert noted(world) == "day 1"
    assert world.show()["attention"] is None


def test_a_hold_that_comes_while_a_restore_is_prepared_stops_it_before_the_swap(world, monkeypatch):
    world.start_trial()
    live_through(world, 2)
    note(world, "live")
    world.say("restore", **{"from": "previous_day"})
    extract = world.context.vault.extract

    def held_meanwhile(*args):
        left_out = extract(*args)
        world.say("hold", reason="court order 7")
        return left_out

    monkeypatch.setattr(world.context.vault, "extract", held_meanwhile)
    world.rest()

    assert noted(world) == "live"
    assert "a hold is on the site" in world.show()["attention"]


def test_a_restore_that_gave_up_is_not_made_later_when_another_has_been(world):
    world.start_trial()
    live_through(world, 3)
    world.say("restore", **{"from": backups(world)[0].id})
    world.say("hold", reason="court order 7")
    world.rest()
    world.send("release")
    world.send("restore", **{"from": "previous_day"})
    assert noted(world) == "day 2"

    world.send("retry")
    assert noted(world) == "day 2"


def test_links_that_a_restore_leaves_out_are_told_to_operators(world, log_lines):
    world.start_trial()
    note(world, "day 0")
    (world.site_folder() / "attachments" / "shared").symlink_to("/srv/shared")
    world.advance(days=1)
    world.send("restore", **{"from": "previous_day"})

    assert not (world.site_folder() / "attachments" / "shared").is_symlink()
    alarms = [line for line in log_lines.read_text().splitlines() if '"msg": "alarm"' in line]
    assert any("links that lead out of the site were not made again: attachments/shared" in line for line in alarms)


def test_a_failure_leaves_the_site_as_it_was_and_says_so(world, monkeypatch):
    world.start_trial()
    live_through(world, 2)
    note(world, "live")
    row = backups(world)[-1]
    archive = world.data_dir / "backups" / row.site_id / f"{row.id}.tar.zst"
    content = archive.read_bytes()
    archive.write_bytes(content[:-20] + bytes(20))

    world.send("restore", **{"from": "previous_day"})

    assert noted(world) == "live"
    assert row.id in world.show()["attention"]
    assert world.show()["online"]
    archive.write_bytes(content)
    world.send("retry")
    assert noted(world) == "live"
    world.send("restore", **{"from": "previous_day"})
    assert noted(world) == "day 1"


def test_a_restored_site_has_the_entitlements_of_now_not_those_of_the_backup(world, monkeypatch):
    """The site is suspended while its restore is swapped in."""
    world.start_trial()
    live_through(world, 2)
    world.say("restore", **{"from": "previous_day"})
    swap = world.context.host.replace

    def suspended_meanwhile(*args, **more):
        world.say("suspend", reason="abuse")
        swap(*args, **more)

    monkeypatch.setattr(world.context.host, "replace", suspended_meanwhile)
    world.rest()

    assert noted(world) == "day 1"
    assert '"online": false' in (world.site_folder() / ".tenure.json").read_text()


def test_another_worker_that_took_it_over_is_not_disturbed(world, monkeypatch):
    world.start_trial()
    live_through(world, 2)
    note(world, "live")
    world.say("restore", **{"from": "previous_day"})
    monkeypatch.setattr("models.effect.extend_lease", _lost)
    world.rest()
    assert noted(world) == "live"


def _lost(*_claim):
    return False


class Killer:
    """Kills its own process at its so-many-th touch of the disk under a folder of the data."""

    def __init__(self, number):
        self.left = number

    def __call__(self, event, arguments):
        if event in STEPS and any(part in str(arguments[0]) for part in ("/sites/", "/backups/")):
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def killed_at(world, number):
    """Do what waits in a process that is killed at a step; whether it lived to the end."""
    world.context.database.dispose()
    world.context.redis.connection_pool.disconnect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            sys.addaudithook(Killer(number))
            world.rest()
            os._exit(0)
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "it failed instead of being killed"
    return os.WIFEXITED(status)


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_each_step_the_site_is_the_old_or_the_restored_one_and_the_retry_finishes(world, stride):
    world.context.__dict__["lease"] = timedelta(seconds=0)
    world.start_trial()
    live_through(world, 2)
    met, number, lived = [], 0, False
    while not lived:
        note(world, f"live {number}")
        world.say("restore", **{"from": "previous_day"})
        waiting = list(world.wakeups.waiting)

        lived = killed_at(world, number)

        found = noted(world)
        assert found in {f"live {number}", "day 1"}
        met.append(found)
        world.wakeups.waiting = waiting
        world.rest()
        assert noted(world) == "day 1"
        assert world.open_effects() == []
        number += stride
    assert met[0] == "live 0"
    assert met[-1] == "day 1"


def test_a_restore_of_a_backup_that_is_gone_is_permanent(world):
    world.start_trial()
    live_through(world, 2)
    row = backups(world)[-1]
    (world.data_dir / "backups" / row.site_id / f"{row.id}.tar.zst").unlink()
    with pytest.raises(Permanent, match="not there"):
        world.context.vault.verify(row.site_id, row.id)
    world.send("restore", **{"from": "previous_day"})
    assert row.id in world.show()["attention"]
    assert noted(world) == "day 1"
