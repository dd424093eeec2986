"""Several things at once: the rows of "Edges, decided" (design.md) where they meet, and those that time stretches."""

from datetime import timedelta
from itertools import pairwise

import pytest

from tests.engine.lab import DAY, HOUR, TICK, at


def pay_day(lab, card, **more):
    """Charge Now or "Pay Invoice" with a card that answers when the test wants it to."""
    lab.say("update_payment", payment_method=card)
    return lab.say("change_plan", **more)


# One payment at a time


def test_one_payment_at_a_time_others_are_refused_payment_pending():
    lab = at("active")
    assert lab.judge("change_plan", {"agents": 9}).outcome == "applied"
    pay_day(lab, "pm_silent", agents=9)
    refused = lab.judge("change_plan", {"agents": 10})
    assert refused.code == "payment.pending"
    assert "USD 120.00" in refused.message
    lab.answer("succeeded")
    assert lab.judge("change_plan", {"agents": 10}).outcome == "applied"


def test_fewer_agents_wait_for_a_charge_now_that_would_replace_them_while_an_operator_suspends():
    lab = at("active")
    pay_day(lab, "pm_silent", agents=9)
    lab.claim()
    lab.say("suspend", reason="abuse")
    assert lab.judge("change_plan", {"agents": 2}).code == "payment.pending"
    lab.answer("succeeded")
    lab.say("change_plan", agents=2)
    assert (lab.site.plan_agents, lab.site.next_agents) == (9, 2)


def test_pay_of_a_suspended_site_that_owes_nothing_is_nothing_to_do_even_while_a_charge_now_is_open():
    lab = at("active")
    pay_day(lab, "pm_silent", agents=9)
    lab.claim()
    lab.say("suspend", reason="abuse")
    assert lab.judge("pay").outcome == "no_op"


# Suspended by an operator


def test_nobody_pays_for_a_period_that_ended_while_an_operator_suspended():
    lab = at("past_due")
    lab.say("suspend", reason="abuse")
    lab.now = lab.site.period_ends_at - TICK
    assert lab.judge("pay", {"payment_method": "pm_ok"}).charge.amount_cents == 6000
    lab.now += TICK
    assert lab.judge("pay", {"payment_method": "pm_ok"}).outcome == "no_op"
    lab.say("update_payment", payment_method="pm_ok")
    lab.say("resume")
    assert (lab.statuses(), lab.site.period_start) == (["void", "paid"], lab.now)


def test_a_decline_while_an_operator_suspends_announces_no_suspension_and_the_notice_comes_after_the_resume():
    lab = at("past_due").advance(days=4)
    lab.say("pay", payment_method="pm_silent")
    lab.claim()
    lab.say("suspend", reason="abuse")
    lab.advance(days=2)
    lab.answer("declined", retry="later")
    assert lab.sent()["suspension_near"] == 0
    lab.say("resume")
    lab.say("update_payment", payment_method="pm_declined")
    lab.advance(days=1)
    told = lab.letter("suspension_near")["suspends_at"]
    lab.advance_to(told - TICK)
    assert lab.site.state == "past_due"
    lab.advance(microseconds=1)
    assert lab.site.suspended_for == "nonpayment"


def test_a_first_decline_while_an_operator_suspends_does_not_tell_dates_of_a_ladder_that_stands_still():
    online, suspended = at("trial_subscribed"), at("trial_subscribed")
    for lab in (online, suspended):
        lab.say("update_payment", payment_method="pm_silent")
        lab.advance(days=30)
        lab.claim()
    suspended.say("suspend", reason="abuse")
    for lab in (online, suspended):
        lab.answer("declined", retry="later")
    assert online.letter("declined")["suspends_at"] == online.now + 7 * DAY
    assert (suspended.letter("declined")["suspends_at"], suspended.letter("declined")["next_try_at"]) == (None, None)


