"""Clocks that jump, databases that were restored, long silences: nothing fires until somebody has looked."""

from contextlib import suppress
from datetime import timedelta

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from models import breaker, clock, safety
from models.database import reading, writing
from models.timestamps import stamp
from workers.base.clock_memory import ClockMemory
from workers.queue.redis_keys import HIGH_WATER_MARK
from workers.safety import safe_mode as sanity

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


class Clocks:
    """The machine's two clocks, moved by hand; the others are ahead of it by as much as a test says."""

    def __init__(self, monkeypatch):
        self.wall, self.steady = clock.machine_now(), 1000.0
        self.of_redis = self.of_database = timedelta(0)
        monkeypatch.setattr(sanity, "machine_now", lambda: self.wall)
        monkeypatch.setattr(sanity, "steady", lambda: self.steady)
        monkeypatch.setattr(sanity, "redis_now", lambda _place: self.wall + self.of_redis)
        monkeypatch.setattr(safety, "server_now", lambda _tx: self.wall + self.of_database)

    def go_on(self, length):
        self.wall, self.steady = self.wall + length, self.steady + length.total_seconds()

    def jump(self, length):
        self.wall += length


@pytest.fixture
def clocks(monkeypatch):
    return Clocks(monkeypatch)


def allowed(world, process):
    with writing(world.context.database) as tx:
        return sanity.allows(tx, world.context, process)


def look_in_vain(world, process):
    """A look whose transaction fails."""
    with suppress(ZeroDivisionError), writing(world.context.database) as tx:
        sanity.allows(tx, world.context, process)
        raise ZeroDivisionError


def beat(world):
    sanity.beat(world.context)


def test_two_clocks_that_agree_let_timers_fire(world, clocks):
    process = ClockMemory()
    for _ in range(3):
        assert allowed(world, process)
        beat(world)
        clocks.go_on(timedelta(hours=1))


@pytest.mark.parametrize(
    ("jump", "allows"),
    [(61, False), (60, True), (-60, True), (-61, False), (400 * 86_400, False), (-400 * 86_400, False)],
)
def test_a_jump_of_more_than_a_minute_is_safe_mode(world, clocks, jump, allows):
    process = ClockMemory()
    allowed(world, process)
    clocks.go_on(timedelta(seconds=5))
    clocks.jump(timedelta(seconds=jump))

    assert allowed(world, process) is allows
    assert sanity.shown(world.context)["on"] is not allows


def test_safe_mode_outlives_the_jump_back_and_a_restart_until_an_operator_leaves_it(world, clocks):
    process = ClockMemory()
    allowed(world, process)
    clocks.jump(400 * DAY)
    assert not allowed(world, process)
    clocks.jump(-400 * DAY)

    assert not allowed(world, process)
    assert not allowed(world, ClockMemory())
    sanity.leave(world.context)
    assert allowed(world, ClockMemory())
    assert sanity.shown(world.context) == {"schema": "tenure/safe-mode/1", "on": False, "why": None, "since": None}


def test_operators_are_told_once(world, clocks):
    process = ClockMemory()
    allowed(world, process)
    clocks.jump(400 * DAY)
    for _ in range(3):
        allowed(world, process)
    world.send("show", "unknown.example.com")

    assert [event["data"]["alarm"] for event in world.events("alarm.raised")] == ["safe_mode"]


def test_a_clock_behind_the_high_water_mark_is_safe_mode_after_a_restart_too(world, clocks):
    allowed(world, ClockMemory())
    beat(world)
    clocks.jump(-timedelta(minutes=2))

    assert not allowed(world, ClockMemory())


@pytest.mark.parametrize(
    ("silence", "state"),
    [(DAY, "closed"), (DAY + timedelta(seconds=1), "paused"), (7 * DAY, "paused")],
)
def test_after_a_silence_of_more_than_a_day_deletions_wait_for_an_operator(world, clocks, silence, state):
    allowed(world, ClockMemory())
    beat(world)
    clocks.go_on(silence)

    assert allowed(world, ClockMemory())
    with reading(world.context.database) as tx:
        assert breaker.look(tx)[0] == state
    sanity.leave(world.context)
    with reading(world.context.database) as tx:
        assert breaker.look(tx)[0] == "closed"


@pytest.mark.parametrize(("was", "why"), [("paused", "paused by an operator"), ("tripped", "too many")])
def test_a_silence_lifts_no_pause_of_an_operator_and_no_tripped_breaker(world, clocks, was, why):
    beat(world)
    with writing(world.context.database) as tx:
        breaker.turn(tx, was, why, world.now)
    clocks.go_on(timedelta(hours=25))
    assert allowed(world, ClockMemory())
    sanity.leave(world.context)
    with reading(world.context.database) as tx:
        assert breaker.look(tx)[:2] == (was, why)


def test_a_silence_of_more_than_7_days_is_taken_for_a_wrong_clock(world, clocks):
    beat(world)
    clocks.go_on(7 * DAY + timedelta(seconds=1))

    assert not allowed(world, ClockMemory())
    assert "or the wall clock is wrong" in sanity.shown(world.context)["why"]


def test_a_silence_whose_transaction_failed_holds_deletions_at_the_next_look(world, clocks):
    process = ClockMemory()
    beat(world)
    clocks.go_on(2 * DAY)
    look_in_vain(world, process)

    assert allowed(world, process)
    with reading(world.context.database) as tx:
        assert breaker.look(tx)[0] == "paused"


