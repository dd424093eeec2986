"""Money against tables that were worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest

import engine
from engine.case import Case
from engine.dunning import last_try_is_over, needs_notice, next_try_at, suspends_at
from engine.periods import add_months, next_boundary, prorate, seconds_left
from tests.engine.lab import DAY, HOUR, POLICY, T0, TICK, Lab, at


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# agents, price, seconds left, seconds of the period, cents (by hand: agents * price * left ÷ whole, half up)
PRORATION = [
    (1, 2000, 2_592_000, 2_592_000, 2000),
    (1, 2000, 1_296_000, 2_592_000, 1000),
    (3, 2000, 864_000, 2_592_000, 2000),
    (1, 2000, 86_400, 2_678_400, 65),  # 64.516
    (7, 2000, 86_400, 2_678_400, 452),  # 451.613
    (1, 2000, 1, 2_592_000, 0),  # 0.0008
    (1, 2000, 648, 2_592_000, 1),  # 0.5, half up
    (1, 2000, 647, 2_592_000, 0),  # 0.4992
    (1, 1, 1, 2, 1),  # 0.5, half up
    (3, 1, 1, 2, 2),  # 1.5, half up
    (1, 2001, 1, 2, 1001),  # 1000.5, half up
    (0, 2000, 1_296_000, 2_592_000, 0),
    (100_000, 10_000_000, 2_678_399, 2_678_400, 999_999_626_643),  # 999,999,626,642.77…
]


@pytest.mark.parametrize(("agents", "price", "left", "whole", "cents"), PRORATION)
def test_a_share_is_rounded_once_and_half_up(agents, price, left, whole, cents):
    assert prorate(agents, price, left, whole) == cents


ANCHORS = {
    "2026-01-31T09:00": ["2026-02-28T09:00", "2026-03-31T09:00", "2026-04-30T09:00", "2026-05-31T09:00"],
    "2027-12-31T23:59": ["2028-01-31T23:59", "2028-02-29T23:59", "2028-03-31T23:59", "2028-04-30T23:59"],
    "2028-02-29T00:00": ["2028-03-29T00:00", "2028-04-29T00:00", "2028-05-29T00:00", "2028-06-29T00:00"],
    "2026-03-29T00:30": [
        "2026-04-29T00:30",
        "2026-05-29T00:30",
        "2026-06-29T00:30",
        "2026-07-29T00:30",
    ],  # DST in Europe
    "2026-10-25T02:30": ["2026-11-25T02:30", "2026-12-25T02:30", "2027-01-25T02:30", "2027-02-25T02:30"],  # and back
    "2026-12-15T12:00": ["2027-01-15T12:00", "2027-02-15T12:00", "2027-03-15T12:00", "2027-04-15T12:00"],
}


@pytest.mark.parametrize(("anchor", "dates"), ANCHORS.items())
def test_billing_dates_count_from_the_anchor_and_are_clamped_to_the_month(anchor, dates):
    start = day(anchor)
    assert [add_months(start, month) for month in range(1, 5)] == [day(date) for date in dates]
    found = start
    for date in dates:
        found = next_boundary(start, found)
        assert found == day(date)


def test_the_29_of_february_comes_back_only_in_leap_years():
    start = day("2028-02-29T00:00")
    assert add_months(start, 12) == day("2029-02-28T00:00")
    assert add_months(start, 48) == day("2032-02-29T00:00")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-02-28T08:59", "2026-02-28T09:00"),
        ("2026-02-28T09:00", "2026-03-31T09:00"),
        ("2026-03-01T00:00", "2026-03-31T09:00"),
        ("2026-01-31T09:00", "2026-02-28T09:00"),
        ("2025-12-01T00:00", "2026-01-31T09:00"),
    ],
)
def test_the_next_boundary_is_strictly_later(after, expected):
    assert next_boundary(day("2026-01-31T09:00"), day(after)) == day(expected)


def test_seconds_left_are_whole_and_never_negative():
    end = T0 + DAY
    assert seconds_left(T0, end) == 86_400
    assert seconds_left(T0 + TICK, end) == 86_399
    assert seconds_left(end - timedelta(seconds=1), end) == 1
    assert seconds_left(end - timedelta(seconds=1) + TICK, end) == 0
    assert seconds_left(end + DAY, end) == 0


def test_a_year_of_a_site_that_began_to_pay_on_31_january_keeps_its_anchor():
    lab = Lab(now=day("2026-01-01T09:00"))
    lab.say("start_trial", account="a", email="e@x.example")
    lab.say("subscribe", agents=3, payment_method="pm_ok")
    lab.advance(days=365)
    starts = [start.strftime("%m-%d") for start, _ in lab.paid()]
    assert starts == [
        *("01-31", "02-28", "03-31", "04-30", "05-31", "06-30"),
        *("07-31", "08-31", "09-30", "10-31", "11-30", "12-31"),
    ]
    assert lab.amounts() == [6000] * 12
    assert all(end == start for (_, end), (start, _) in zip(lab.paid(), lab.paid()[1:], strict=False))


# Charge Now, in a period of 28 days = 2,419,200 s that began on 31 January at 09:00; 3 agents at 2000


def active():
    return at("active")


@pytest.mark.parametrize(
    ("length", "agents", "cents"),
    [
        ({"days": 0}, 4, 2000),
        ({"days": 14}, 4, 1000),
        ({"days": 7}, 5, 3000),  # 2 * 2000 * 21 ÷ 28
        ({"days": 1}, 4, 1929),  # 2000 * 27 ÷ 28 = 1928.57
        ({"days": 27}, 4, 71),  # 2000 ÷ 28 = 71.43
        ({"days": 27, "hours": 12}, 4, None),  # 35.71 is under 50: nothing is charged
        ({"days": 27, "hours": 12}, 5, 71),
        ({"days": 27, "hours": 23, "minutes": 59, "seconds": 59}, 4, None),  # 0.0008
        ({"days": 27, "hours": 23, "minutes": 59, "seconds": 59}, 100_000, 83),  # 99,997 * 2000 ÷ 2,419,200 = 82.67
    ],
)
def test_more_agents_are_charged_for_the_time_left(length, agents, cents):
    lab = active().advance(**length)
    decision = lab.say("change_plan", agents=agents)
    assert (decision.charge.amount_cents if decision.charge else None) == cents
    assert lab.site.agents_allowed == agents
    assert lab.amounts()[1:] == ([cents] if cents else [])


def test_three_changes_in_one_period_are_three_shares_of_what_was_added():
    lab = active()
    lab.advance(days=7).say("change_plan", agents=5)  # 2 * 2000 * 21 ÷ 28 = 3000
    lab.advance(days=7).say("change_plan", agents=6)  # 1 * 2000 * 14 ÷ 28 = 1000
    lab.advance(days=7).say("change_plan", agents=10)  # 4 * 2000 * 7 ÷ 28 = 2000
    assert lab.amounts() == [6000, 3000, 1000, 2000]
    lab.advance(days=7)
    assert lab.amounts()[-1] == 20_000


def test_the_smallest_charge_is_charged_and_a_cent_less_is_not():
    lab = active()
    left = 60_480  # 2000 * 60,480 ÷ 2,419,200 = 50 exactly
    lab.now = lab.site.period_ends_at - timedelta(seconds=left)
    assert lab.judge("change_plan", {"agents": 4}).charge.amount_cents == 50
    lab.now += timedelta(seconds=605)  # 49.4998
    assert lab.judge("change_plan", {"agents": 4}).charge is None


def test_half_a_cent_is_rounded_up_in_a_charge():
    lab = Lab(policy=engine.Policy(price_cents=25, min_charge_cents=0))
    lab.say("start_trial", account="a", email="e@x.example")
    lab.say("subscribe", agents=1, payment_method="pm_ok")
    lab.advance(days=44)  # the middle of 28 days
    assert lab.judge("change_plan", {"agents": 2}).charge.amount_cents == 13  # 12.5
    assert lab.judge("change_plan", {"agents": 4}).charge.amount_cents == 38  # 37.5
    assert lab.judge("change_plan", {"agents": 3}).charge.amount_cents == 25


def test_the_arithmetic_is_told_in_words():
    lab = active().advance(days=7)
    notes = lab.judge("change_plan", {"agents": 5}).notes
    assert notes[0] == ("2 agents added × USD 20.00 × 1814400 s left ÷ 2419200 s of this period = USD 30.00")
    assert "USD 30.00 are charged now (change_plan)" in notes


def test_an_amount_recomputes_from_its_invoice():
    lab = active().advance(days=3, hours=5, seconds=17)
    lab.say("change_plan", agents=9)
    for row in lab.invoices.values():
        one = row["invoice"]
        assert one.amount_cents == prorate(one.agents, one.unit_price_cents, one.seconds, one.of_seconds)


def test_a_review_fixes_the_moment_and_so_the_amount():
    lab = active().advance(days=14)
    quoted = lab.now
    lab.advance(minutes=14)
    later = lab.judge("change_plan", {"agents": 9}).charge.amount_cents
    held = lab.judge("change_plan", {"agents": 9}, quoted_at=quoted)
    assert held.charge.amount_cents == 6000
    assert later < 6000
    invoice = next(entry for entry in held.entries if isinstance(entry, engine.Invoice))
    assert (invoice.period_start, invoice.seconds) == (quoted, 14 * 86_400)


def test_a_review_from_before_the_period_never_charges_more_than_a_whole_period():
    lab = active()
    lab.now = lab.site.period_ends_at - 5 * timedelta(minutes=1)
    quoted = lab.now
    lab.advance(minutes=10)
    assert lab.judge("change_plan", {"agents": 4}, quoted_at=quoted).charge.amount_cents == 2000


def test_a_change_after_the_period_and_before_its_renewal_costs_nothing_for_the_old_one():
    lab = active()
    lab.now = lab.site.period_ends_at
    assert lab.say("change_plan", agents=9).charge is None
    lab.advance(minutes=1)
    assert lab.amounts() == [6000, 18_000]


# The ladder, in days and hours after the first decline

LADDER = [
    # tried after, noticed after, next try after
    (0, None, 24),
    (24, None, 72),
    (72, None, 120),
    (120, 120, 168),
    (167, None, 168),
    (168, None, 192),  # the notice could not be sent: a try a day until it is
    (200, None, 224),
    (20, None, 24),
    (30, None, 72),  # somebody pressed "Pay Invoice" in between
    (150, 121, 169),  # told an hour late: 48 h after that
    (200, 200, 248),  # told after a silence
]


@pytest.mark.parametrize(("tried", "noticed", "next_try"), LADDER)
def test_the_ladder_stands_at_days_1_3_5_and_7(tried, noticed, next_try):
    owed = engine.Owed(
        *("inv", 6000, 3, T0, T0 + 28 * DAY),
        declined_at=T0,
        tried_at=T0 + tried * HOUR,
        noticed_at=None if noticed is None else T0 + noticed * HOUR,
    )
    assert next_try_at(owed, POLICY) == T0 + next_try * HOUR


def test_a_period_that_was_never_declined_has_no_ladder():
    owed = engine.Owed("inv", 6000, 3, T0, T0 + 28 * DAY)
    assert next_try_at(owed, POLICY) is None
    assert suspends_at(owed, POLICY) is None
    assert not needs_notice(owed, T0 + 9 * DAY, POLICY)
    assert not last_try_is_over(Case(at("active").site, engine.Command("site.pay", "s", "1"), T0, POLICY))


def test_the_notice_is_due_two_days_before_the_suspension_and_only_once():
    owed = engine.Owed("inv", 6000, 3, T0, T0 + 28 * DAY, declined_at=T0)
    assert not needs_notice(owed, T0 + 5 * DAY - TICK, POLICY)
    assert needs_notice(owed, T0 + 5 * DAY, POLICY)


def test_a_card_that_is_always_declined_is_tried_on_days_0_1_3_5_and_7():
    lab = at("past_due")
    start = lab.now
    lab.advance(days=20)
    assert [(row["at"] - start) / DAY for row in lab.payments.values()] == [0, 1, 3, 5, 7]
    assert len(lab.invoices) == 1


def test_keys_of_payments_are_the_same_when_a_restored_database_asks_again():
    lab = active().advance(days=3)
    first = lab.judge("change_plan", {"agents": 9}, id="x")
    lab.advance(hours=5)
    again = lab.judge("change_plan", {"agents": 9}, id="x")
    other = lab.judge("change_plan", {"agents": 9}, id="y")
    keys = [next(e.id for e in found.entries if isinstance(e, engine.Payment)) for found in (first, again, other)]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0] == f"{lab.site.id}:change_plan:{first.effects[0].id.rpartition(':')[2]}"


def test_the_key_of_a_period_is_its_start_and_attempt():
    lab = at("past_due").advance(days=3)
    start = lab.site.owed.period_start.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    reasons = ["first_charge", "retry", "retry"]
    expected = [f"{lab.site.id}:{why}:{start}:{attempt}" for attempt, why in enumerate(reasons, 1)]
    assert list(lab.payments) == expected
