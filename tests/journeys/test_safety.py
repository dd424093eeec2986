"""Clocks that jump, databases that were restored, long silences: nothing fires until somebody has looked."""

from datetime import timedelta

import pytest

from models import breaker, clock, safety
from models.database import reading, writing
from workers import safety as sanity
from workers.sanity import Sanity

DAY = timedelta(days=1)


class Clocks:
    """The machine's two clocks, moved by hand."""

    def __init__(self, monkeypatch):
        self.wall, self.steady = clock.machine_now(), 1000.0
        monkeypatch.setattr(sanity, "machine_now", lambda: self.wall)
        monkeypatch.setattr(sanity, "steady", lambda: self.steady)

    def go_on(self, length):
        self.wall, self.steady = self.wall + length, self.steady + length.total_seconds()

    def jump(self, length):
        self.wall += length


@pytest.fixture
def clocks(monkeypatch):
    return Clocks(monkeypatch)


def allowed(world, process):
    with writing(world.place.database) as tx:
        return sanity.allows(tx, world.place, process)


def beat(world):
    with writing(world.place.database) as tx:
        sanity.beat(tx, world.place)


def test_two_clocks_that_agree_let_timers_fire(world, clocks):
    process = Sanity()
    for _ in range(3):
        assert allowed(world, process)
        beat(world)
        clocks.go_on(timedelta(hours=1))


@pytest.mark.parametrize(
    ("jump", "allows"),
    [(61, False), (60, True), (-60, True), (-61, False), (400 * 86_400, False), (-400 * 86_400, False)],
)
def test_a_jump_of_more_than_a_minute_is_safe_mode(world, clocks, jump, allows):
    process = Sanity()
    allowed(world, process)
    clocks.go_on(timedelta(seconds=5))
    clocks.jump(timedelta(seconds=jump))

    assert allowed(world, process) is allows
    assert sanity.shown(world.place)["on"] is not allows


def test_safe_mode_outlives_the_jump_back_and_a_restart_until_an_operator_leaves_it(world, clocks):
    process = Sanity()
    allowed(world, process)
    clocks.jump(400 * DAY)
    assert not allowed(world, process)
    clocks.jump(-400 * DAY)

    assert not allowed(world, process)
    assert not allowed(world, Sanity())
    sanity.leave(world.place)
    assert allowed(world, Sanity())
    assert sanity.shown(world.place) == {"schema": "tenure/safe-mode/1", "on": False, "why": None, "since": None}


def test_operators_are_told_once(world, clocks):
    process = Sanity()
    allowed(world, process)
    clocks.jump(400 * DAY)
    for _ in range(3):
        allowed(world, process)
    world.send("show", "unknown.example.com")

    assert [event["data"]["alarm"] for event in world.events("alarm.raised")] == ["safe_mode"]


def test_a_clock_behind_the_high_water_mark_is_safe_mode_after_a_restart_too(world, clocks):
    allowed(world, Sanity())
    beat(world)
    clocks.jump(-timedelta(minutes=2))

    assert not allowed(world, Sanity())


@pytest.mark.parametrize(("silence", "state"), [(DAY, "closed"), (DAY + timedelta(seconds=1), "paused")])
def test_after_a_silence_of_more_than_a_day_deletions_wait_for_an_operator(world, clocks, silence, state):
    allowed(world, Sanity())
    beat(world)
    clocks.go_on(silence)

    assert allowed(world, Sanity())
    with reading(world.place.database) as tx:
        assert breaker.look(tx)[0] == state
    sanity.leave(world.place)
    with reading(world.place.database) as tx:
        assert breaker.look(tx)[0] == "closed"


def test_a_witness_newer_than_the_database_means_that_it_was_restored(world, clocks):
    world.start_trial()
    beat(world)
    world.place.redis.set(sanity.WITNESS, 10_000)

    assert not allowed(world, Sanity())
    assert "older than it was" in sanity.shown(world.place)["why"]


def test_a_missing_witness_is_written_anew(world, clocks):
    world.start_trial()
    assert allowed(world, Sanity())
    beat(world)

    with reading(world.place.database) as tx:
        assert int(world.place.redis.get(sanity.WITNESS)) == safety.progress(tx) > 0


def test_no_timer_fires_in_safe_mode_and_commands_go_on(world, clocks):
    world.start_trial()
    world.advance(days=29)
    clocks.jump(400 * DAY)
    world.advance(days=40)

    assert world.state() == "trial"
    assert world.send("subscribe", agents=7, payment_method="pm_visa")["outcome"] == "applied"
    clocks.jump(-400 * DAY)
    world.fire()
    assert world.state() == "trial_subscribed"
    sanity.leave(world.place)
    world.fire()
    assert world.state() == "active"
