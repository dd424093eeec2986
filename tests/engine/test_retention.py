"""Which backups are kept: 400 days of nights that fail, come late or come twice."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.retention import MOST, OTHERS, POINTS, Kept, nightly, restore_points, to_keep
from tests.engine.lab import DAY, HOUR, T0, TICK

NIGHTS = st.one_of(
    st.just(0.0),
    st.sampled_from([None, None, 0.0, 1.0, 23.9]),
    st.floats(0, 23.99),
)
"""A night: on time, failed, or so many hours late."""


def night(moment):
    return Kept(f"bkp_{moment:%Y%m%d%H%M%S%f}", "nightly", moment)


def lived(nights, others=()):
    """Day after day, with what is kept at each night, before and after it was pruned."""
    kept = list(others)
    for day, late in enumerate(nights):
        if late is None:
            continue
        now = T0 + day * DAY + late * HOUR
        before = [*kept, night(now)]
        stays = to_keep(before, now)
        kept = [one for one in before if one.id in stays]
        yield now, before, kept


def ages(backups, now):
    return {name: now - one.taken_at for name, one in restore_points(backups, now).items() if one}


@settings(max_examples=60, deadline=None)
@given(st.lists(NIGHTS, min_size=400, max_size=400))
def test_400_days_keep_every_point_the_last_good_one_and_16_at_most(nights):
    every = []
    for now, before, kept in lived(nights):
        every.append(night(now))
        assert restore_points(kept, now) == restore_points(before, now)
        assert night(now) in kept
        assert len(nightly(kept)) <= MOST
        assert {one for one in every if one.taken_at > now - 7 * DAY} <= set(kept) or len(kept) == MOST


@settings(max_examples=60, deadline=None)
@given(st.lists(NIGHTS, min_size=120, max_size=120))
def test_a_point_is_never_more_than_8_days_older_than_the_best_that_ever_was(nights):
    every = []
    for now, _, kept in lived(nights):
        every.append(night(now))
        best, found = ages(every, now), ages(kept, now)
        assert set(best) == set(found)
        assert found["previous_day"] == best["previous_day"]
        assert all(found[name] <= best[name] + 8 * DAY for name in best)


def test_when_every_night_succeeds_the_points_are_as_young_as_promised():
    for now, _, kept in list(lived([0.0] * 400))[44:]:
        found = ages(kept, now)
        assert found["previous_day"] == 0 * DAY
        assert found["7_day"] == 7 * DAY
        assert 30 * DAY <= found["30_day"] <= 37 * DAY
        gaps = [after.taken_at - one.taken_at for one, after in pairwise(nightly(kept))]
        assert max(gaps) <= 7 * DAY
        assert len(kept) <= MOST


def test_the_last_good_one_never_expires():
    (now, _, kept) = list(lived([0.0]))[-1]
    assert to_keep(kept, now + 4000 * DAY) == {kept[0].id}
    only = [Kept("bkp_1", "safety", T0)]
    assert to_keep(only, T0 + 4000 * DAY) == {"bkp_1"}


@pytest.mark.parametrize("purpose", ["on_demand", "safety", "final"])
def test_what_fills_no_point_is_kept_for_30_days(purpose):
    one, tonight = Kept("bkp_x", purpose, T0), T0 + OTHERS
    assert "bkp_x" in to_keep([one, night(tonight - TICK)], tonight - TICK)
    assert "bkp_x" not in to_keep([one, night(tonight)], tonight)
    assert restore_points([one], tonight) == dict.fromkeys(POINTS)


def test_eight_days_are_kept_whole_and_the_ninth_is_thinned():
    for now, _, kept in list(lived([0.0] * 100))[50:]:
        assert [now - one.taken_at for one in nightly(kept)][-8:] == [day * DAY for day in range(7, -1, -1)]


def test_too_many_nights_in_a_few_days_lose_the_nearest_first():
    many = [night(T0 + number * HOUR) for number in range(40)]
    now = many[-1].taken_at
    kept = [one for one in many if one.id in to_keep(many, now)]
    assert len(kept) == MOST
    assert kept[-1] == many[-1]
    assert max(after.taken_at - one.taken_at for one, after in pairwise(kept)) <= timedelta(hours=6)
