"""Nights that fail: tried again within the day, told once when a restore point is missed, and well again."""

from datetime import timedelta

import pytest

from models.timestamps import unstamp
from workers.base.errors import Permanent
from workers.commands import dead_letters, log_lines

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def night(world):
    return unstamp(next(step["at"] for step in world.show()["next"] if step["what"] == "back_up_nightly"))


def newest(world):
    return unstamp(world.show()["restore_points"]["previous_day"]["taken_at"])


def _full(*_call):
    raise Permanent("the store is full")


@pytest.fixture
def trial(world):
    """A site with two good nights."""
    world.start_trial()
    world.advance_to(night(world))
    world.advance_to(night(world))
    return world


@pytest.fixture
def broken(trial, monkeypatch):
    """The same, with a store that takes nothing any more."""
    with monkeypatch.context() as patch:
        patch.setattr(trial.context.vault, "save", _full)
        yield trial, patch


def test_a_night_that_gave_up_is_tried_again_on_the_same_day_and_says_so_meanwhile(broken):
    world, patch = broken
    last = newest(world)
    world.advance_to(last + DAY)
    assert newest(world) == last
    assert "tried again at" in world.show()["attention"]
    assert night(world) == last + DAY + timedelta(hours=4)

    patch.undo()
    world.advance(hours=4)
    assert newest(world) == last + DAY + timedelta(hours=4)
    assert world.show()["attention"] is None
    assert night(world) == last + 2 * DAY
    assert dead_letters.listing(world.context)["dead"] == []


def test_a_previous_day_older_than_two_days_is_an_alarm_and_one_of_two_days_is_none(broken):
    world, _ = broken
    last = newest(world)
    world.advance_to(last + 2 * DAY)
    assert world.events("alarm.raised") == []
    world.advance_to(last + 2 * DAY + TICK)

    (alarm,) = world.events("alarm.raised")
    assert (alarm["data"]["alarm"], alarm["data"]["points"]) == ("restore_point.missing", ["previous_day"])
    assert alarm["data"]["site"] == "acme.example.com"
    assert "previous_day (older than 2 days)" in world.show()["attention"]


def test_an_alarm_is_told_once_until_it_is_well_again(broken, monkeypatch):
    world, patch = broken
    lines = []
    monkeypatch.setattr(log_lines.log, "warning", lambda word, **keys: lines.append((word, keys.get("code"))))
    world.advance(days=6)
    assert len(world.events("alarm.raised")) == 1
    assert lines.count(("alarm", "restore_point.missing")) == 1

    patch.undo()
    world.advance(days=1)
    assert world.show()["attention"] is None
    patch.setattr(world.context.vault, "save", _full)
    world.advance(days=3)
    assert len(world.events("alarm.raised")) == 2


def test_the_first_night_is_missed_two_days_after_ready(world, monkeypatch):
    monkeypatch.setattr(world.context.vault, "save", _full)
    ready = unstamp(world.start_trial()["ready_at"])
    world.advance_to(ready + 2 * DAY)
    assert world.events("alarm.raised") == []
    world.advance(microseconds=1)
    assert len(world.events("alarm.raised")) == 1


def test_each_older_point_is_missed_in_its_turn(broken):
    world, _ = broken
    world.send("subscribe", agents=5, payment_method="pm_visa")
    last = newest(world)
    world.advance_to(last + 14 * DAY)
    assert len(world.events("alarm.raised")) == 1
    world.advance(days=1)
    assert [event["data"]["points"] for event in world.events("alarm.raised")] == [["previous_day"], ["7_day"]]
    world.advance_to(last + 45 * DAY)
    assert world.events("alarm.raised")[-1]["data"]["points"] == ["30_day"]


def test_a_site_without_nights_misses_nothing_and_one_that_returns_counts_from_its_return(trial):
    trial.send("suspend", reason="abuse")
    trial.advance(days=10)
    assert trial.show()["attention"] is None
    trial.send("resume")
    trial.advance(days=5)
    assert trial.events("alarm.raised") == []


def test_retry_tries_a_failed_night_at_once(broken):
    world, patch = broken
    world.advance_to(newest(world) + DAY)
    patch.undo()
    said = world.send("retry")

    assert said["outcome"] == "applied"
    assert newest(world) == world.now
    assert world.show()["attention"] is None
    assert world.open_effects() == []