def test_a_jump_whose_transaction_failed_is_found_again(world, clocks):
    process = ClockMemory()
    allowed(world, process)
    clocks.jump(DAY)
    look_in_vain(world, process)

    assert not allowed(world, process)
    assert sanity.shown(world.context)["on"]


@pytest.mark.parametrize("whose", ["of_redis", "of_database"])
@pytest.mark.parametrize(("apart", "allows"), [(60, True), (61, False), (-60, True), (-61, False)])
def test_a_clock_of_another_machine_that_is_a_minute_apart_is_safe_mode(world, clocks, whose, apart, allows):
    setattr(clocks, whose, timedelta(seconds=apart))

    assert allowed(world, ClockMemory()) is allows
    if not allows:
        assert "one of them is wrong" in sanity.shown(world.context)["why"]


def test_the_real_clocks_of_redis_and_of_the_database_agree_with_ours(world):
    assert allowed(world, ClockMemory())


def test_a_witness_newer_than_the_database_means_that_it_was_restored(world, clocks):
    world.start_trial()
    beat(world)
    world.context.redis.set(HIGH_WATER_MARK, stamp(clocks.wall + timedelta(seconds=5)))

    assert not allowed(world, ClockMemory())
    assert "older than it was" in sanity.shown(world.context)["why"]


def test_the_first_beat_of_a_new_process_does_not_overwrite_a_witness_that_is_newer(world, clocks):
    beat(world)
    world.context.redis.set(HIGH_WATER_MARK, stamp(clocks.wall + DAY))
    world.context.__dict__["sanity"] = ClockMemory()
    beat(world)

    assert sanity.shown(world.context)["on"]
    assert world.context.redis.get(HIGH_WATER_MARK).decode() == stamp(clocks.wall + DAY)


def test_a_database_that_is_put_back_under_a_running_clock_is_recognised(world, clocks):
    process = ClockMemory()
    beat(world)
    clocks.go_on(timedelta(minutes=5))
    beat(world)
    assert allowed(world, process)
    with writing(world.context.database) as tx:
        tx.execute(safety.SAFETY.update().values(wall_at=clocks.wall - timedelta(minutes=5)))

    assert not allowed(world, process)


@pytest.mark.parametrize("found", [None, "42"])
def test_a_missing_witness_is_written_anew(world, clocks, found):
    beat(world)
    if found is None:
        world.context.redis.flushall()
    else:
        world.context.redis.set(HIGH_WATER_MARK, found)
    assert allowed(world, ClockMemory())
    beat(world)

    assert world.context.redis.get(HIGH_WATER_MARK).decode() == stamp(clocks.wall)


def test_the_mark_rises_while_redis_is_away(world, clocks, monkeypatch):
    beat(world)
    clocks.go_on(timedelta(minutes=5))
    away = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setitem(world.context.__dict__, "redis", away)
    with pytest.raises(redis.ConnectionError):
        beat(world)

    with reading(world.context.database) as tx:
        assert safety.state(tx).wall_at == clocks.wall


def test_a_date_that_passed_in_safe_mode_is_told_anew_and_kept_48_hours_later(world, clocks):
    world.start_trial()
    world.send("cancel")
    world.advance(days=13)
    clocks.jump(400 * DAY)
    world.advance(days=3)
    assert world.state() == "cancelled"
    clocks.jump(-400 * DAY)
    world.fire()
    left = world.now
    sanity.leave(world.context)
    world.fire()
    assert world.show()["deletes_at"] == stamp(left + 2 * DAY)
    assert world.letters().count("deletion_in_48_hours") == 2
    world.advance(days=2, seconds=-1)
    assert world.state() == "cancelled"
    world.advance(seconds=1)
    assert world.state() == "deleted"


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
    sanity.leave(world.context)
    world.fire()
    assert world.state() == "active"


def test_what_is_promised_while_the_clock_is_behind_is_dated_from_the_latest_moment_that_was_seen(world, monkeypatch):
    seen = clock.machine_now()
    with writing(world.context.database) as tx:
        tx.execute(clock.CLOCK.update().values(mode="wall"))
        safety.note(tx, seen)
    for machine, engine_time in ((seen - 13 * DAY, seen), (seen, seen), (seen + TICK, seen + TICK)):
        monkeypatch.setattr(clock, "machine_now", lambda now=machine: now)
        with reading(world.context.database) as tx:
            assert clock.engine_now(tx) == engine_time
    monkeypatch.setattr(clock, "machine_now", lambda: seen - 13 * DAY)
    world.start_trial()
    assert world.send("cancel")["outcome"] == "applied"
    assert world.show()["cancelled_at"] == stamp(seen)
    assert world.show()["deletes_at"] == stamp(seen + 14 * DAY)


def test_a_clock_that_has_seen_nothing_yet_is_believed(world, monkeypatch):
    now = clock.machine_now()
    monkeypatch.setattr(clock, "machine_now", lambda: now)
    with writing(world.context.database) as tx:
        tx.execute(clock.CLOCK.update().values(mode="wall"))
        tx.execute(safety.SAFETY.delete())
        assert clock.engine_now(tx) == now
