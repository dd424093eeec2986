"""Nights that fail, points that are missed, restores that are reviewed: the law alone."""

from datetime import timedelta

import pytest

import engine
from engine.backups import in_words
from engine.faults import attention
from engine.nights import next_try
from engine.retention import Kept, missed
from engine.words import addresses_in, masked
from tests.engine.lab import DAY, HOUR, TICK, at

BAD_NIGHT = {"kind": "back_up", "purpose": "nightly", "error": "no room"}


def night(lab, *backups):
    """Fire the night now, with these backups known."""
    lab.now = lab.timers()["back_up_nightly"]
    return lab.take(lab.judge("back_up_nightly", backups=backups))


def test_a_bad_night_is_tried_again_after_four_hours_and_a_good_one_ends_it():
    lab = at("trial")
    lab.stuck = {"back_up"}
    night(lab, Kept("bkp_1", "nightly", lab.now))
    lab.say("gave_up", **BAD_NIGHT)
    assert lab.timers()["back_up_nightly"] == lab.now + 4 * HOUR
    assert "tried again" in attention(lab.site)
    assert "site.retry" in engine.allowed(lab.site, lab.now, lab.policy)

    lab.say("backup_verified", purpose="nightly", taken_at=lab.now)
    assert attention(lab.site) is None
    assert lab.timers()["back_up_nightly"] > lab.now + 4 * HOUR


def test_the_moment_at_which_the_previous_day_is_too_old_is_due_and_tells_once():
    lab = at("trial")
    lab.stuck = {"back_up"}
    ready = lab.site.ready_at
    while lab.timers()["back_up_nightly"] <= ready + 2 * DAY:
        assert not night(lab).events
    assert lab.timers()["back_up_nightly"] == ready + 2 * DAY + TICK
    assert [event.type for event in night(lab).events] == ["alarm.raised"]
    assert "previous_day (older than 2 days)" in attention(lab.site)
    assert not night(lab).events

    lab.say("backup_verified", purpose="nightly", taken_at=lab.now)
    assert attention(lab.site) is None


def test_a_site_without_nights_has_no_trouble_and_one_from_before_has_no_such_moment():
    lab = at("trial")
    lab.say("gave_up", **BAD_NIGHT)
    lab.say("suspend", reason="abuse")
    assert attention(lab.site) is None
    old = engine.Site("site_1", "h", "a", "e", "trial", lab.now, ready_at=lab.now)
    assert next_try(old) - lab.now <= DAY


@pytest.mark.parametrize(("point", "days"), [("previous_day", 2), ("7_day", 14), ("30_day", 44)])
def test_a_point_is_missed_when_it_is_older_than_its_bound_and_not_when_it_is_as_old(point, days):
    lab = at("trial")
    only = [Kept("bkp_1", "nightly", lab.now)]
    assert point not in missed(only, lab.now - DAY, lab.now + days * DAY)
    assert point in missed(only, lab.now - DAY, lab.now + days * DAY + TICK)
    assert point not in missed(only, lab.now + TICK, lab.now + days * DAY + TICK)
    assert point in missed([], lab.now, lab.now + days * DAY + TICK)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(days=7, hours=3, minutes=5), "7 days 3 hours"),
        (timedelta(minutes=20), "20 minutes"),
        (timedelta(days=1, seconds=1), "1 day 1 second"),
        (TICK, "0 seconds"),
    ],
)
def test_a_length_is_told_in_its_two_largest_units(length, words):
    assert in_words(length) == words


def test_an_address_is_masked_in_what_the_law_says():
    assert masked("to owner@acme.example now") == "to *** now"
    assert addresses_in("<owner@acme.example>, @") == {"owner@acme.example"}
    assert addresses_in("nobody") == set()
