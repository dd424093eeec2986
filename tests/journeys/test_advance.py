"""One advance of the test clock at a time, and none that takes another one's turn away."""

from datetime import timedelta

import pytest

from workers.cli import test_clock
from workers.queue.redis_keys import ADVANCE_LOCK

NOTHING = timedelta(0)


def test_a_second_advance_is_refused_while_one_runs(world):
    world.context.redis.set(ADVANCE_LOCK, "somebody")
    with pytest.raises(ValueError, match="another advance is running"):
        test_clock.advance(world.context, NOTHING, 10)
    assert world.context.redis.get(ADVANCE_LOCK) == b"somebody"


def test_an_advance_gives_its_turn_back(world):
    test_clock.advance(world.context, NOTHING, 10)
    assert not world.context.redis.exists(ADVANCE_LOCK)


def test_an_advance_that_stood_still_too_long_stops_and_leaves_the_other_its_turn(world, monkeypatch):
    look = test_clock._state

    def somebody_comes(context):
        context.redis.set(ADVANCE_LOCK, "somebody")
        monkeypatch.setattr(test_clock, "_state", look)

    monkeypatch.setattr(test_clock, "_state", somebody_comes)
    with pytest.raises(ValueError, match="another advance has taken over"):
        test_clock.advance(world.context, NOTHING, 10)
    assert world.context.redis.get(ADVANCE_LOCK) == b"somebody"


def test_an_advance_goes_on_after_redis_was_emptied(world, monkeypatch):
    look = test_clock._state

    def emptied(context):
        context.redis.delete(ADVANCE_LOCK)
        monkeypatch.setattr(test_clock, "_state", look)

    monkeypatch.setattr(test_clock, "_state", emptied)
    now = world.now
    assert test_clock.advance(world.context, timedelta(hours=1), 10) == now + timedelta(hours=1)
