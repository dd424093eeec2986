"""The one form of a moment, against Python's own."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from engine.words import moment
from models.timestamps import stamp, unstamp

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))])
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)  # noqa: DTZ001 - the zones are given


@given(MOMENTS)
def test_a_stamp_has_six_digits_and_z_and_is_read_back_as_the_same_moment(at):
    assert stamp(at) == moment(at)
    assert len(stamp(at)) == len("2026-01-31T09:30:00.000000Z")
    assert unstamp(stamp(at)) == at


def test_a_whole_second_has_its_six_digits():
    assert stamp(datetime(2026, 1, 31, 9, 30, tzinfo=UTC)) == "2026-01-31T09:30:00.000000Z"
