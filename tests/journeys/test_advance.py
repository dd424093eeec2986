"""One advance of the test clock at a time, and none that takes another one's turn away."""

from datetime import timedelta

import pytest

from workers import advance

NOTHING = timedelta(0)


def test_a_second_advance_is_refused_while_one_runs(world):
    world.place.redis.set(advance.TURN, "somebody")
    with pytest.raises(ValueError, match="another advance is running"):
        advance.advance(world.place, NOTHING, 10)
    assert world.place.redis.get(advance.TURN) == b"somebody"


def test_an_advance_gives_its_turn_back(world):
    advance.advance(world.place, NOTHING, 10)
    assert not world.place.redis.exists(advance.TURN)


def test_an_advance_that_stood_still_too_long_stops_and_leaves_the_other_its_turn(world, monkeypatch):
    look = advance._state

    def somebody_comes(place):
        place.redis.set(advance.TURN, "somebody")
        monkeypatch.setattr(advance, "_state", look)

    monkeypatch.setattr(advance, "_state", somebody_comes)
    with pytest.raises(ValueError, match="another advance has taken over"):
        advance.advance(world.place, NOTHING, 10)
    assert world.place.redis.get(advance.TURN) == b"somebody"


def test_an_advance_goes_on_after_redis_was_emptied(world, monkeypatch):
    look = advance._state

    def emptied(place):
        place.redis.delete(advance.TURN)
        monkeypatch.setattr(advance, "_state", look)

    monkeypatch.setattr(advance, "_state", emptied)
    now = world.now
    assert advance.advance(world.place, timedelta(hours=1), 10) == now + timedelta(hours=1)