def test_a_suspension_a_cancellation_and_a_hold_are_lifted_one_by_one_and_only_then_is_it_deleted():
    lab = at("nonpayment")
    lab.say("suspend", reason="abuse")
    lab.say("cancel")
    lab.say("hold", reason="a court")
    ended = lab.now
    lab.advance(days=30, expecting=[])
    assert lab.judge("subscribe", {"agents": 3, "payment_method": "pm_ok"}).code == "state.illegal"
    lab.say("release")
    assert (lab.site.suspended_for, lab.site.deletes_at) == ("operator", lab.now + 2 * DAY)
    lab.advance(days=2, microseconds=-1, expecting=["warn"])
    assert lab.site.state == "cancelled"
    lab.advance(microseconds=1)
    assert (lab.site.state, lab.now - ended) == ("deleted", 32 * DAY)


# Keep undoes a cancellation


@pytest.mark.parametrize("when", ["now", "period_end"])
def test_keep_undoes_a_cancellation_and_a_reduction_that_was_asked_for_is_still_to_come(when):
    lab = at("active")
    lab.say("change_plan", agents=2)
    lab.say("cancel", when=when)
    lab.advance(days=3)
    lab.say("keep")
    assert (lab.site.state, lab.site.plan_agents, lab.site.next_agents) == ("active", 3, 2)
    lab.advance_to(lab.site.period_ends_at)
    assert lab.amounts() == [6000, 4000]


@pytest.mark.parametrize(("agents", "later"), [(3, None), (1, 1), (5, None)])
def test_who_subscribes_again_says_the_number_and_an_older_reduction_is_forgotten(agents, later):
    lab = at("active")
    lab.say("change_plan", agents=2)
    lab.say("cancel")
    lab.say("subscribe", agents=agents, payment_method="pm_ok")
    assert lab.site.next_agents == later
    lab.advance_to(lab.site.period_ends_at)
    assert lab.amounts()[-1] == agents * 2000


# A reduction that waits for agents to be removed


def unpaid_with_a_reduction_that_waits():
    lab = at("active")
    lab.say("change_plan", agents=2)
    lab.use(3)
    lab.say("update_payment", payment_method="pm_declined")
    lab.advance_to(lab.site.period_ends_at + 7 * DAY)
    assert lab.site.suspended_for == "nonpayment"
    return lab


@pytest.mark.parametrize(("in_use", "cents", "later"), [(3, 6000, 2), (2, 4000, None)])
def test_a_new_period_after_a_suspension_asks_again_whether_the_reduction_fits(in_use, cents, later):
    lab = unpaid_with_a_reduction_that_waits()
    lab.use(in_use)
    lab.say("pay", payment_method="pm_ok")
    assert (lab.amounts()[-1], lab.site.plan_agents, lab.site.next_agents) == (cents, cents // 2000, later)
    assert lab.sent()["reduction_impossible"] == (2 if later else 1)
    lab.use(2)
    lab.advance_to(lab.site.period_ends_at)
    assert lab.amounts()[-1] == 4000


def test_no_customer_is_told_less_than_is_charged():
    lab = unpaid_with_a_reduction_that_waits()
    told = lab.letter("suspended_nonpayment")["amount_cents"]
    assert told == lab.judge("pay", {"payment_method": "pm_ok"}).charge.amount_cents == 6000
    lab.say("pay", payment_method="pm_ok")
    receipt = lab.letter("receipt")
    lab.advance_to(receipt["next_charge_at"])
    assert lab.amounts()[-1] == receipt["next_amount_cents"] == 6000


# Declined at a renewal


def test_declined_at_a_renewal_it_is_past_due_and_tried_on_days_1_3_5_and_7_like_at_day_30():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_declined")
    lab.advance_to(lab.site.period_ends_at)
    first = lab.now
    assert (lab.site.state, lab.site.online) == ("past_due", True)
    lab.advance(days=7)
    tried = [(row["at"] - first) / DAY for row in lab.payments.values()]
    assert tried == [-28, 0, 1, 3, 5, 7]
    assert lab.site.suspended_for == "nonpayment"


# A hold


def test_under_a_hold_charges_expiry_cancel_and_export_go_on_and_no_deletion_no_restore_and_no_deletion_mail():
    active, trial = at("active"), at("trial")
    for lab in (active, trial):
        lab.say("hold", reason="a court")
        assert lab.judge("restore", {"from": "previous_day"}).code == "hold.active"
    active.advance_to(active.site.period_ends_at)
    assert active.amounts() == [6000, 6000]
    assert active.say("export").outcome == "applied"
    active.say("cancel")
    trial.advance(days=30)
    for lab, state in ((active, "cancelled"), (trial, "expired")):
        lab.advance(days=60, expecting=[])
        assert (lab.site.state, lab.site.export_ready_at is None) == (state, False)
        assert not {"deletion_in_7_days", "deletion_in_48_hours"} & set(lab.sent())


# Silence


def test_after_a_silence_the_ladder_charges_at_most_once_in_24_hours():
    lab = at("past_due").jump(days=2, hours=22)
    lab.advance(hours=0, expecting=["retry_charge"])
    lab.advance(days=1, microseconds=-1, expecting=[])
    lab.advance(microseconds=1, expecting=["retry_charge"])
    lab.advance(days=10)
    moments = [row["at"] for row in lab.payments.values()]
    assert all(later - earlier >= DAY for earlier, later in pairwise(moments))


def test_a_ladder_that_is_on_time_is_not_put_off_by_a_customer_who_pays_in_between():
    lab = at("past_due").advance(hours=23)
    lab.say("pay")
    lab.advance(days=7)
    first = next(iter(lab.payments.values()))["at"]
    assert [(row["at"] - first) / HOUR for row in lab.payments.values()] == [0, 23, 24, 72, 120, 168]


# Reactivation against the deletion


@pytest.mark.parametrize("first", ["subscribe", "delete"])
def test_reactivation_against_the_deletion_timer_is_either_back_intact_or_deleted_and_the_loser_is_answered(first):
    lab = at("expired")
    lab.advance_to(lab.site.deletes_at - TICK)
    lab.stuck = {"delete"}
    lab.now += TICK
    wish = {"agents": 3, "payment_method": "pm_silent"}
    if first == "subscribe":
        lab.say("subscribe", **wish)
        assert "is not answered yet" in lab.judge("delete").message
        lab.answer("succeeded")
        assert (lab.site.state, lab.judge("delete").outcome) == ("active", "no_op")
    else:
        lab.fire("delete")
        assert lab.judge("subscribe", wish).code == "state.illegal"
        assert lab.site.state == "deleting"


# What a review tells


@pytest.mark.parametrize(
    ("where", "kind", "data", "words"),
    [
        (
            "provisioning",
            "subscribe",
            {"agents": 4, "payment_method": "pm"},
            "4 agents × USD 20.00 = USD 80.00 a month",
        ),
        ("trial", "subscribe", {"agents": 1, "payment_method": "pm"}, "1 agent × USD 20.00 = USD 20.00 a month"),
        ("trial_subscribed", "cancel", {"when": "period_end"}, "deleted no earlier than 2026-02-14"),
        ("active", "cancel", {"when": "period_end"}, "deleted no earlier than 2026-03-14"),
        ("active", "cancel", {}, "deleted no earlier than 2026-02-14"),
        ("provisioning", "cancel", {}, "deleted no earlier than 2026-01-15"),
        ("past_due", "pay", {}, "3 agents × USD 20.00 for one month = USD 60.00"),
        ("cancelled", "keep", {}, "paid until 2026-02-28"),
        ("cancelled", "waive", {"guard": "notice", "reason": "x"}, "deleted no earlier than 2026-02-14"),
        ("trial", "suspend", {"reason": "x"}, "nothing is charged"),
        ("trial", "hold", {"reason": "x"}, "nothing of it is deleted"),
    ],
)
def test_a_review_tells_the_arithmetic_and_when_the_data_would_be_deleted(where, kind, data, words):
    assert words in at(where).judge(kind, data).message


def test_the_paid_days_that_are_given_up_are_counted_in_good_english():
    lab = at("active")
    lab.now = lab.site.period_ends_at - 2 * DAY
    assert "given up: 2 paid days until" in lab.judge("cancel").message
    lab.now += timedelta(seconds=1)
    assert "given up: 1 paid day until" in lab.judge("cancel").message
