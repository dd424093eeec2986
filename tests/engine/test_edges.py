"""The rows of "Edges, decided" (design.md), each as a sentence and on both sides of its edge."""

from dataclasses import replace
from typing import Any

import pytest

import engine
from tests.engine.lab import DAY, HOUR, POLICY, TICK, Lab, at


def subscribed(agents=3, card="pm_ok"):
    lab = at("trial")
    lab.say("subscribe", agents=agents, payment_method=card)
    return lab


# Day 30, and the trial


def test_day_30_is_30_times_24_hours_from_the_moment_the_site_is_ready_to_the_microsecond():
    lab = at("provisioning").jump(hours=5, microseconds=7)
    lab.stuck = set()
    lab.settle()
    assert lab.site.trial_ends_at == lab.now + 30 * DAY
    lab.advance(days=30, microseconds=-1)
    assert (lab.site.state, lab.site.online) == ("trial", True)
    lab.advance(microseconds=1)
    assert (lab.site.state, lab.site.online) == ("expired", False)


def test_the_trial_expires_like_a_cancellation_offline_export_14_days():
    lab = at("trial")
    lab.advance(days=30, microseconds=-1, expecting=["remind", "remind", "remind"])
    already = len(lab.effects)
    lab.advance(microseconds=1, expecting=["expire"])
    assert lab.effects[already:] == ["take_offline", "export", "back_up", "mail", "mail"]
    assert lab.site.deletes_at == lab.now + 14 * DAY
    assert lab.invoices == {}


def test_subscribed_in_the_trial_there_is_no_charge_before_day_30_and_five_agents_until_the_first_payment():
    lab = subscribed(agents=9, card="pm_silent")
    lab.advance(days=30, microseconds=-1)
    assert (lab.site.state, lab.site.agents_allowed, lab.invoices) == ("trial_subscribed", 5, {})
    lab.advance(microseconds=1)
    assert (lab.site.state, lab.site.agents_allowed, lab.amounts()) == ("active", 5, [18_000])
    lab.answer("succeeded")
    assert (lab.site.state, lab.site.agents_allowed, lab.statuses()) == ("active", 9, ["paid"])
    assert lab.effects.count("set_agent_limit") == 1


def test_the_first_period_begins_on_day_30_however_late_that_is_noticed():
    lab = subscribed().jump(days=33)
    lab.advance(hours=0)
    assert lab.site.period_start == lab.site.trial_ends_at == lab.site.anchor_at


def test_a_change_of_plan_in_a_subscribed_trial_replaces_the_number_from_day_30_and_charges_nothing():
    lab = subscribed(agents=3)
    decision = lab.say("change_plan", agents=8)
    assert (decision.charge, lab.site.plan_agents, lab.site.agents_allowed) == (None, 8, 5)
    lab.advance(days=30)
    assert lab.amounts() == [16_000]


def test_an_extended_subscribed_trial_moves_its_first_charge():
    lab = subscribed().advance(days=29)
    lab.say("extend_trial", days=3)
    lab.advance(days=4, microseconds=-1)
    assert lab.invoices == {}
    lab.advance(microseconds=1)
    assert lab.amounts() == [6000]


# What a customer was told is kept


def test_a_changed_price_is_for_later_customers():
    lab = subscribed()
    lab.policy = replace(POLICY, price_cents=9900, currency="EUR")
    lab.advance(days=70)
    assert lab.amounts() == [6000, 6000]
    lab.say("cancel")
    lab.advance(days=1)
    lab.say("subscribe", agents=3, payment_method="pm_ok")
    assert lab.site.price_cents == 2000
    other = Lab(policy=lab.policy)
    other.say("start_trial", account="b", email="b@x.example")
    other.say("subscribe", agents=3, payment_method="pm_ok")
    assert (other.site.price_cents, other.site.currency) == (9900, "EUR")


def test_a_changed_trial_and_limit_are_for_later_customers():
    lab = at("provisioning")
    lab.policy = replace(POLICY, trial=10 * DAY, trial_agents=2)
    lab.stuck = set()
    lab.settle()
    assert (lab.site.trial_ends_at, lab.site.agents_allowed) == (lab.now + 30 * DAY, 5)


@pytest.mark.parametrize("changed", ["after the cancellation", "before it", "while it is planned"])
@pytest.mark.parametrize("days", [15, 60])
def test_a_changed_retention_is_for_later_customers(days, changed):
    lab = Lab(policy=replace(POLICY, retention=20 * DAY))
    later = replace(POLICY, retention=days * DAY)
    lab.say("start_trial", account="a", email="e@x.example")
    if changed == "while it is planned":
        lab.say("subscribe", agents=3, payment_method="pm_ok")
        lab.advance(days=30)
        lab.say("cancel", when="period_end")
        assert lab.letter("cancellation_scheduled")["kept_days"] == 20
    lab.policy = lab.policy if changed == "after the cancellation" else later
    lab.stuck = {"export"}
    if changed == "while it is planned":
        lab.advance_to(lab.site.cancels_at)
    else:
        lab.say("cancel")
    lab.policy = later
    lab.stuck = set()
    lab.settle()
    assert lab.site.deletes_at == lab.now + 20 * DAY
    lab.advance(days=20, microseconds=-1)
    assert lab.site.state == "cancelled"
    lab.advance(microseconds=1)
    assert lab.site.state == "deleted"


# Charge Now


def test_more_agents_rise_when_the_payment_has_succeeded_and_replace_a_pending_reduction():
    lab = at("active")
    lab.say("change_plan", agents=1)
    lab.say("update_payment", payment_method="pm_silent")
    decision = lab.say("change_plan", agents=7)
    assert (decision.site.state, decision.charge.reason, lab.site.agents_allowed) == ("active", "change_plan", 3)
    lab.answer("succeeded")
    assert (lab.site.plan_agents, lab.site.agents_allowed, lab.site.next_agents) == (7, 7, None)
    assert lab.statuses() == ["paid", "paid"]


def test_a_declined_charge_now_voids_its_invoice_and_changes_nothing():
    lab = at("active")
    lab.say("change_plan", agents=1)
    lab.say("update_payment", payment_method="pm_declined")
    before = lab.site
    lab.say("change_plan", agents=7)
    assert replace(lab.site, paying=None) == before
    assert lab.statuses() == ["paid", "void"]
    assert lab.letter("charge_now_declined")["amount_cents"] == 8000


def test_added_counts_from_the_number_now_allowed():
    lab = at("active")
    lab.say("change_plan", agents=1)
    assert lab.judge("change_plan", {"agents": 4}).charge.amount_cents == 2000


# Fewer


def test_fewer_agents_come_with_the_next_period_without_refund():
    lab = at("active")
    lab.say("change_plan", agents=2)
    assert (lab.site.agents_allowed, lab.site.next_agents, lab.amounts()) == (3, 2, [6000])
    lab.advance_to(lab.site.period_ends_at)
    assert (lab.site.agents_allowed, lab.site.next_agents, lab.amounts()) == (2, None, [6000, 4000])
    facts = lab.letter("reduction_scheduled")
    assert (facts["plan_agents"], facts["next_agents"]) == (3, 2)


def test_asking_for_todays_number_withdraws_a_reduction():
    lab = at("active")
    lab.say("change_plan", agents=2)
    lab.say("change_plan", agents=3)
    assert lab.site.next_agents is None
    assert lab.sent()["reduction_withdrawn"] == 1


def test_a_reduction_is_asked_again_at_each_renewal_while_too_many_agents_are_in_use():
    lab = at("active")
    lab.say("change_plan", agents=2)
    lab.use(3)
    lab.advance_to(lab.site.period_ends_at)
    assert (lab.site.agents_allowed, lab.site.next_agents, lab.amounts()[-1]) == (3, 2, 6000)
    assert lab.letter("reduction_impossible")["used_agents"] == 3
    lab.use(2)
    lab.advance_to(lab.site.period_ends_at)
    assert (lab.site.agents_allowed, lab.site.next_agents, lab.amounts()[-1]) == (2, None, 4000)


def test_more_agents_in_the_site_than_in_the_plan_locks_nobody_out_and_tells_the_customer():
    lab = subscribed(agents=2)
    lab.use(5)
    lab.advance(days=30)
    assert (lab.site.online, lab.site.agents_allowed) == (True, 2)
    assert lab.letter("agents_over_plan")["used_agents"] == 5
    fits = subscribed(agents=5)
    fits.use(5)
    fits.advance(days=30)
    assert fits.sent()["agents_over_plan"] == 0


# One payment at a time, and whose fault it is


def test_a_renewal_waits_for_an_open_payment_and_its_period_still_begins_at_the_anchor():
    lab = at("active")
    boundary = lab.site.period_ends_at
    lab.advance_to(boundary - HOUR)
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("change_plan", agents=2000)
    lab.advance(days=2)
    assert lab.site.period_ends_at == boundary
    assert lab.judge("renew").code == "payment.pending"
    lab.answer("succeeded")
    lab.advance(hours=2)
    assert lab.site.period_start == boundary


def test_our_fault_is_not_a_decline_and_the_ladder_stands_still():
    lab = subscribed(card="pm_silent").advance(days=30)
    before = lab.site
    lab.say("gave_up", kind="charge", error="the provider is down")
    assert "site.retry" in lab.attention()
    lab.advance(days=20)
    assert (lab.site.state, lab.site.owed, lab.site.paying) == ("active", before.owed, before.paying)


def test_operators_are_told_and_retry_takes_up_what_gave_up():
    lab = at("active")
    lab.say("gave_up", kind="back_up", error="x" * 200)
    assert len(lab.attention()) < 160
    decision = lab.say("retry")
    assert (decision.revives, lab.attention(), decision.message) == ("everything", "", "tried again: back_up")


# Declined


def test_declined_it_is_past_due_and_online_until_the_decline_on_day_7_suspends_for_14_days():
    lab = subscribed(card="pm_declined").advance(days=30)
    start = lab.now
    assert (lab.site.state, lab.site.online) == ("past_due", True)
    lab.advance(days=7, microseconds=-1)
    assert (lab.site.state, lab.sent()["suspension_near"]) == ("past_due", 1)
    lab.advance(microseconds=1)
    assert (lab.site.state, lab.site.suspended_for, lab.site.online) == ("suspended", "nonpayment", False)
    lab.advance_to(start + 21 * DAY - TICK)
    assert lab.site.state == "suspended"
    lab.advance(microseconds=1)
    assert (lab.site.state, lab.statuses()) == ("cancelled", ["uncollectible"])
    assert lab.site.deletes_at == lab.now + 14 * DAY


def test_the_customer_is_told_of_the_first_decline_and_when_the_suspension_is_near():
    lab = subscribed(card="pm_declined").advance(days=30)
    facts = lab.letter("declined")
    assert (facts["next_try_at"], facts["suspends_at"]) == (lab.now + DAY, lab.now + 7 * DAY)
    lab.advance(days=5)
    assert lab.letter("suspension_near")["suspends_at"] == lab.now + 2 * DAY
    lab.advance(days=2)
    assert lab.sent()["declined"] == 1
    assert lab.letter("suspended_nonpayment")["ends_at"] == lab.now + 14 * DAY


def test_while_the_notice_cannot_be_sent_nobody_is_suspended_and_then_it_is_48_hours_away():
    lab = at("past_due")
    start = lab.now
    lab.stuck.add("suspension_near")
    lab.advance(days=9, hours=1)
    assert (lab.site.state, lab.site.online) == ("past_due", True)
    assert [(row["at"] - start) / DAY for row in lab.payments.values()] == [0, 1, 3, 5, 7]
    assert lab.sent()["suspension_near"] == 4  # asked for on days 5, 7, 8 and 9
    lab.stuck.clear()
    lab.settle()
    sent = lab.now
    lab.advance_to(sent + 2 * DAY - TICK)
    assert (lab.site.state, len(lab.payments)) == ("past_due", 5)
    lab.advance(microseconds=1)
    assert (lab.site.state, lab.site.suspended_for, len(lab.payments)) == ("suspended", "nonpayment", 6)


def test_an_operator_waives_a_notice_that_can_never_be_sent_and_the_suspension_is_48_hours_away():
    lab = at("past_due")
    lab.stuck.add("suspension_near")
    lab.advance(days=7, microseconds=-1)
    assert lab.judge("waive", {"guard": "notice", "reason": "the mailbox is gone"}).code == "state.illegal"
    lab.advance(microseconds=1)
    assert lab.judge("waive", {"guard": "export", "reason": "x"}).code == "state.illegal"
    lab.say("waive", guard="notice", reason="the mailbox is gone")
    lab.advance(days=2, microseconds=-1)
    assert lab.site.state == "past_due"
    lab.advance(microseconds=1)
    assert lab.site.state == "suspended"


def test_the_day_between_two_tries_of_the_ladder_counts_from_the_answer():
    lab = at("past_due")
    start = lab.now
    lab.say("update_payment", payment_method="pm_silent")
    lab.answer("declined", retry="later")
    lab.advance_to(start + DAY)
    lab.advance_to(start + 3 * DAY - HOUR)  # the card network was away for two days
    lab.answer("declined", retry="later")
    lab.advance_to(start + 4 * DAY - HOUR - TICK)
    assert lab.site.paying is None
    lab.advance(microseconds=1)
    assert lab.site.paying is not None


def test_a_card_that_may_not_be_tried_waits_for_the_notice_as_well():
    lab = subscribed(card="pm_declined")
    lab.retry = "never"
    lab.stuck.add("suspension_near")
    lab.advance(days=39)
    assert (lab.site.state, len(lab.payments)) == ("past_due", 1)
    lab.stuck.clear()
    lab.settle()
    lab.advance(days=2, microseconds=-1)
    assert lab.site.state == "past_due"
    lab.advance(microseconds=1)
    assert lab.site.state == "suspended"


def test_a_notice_of_a_debt_that_was_paid_since_counts_for_no_other():
    lab = at("past_due").advance(days=6)
    first = lab.letter("suspension_near")["invoice_id"]
    lab.say("pay", payment_method="pm_ok")
    lab.say("update_payment", payment_method="pm_declined")
    lab.advance_to(lab.site.period_ends_at)
    assert lab.say("suspension_noticed", invoice_id=first).outcome == "no_op"
    assert lab.say("suspension_noticed", invoice_id=lab.site.owed.invoice_id).outcome == "applied"
    assert lab.site.owed.noticed_at == lab.now


def test_paid_in_past_due_it_is_that_invoice_and_the_same_anchor():
    lab = at("past_due")
    anchor, end = lab.site.anchor_at, lab.site.period_ends_at
    lab.advance(days=4)
    lab.say("pay", payment_method="pm_ok")
    assert (lab.site.state, lab.site.anchor_at, lab.site.period_ends_at) == ("active", anchor, end)
    assert lab.statuses() == ["paid"]


def test_a_new_card_is_tried_at_once():
    lab = at("past_due").advance(hours=3)
    lab.say("update_payment", payment_method="pm_ok")
    assert (lab.site.state, lab.statuses()) == ("active", ["paid"])


def test_a_card_named_while_the_old_one_is_being_charged_is_tried_when_that_is_declined():
    lab = at("past_due")
    lab.say("pay", payment_method="pm_silent")
    lab.say("update_payment", payment_method="pm_ok")
    lab.answer("declined", retry="never")
    assert (lab.site.state, lab.statuses()) == ("active", ["paid"])


@pytest.mark.parametrize("means", ["new_card", "customer", "never"])
def test_a_card_that_forbids_another_try_is_not_tried_again_and_the_dates_run_on(means):
    lab = subscribed(card="pm_declined")
    lab.retry = means
    lab.advance(days=30)
    assert lab.letter("declined")["next_try_at"] is None
    lab.advance(days=7, microseconds=-1)
    assert (lab.site.state, len(lab.payments)) == ("past_due", 1)
    refused = lab.judge("pay")
    assert "give another payment_method" in refused.message
    assert lab.judge("update_payment", {"payment_method": "pm_declined"}).code == "state.illegal"
    assert lab.judge("pay", {"payment_method": "pm_ok"}).outcome == "applied"
    lab.advance(microseconds=1)
    assert (lab.site.state, lab.sent()["suspension_near"]) == ("suspended", 1)


def test_a_card_that_may_be_tried_later_is_tried_again():
    lab = at("past_due").advance(days=1)
    assert len(lab.payments) == 2


def test_paid_in_suspended_the_old_invoice_is_void_and_a_new_period_begins_at_the_payment():
    lab = at("nonpayment").advance(days=13)
    lab.say("pay", payment_method="pm_ok")
    assert (lab.site.state, lab.site.online, lab.statuses()) == ("active", True, ["void", "paid"])
    assert lab.site.anchor_at == lab.site.period_start == lab.now
    assert lab.paid() == [(lab.now, lab.site.period_ends_at)]
    assert lab.sent()["back_online"] == 1


def test_a_declined_payment_in_suspended_changes_nothing():
    lab = at("nonpayment").advance(days=3)
    gives_up = lab.timers()["give_up"]
    lab.say("pay")
    assert (lab.site.state, lab.timers()["give_up"], lab.statuses()) == ("suspended", gives_up, ["open", "void"])


def test_a_payment_under_way_on_the_last_day_is_awaited():
    lab = at("nonpayment").advance(days=13)
    lab.say("pay", payment_method="pm_silent")
    lab.advance(days=3)
    assert lab.site.state == "suspended"
    lab.answer("declined")
    lab.advance(hours=1)
    assert lab.site.state == "cancelled"


def test_a_card_changed_while_suspended_is_kept_for_pay():
    lab = at("nonpayment")
    lab.say("update_payment", payment_method="pm_ok")
    assert lab.site.state == "suspended"
    lab.say("pay")
    assert (lab.site.state, lab.site.payment_method) == ("active", "pm_ok")


# Suspended by an operator


@pytest.mark.parametrize("where", ["trial", "trial_subscribed", "active", "past_due"])
def test_an_operators_suspension_remembers_where_from(where):
    lab = at(where)
    lab.say("suspend", reason="abuse")
    assert (lab.site.state, lab.site.suspended_for, lab.site.online) == ("suspended", "operator", False)
    lab.say("resume")
    assert (lab.site.state, lab.site.suspended_for, lab.site.online) == (where, None, True)


@pytest.mark.parametrize("where", ["trial", "trial_subscribed", "active", "past_due"])
def test_while_an_operator_suspends_nothing_is_charged_and_nothing_expires(where):
    lab = at(where)
    lab.say("suspend", reason="abuse")
    paid = len(lab.payments)
    lab.advance(days=100, expecting=[])
    assert (lab.site.state, len(lab.payments)) == ("suspended", paid)


def test_a_trial_that_ended_meanwhile_expires_at_the_resume_with_14_days_from_then():
    early, late = at("trial"), at("trial")
    for lab, days in ((early, 29), (late, 40)):
        lab.say("suspend", reason="abuse")
        lab.advance(days=days)
        lab.say("resume")
    assert early.site.state == "trial"
    assert (late.site.state, late.site.deletes_at) == ("expired", late.now + 14 * DAY)


def test_a_subscribed_trial_that_ended_meanwhile_begins_to_pay_at_the_resume():
    lab = subscribed()
    lab.say("suspend", reason="abuse")
    lab.advance(days=40)
    lab.say("resume")
    assert (lab.site.state, lab.site.anchor_at, lab.amounts()) == ("active", lab.now, [6000])
    assert next(iter(lab.invoices.values()))["invoice"].reason == "first_charge"


def test_a_period_that_ended_meanwhile_begins_anew_at_the_resume_and_one_that_has_not_goes_on():
    ended, runs = at("active"), at("active")
    for lab, days in ((ended, 40), (runs, 20)):
        lab.say("suspend", reason="abuse")
        lab.advance(days=days)
        anchor = lab.site.anchor_at
        lab.say("resume")
    assert (ended.site.anchor_at, ended.amounts()) == (ended.now, [6000, 6000])
    assert (runs.site.anchor_at, runs.amounts()) == (anchor, [6000])


def test_a_reduction_asked_for_while_suspended_counts_in_the_new_period():
    lab = at("operator")
    lab.say("change_plan", agents=2)
    lab.advance(days=40)
    lab.say("resume")
    assert (lab.site.plan_agents, lab.amounts()) == (2, [6000, 4000])


def test_a_past_due_period_that_ended_meanwhile_is_void_for_nobody_pays_for_days_offline():
    lab = at("past_due")
    lab.say("suspend", reason="abuse")
    lab.advance(days=40)
    lab.say("update_payment", payment_method="pm_ok")
    lab.say("resume")
    assert (lab.site.state, lab.site.period_start, lab.statuses()) == ("active", lab.now, ["void", "paid"])


def test_paid_while_an_operator_suspends_it_stays_suspended_and_comes_back_paid():
    lab = at("past_due")
    lab.say("suspend", reason="abuse")
    lab.say("pay", payment_method="pm_ok")
    assert (lab.site.state, lab.statuses()) == ("suspended", ["paid"])
    lab.say("resume")
    assert lab.site.state == "active"


def test_a_charge_nobody_took_is_withdrawn_by_a_suspension_and_asked_at_the_resume():
    lab = subscribed(card="pm_silent").advance(days=30)
    lab.say("suspend", reason="abuse")
    assert lab.site.paying is None
    assert lab.statuses() == ["open"]
    assert lab.waiting == []
    decision = lab.say("resume")
    assert (lab.site.state, decision.charge.reason, decision.charge.amount_cents) == ("active", "retry", 6000)


@pytest.mark.parametrize(("outcome", "later"), [("succeeded", "active"), ("declined", "past_due")])
def test_a_charge_that_was_taken_before_the_suspension_is_booked_as_it_is_answered(outcome, later):
    lab = subscribed(card="pm_silent").advance(days=30)
    lab.claim()
    lab.say("suspend", reason="abuse")
    lab.answer(outcome)
    assert lab.site.state == "suspended"
    lab.say("resume")
    assert lab.site.state == later


def test_a_charge_still_open_at_the_resume_is_awaited():
    lab = subscribed(card="pm_silent").advance(days=30)
    lab.claim()
    lab.say("suspend", reason="abuse")
    lab.say("resume")
    assert (lab.site.state, len(lab.payments)) == ("active", 1)


def test_a_charge_now_that_was_taken_before_the_suspension_raises_the_number():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("change_plan", agents=9)
    lab.claim()
    lab.say("suspend", reason="abuse")
    lab.answer("succeeded")
    assert (lab.site.state, lab.site.agents_allowed) == ("suspended", 9)


def test_a_suspension_outlives_a_cancellation_and_blocks_coming_back_until_an_operator_lifts_it():
    lab = at("trial")
    lab.say("suspend", reason="abuse")
    lab.say("cancel")
    assert (lab.site.state, lab.site.suspended_for) == ("cancelled", "operator")
    assert "abuse" in lab.judge("keep").message
    lab.say("resume")
    assert lab.say("keep").site.state == "trial"


def test_both_reasons_may_hold_and_the_nonpayment_clock_stands_still():
    lab = at("nonpayment").advance(days=4)
    lab.say("suspend", reason="abuse")
    assert lab.site.suspended_for == "operator"
    lab.advance(days=50, expecting=[])
    lab.say("resume")
    assert (lab.site.state, lab.site.suspended_for) == ("suspended", "nonpayment")
    lab.advance(days=10, microseconds=-1)
    assert lab.site.state == "suspended"
    lab.advance(microseconds=1)
    assert lab.site.state == "cancelled"


def test_with_both_reasons_a_payment_begins_a_new_period_and_only_the_operators_reason_is_left():
    lab = at("nonpayment")
    lab.say("suspend", reason="abuse")
    lab.say("pay", payment_method="pm_ok")
    assert (lab.site.state, lab.site.suspended_for, lab.statuses()) == ("suspended", "operator", ["void", "paid"])
    lab.say("resume")
    assert lab.site.state == "active"


def test_a_subscription_chosen_while_suspended_is_kept():
    lab = at("trial")
    lab.say("suspend", reason="abuse")
    lab.say("subscribe", agents=4, payment_method="pm_ok")
    assert lab.site.state == "suspended"
    lab.say("resume")
    assert (lab.site.state, lab.site.plan_agents) == ("trial_subscribed", 4)


def test_a_suspension_while_somebody_comes_back_is_kept_when_the_payment_succeeds():
    lab = at("expired")
    lab.say("subscribe", agents=4, payment_method="pm_silent")
    lab.claim()
    lab.say("suspend", reason="abuse")
    lab.answer("succeeded")
    assert (lab.site.state, lab.site.suspended_for, lab.site.cancelled_at) == ("suspended", "operator", None)
    lab.say("resume")
    assert lab.site.state == "active"


def test_an_ended_cancellation_takes_effect_at_the_resume():
    lab = at("active")
    lab.say("cancel", when="period_end")
    lab.say("suspend", reason="abuse")
    lab.advance(days=60)
    lab.say("resume")
    assert (lab.site.state, lab.site.deletes_at) == ("cancelled", lab.now + 14 * DAY)


# Cancelling


def test_cancel_now_is_at_once_without_refund_and_names_the_paid_days_given_up():
    lab = at("active").advance(days=10)
    decision = lab.say("cancel")
    assert (lab.site.state, lab.site.online, lab.statuses()) == ("cancelled", False, ["paid"])
    assert "given up: 18 paid days until 2026-02-28" in decision.message
    assert decision.effects[0].kind == "take_offline"


def test_cancel_at_the_end_of_the_period_stays_active_until_then_and_keep_undoes_it():
    lab = at("active").advance(days=10)
    lab.say("cancel", when="period_end")
    end = lab.site.cancels_at
    assert (lab.site.state, end) == ("active", lab.site.period_ends_at)
    lab.say("keep")
    assert lab.site.cancels_at is None
    lab.say("cancel", when="period_end")
    lab.advance_to(end - TICK)
    assert lab.site.state == "active"
    lab.advance(microseconds=1)
    assert (lab.site.state, lab.amounts()) == ("cancelled", [6000])


def test_a_subscribed_trial_cancelled_for_its_end_falls_back_to_trial_and_expires():
    lab = subscribed()
    lab.say("cancel", when="period_end")
    assert (lab.site.state, lab.site.cancels_at) == ("trial", lab.site.trial_ends_at)
    lab.say("keep")
    assert (lab.site.state, lab.site.cancels_at) == ("trial_subscribed", None)
    lab.say("cancel", when="period_end")
    lab.say("extend_trial", days=2)
    assert lab.site.cancels_at == lab.site.trial_ends_at
    lab.advance(days=32)
    assert (lab.site.state, lab.site.plan_agents, lab.invoices) == ("expired", None, {})


def test_subscribing_again_undoes_a_cancellation_for_the_end_of_the_trial():
    lab = subscribed()
    lab.say("cancel", when="period_end")
    lab.say("subscribe", agents=4, payment_method="pm_ok")
    assert (lab.site.state, lab.site.cancels_at) == ("trial_subscribed", None)


def test_cancel_owing_makes_the_invoice_uncollectible_and_the_unpaid_period_gives_no_time_to_return_to():
    lab = at("past_due").advance(days=2)
    lab.say("cancel")
    assert (lab.site.state, lab.statuses(), lab.site.period_ends_at) == ("cancelled", ["uncollectible"], None)
    assert lab.judge("keep").code == "state.illegal"
    lab.advance(days=3)
    assert len(lab.payments) == 2


def test_a_charge_that_no_worker_has_claimed_becomes_void():
    lab = subscribed(card="pm_silent").advance(days=30)
    decision = lab.say("cancel")
    assert len(decision.voids) == 1
    assert (lab.statuses(), [row["outcome"] for row in lab.payments.values()]) == (["void"], ["void"])


def test_an_unclaimed_try_of_an_invoice_that_was_declined_leaves_it_uncollectible():
    lab = at("past_due")
    lab.say("pay", payment_method="pm_silent")
    lab.say("cancel")
    assert (lab.statuses(), [row["outcome"] for row in lab.payments.values()]) == (
        ["uncollectible"],
        ["declined", "void"],
    )


def test_an_unclaimed_charge_now_is_void_when_the_site_is_cancelled():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("change_plan", agents=9)
    lab.say("cancel")
    assert (lab.statuses(), lab.site.paying) == (["paid", "void"], None)
    assert lab.say("keep").site.plan_agents == 3


@pytest.mark.parametrize("ends_by", ["cancel", "end_period"])
def test_a_claimed_charge_is_awaited_and_if_it_succeeds_an_operator_is_asked_to_refund(ends_by):
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("cancel", when="period_end")
    lab.advance(days=14)
    lab.say("change_plan", agents=9)
    lab.claim()
    if ends_by == "cancel":
        lab.say("cancel")
    lab.advance(days=60)
    assert (lab.site.state, lab.statuses()) == ("cancelled", ["paid", "open"])
    lab.answer("succeeded")
    assert (lab.site.state, lab.statuses()) == ("cancelled", ["paid", "paid"])
    assert "refund" in lab.attention()
    assert [one.data["alarm"] for one in lab.events if one.type == "alarm.raised"] == ["refund.due"]
    lab.say("gave_up", kind="mail", error="no such mailbox")
    told = lab.attention()
    assert told.startswith("USD 60.00 were charged after the cancellation; refund")
    assert "; mail gave up: 'no such mailbox'; mend the cause" in told
    lab.say("gave_up", kind="mail", error="no such mailbox")
    assert lab.attention() == told
    lab.advance(hours=2)
    assert lab.site.state == "deleted"


@pytest.mark.parametrize("comes_back", [("keep", {}), ("subscribe", {"agents": 9, "payment_method": "pm_ok"})])
def test_agents_that_were_paid_after_the_cancellation_are_there_for_who_comes_back(comes_back):
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("change_plan", agents=9)
    lab.claim()
    lab.say("cancel")
    lab.answer("succeeded")
    kind, data = comes_back
    assert lab.judge(kind, data).charge is None
    lab.say(kind, **data)
    assert (lab.site.state, lab.site.plan_agents, lab.site.agents_allowed) == ("active", 9, 9)


def test_a_claimed_renewal_that_succeeds_after_the_cancellation_is_paid_once_by_who_comes_back():
    lab = subscribed(agents=9, card="pm_silent").advance(days=30)
    lab.claim()
    lab.say("cancel")
    assert (lab.site.period_ends_at, lab.statuses()) == (None, ["open"])
    assert lab.judge("keep").code == "payment.pending"
    lab.answer("succeeded")
    assert (lab.site.state, lab.statuses()) == ("cancelled", ["paid"])
    assert lab.letter("receipt")["next_charge_at"] is None
    lab.say("keep")
    assert (lab.site.state, lab.site.agents_allowed, lab.statuses()) == ("active", 9, ["paid"])


def test_a_claimed_renewal_that_is_declined_after_the_cancellation_is_uncollectible():
    lab = subscribed(card="pm_silent").advance(days=30)
    lab.claim()
    lab.say("cancel")
    lab.answer("declined")
    assert (lab.site.state, lab.statuses(), lab.site.paying) == ("cancelled", ["uncollectible"], None)


def test_a_payment_that_was_to_end_a_suspension_brings_nothing_back_after_the_cancellation():
    lab = at("nonpayment")
    lab.say("pay", payment_method="pm_silent")
    lab.claim()
    lab.say("cancel")
    assert lab.statuses() == ["uncollectible", "open"]
    lab.answer("succeeded")
    assert (lab.site.state, lab.statuses()) == ("cancelled", ["uncollectible", "paid"])
    assert "refund" in lab.attention()
    assert lab.judge("keep").site.state == "active"


def test_a_charge_that_is_answered_twice_is_booked_once():
    lab = at("active")
    late = {"payment_id": next(iter(lab.payments)), "amount_cents": 6000}
    assert lab.judge("charge_succeeded", late).outcome == "no_op"
    assert lab.judge("charge_declined", late).outcome == "no_op"


# Coming back


@pytest.mark.parametrize(("kind", "state"), [("keep", "trial"), ("subscribe", "trial_subscribed")])
def test_back_before_the_old_day_30_the_rest_of_the_trial_is_still_free(kind, state):
    lab = at("trial").advance(days=20)
    ends = lab.site.trial_ends_at
    lab.say("cancel")
    lab.advance_to(ends - TICK)
    data = {"agents": 3, "payment_method": "pm_ok"} if kind == "subscribe" else {}
    decision = lab.say(kind, **data)
    assert (lab.site.state, lab.site.trial_ends_at, decision.charge, lab.site.online) == (state, ends, None, True)
    lab.advance(microseconds=1)
    assert lab.site.state == ("expired" if kind == "keep" else "active")


def test_back_on_the_old_day_30_it_is_charged_now():
    lab = at("trial").advance(days=20)
    lab.say("cancel")
    lab.advance_to(lab.site.trial_ends_at)
    assert lab.judge("keep").code == "state.illegal"
    decision = lab.say("subscribe", agents=3, payment_method="pm_ok")
    assert decision.charge.amount_cents == 6000
    assert decision.site.state == "cancelled"
    assert (lab.site.state, lab.site.anchor_at) == ("active", lab.now)


def test_a_subscribed_trial_that_is_kept_after_a_cancellation_is_a_plain_trial():
    lab = subscribed()
    lab.say("cancel")
    lab.say("keep")
    assert (lab.site.state, lab.site.plan_agents, lab.site.payment_method) == ("trial", None, None)


@pytest.mark.parametrize(
    ("agents", "charged", "allowed", "later"), [(3, None, 3, None), (5, 2000, 5, None), (2, None, 3, 2)]
)
def test_back_before_the_end_of_a_paid_period_only_added_agents_are_charged(agents, charged, allowed, later):
    lab = at("active").advance(days=7)
    anchor, end = lab.site.anchor_at, lab.site.period_ends_at
    lab.say("cancel")
    lab.advance(days=7)
    decision = lab.say("subscribe", agents=agents, payment_method="pm_ok")
    assert (decision.charge.amount_cents if decision.charge else None) == charged
    assert (lab.site.state, lab.site.anchor_at, lab.site.period_ends_at) == ("active", anchor, end)
    assert (lab.site.agents_allowed, lab.site.next_agents) == (allowed, later)


def test_back_at_the_end_of_a_paid_period_a_share_too_small_is_not_charged():
    lab = at("active").advance(days=20)
    lab.say("cancel")
    lab.advance_to(lab.site.period_ends_at - HOUR)
    decision = lab.say("subscribe", agents=5, payment_method="pm_ok")
    assert (decision.charge, lab.site.state, lab.site.agents_allowed) == (None, "active", 5)


def test_back_with_none_a_decline_changes_nothing_deletes_at_included():
    lab = at("expired").advance(days=5)
    before = lab.site
    lab.say("subscribe", agents=3, payment_method="pm_declined")
    assert replace(lab.site, charged_at=None) == replace(before, charged_at=None)
    assert lab.statuses() == ["void"]


def test_back_with_none_the_new_period_begins_when_it_is_paid():
    lab = at("expired").advance(days=5)
    lab.say("subscribe", agents=8, payment_method="pm_silent")
    assert lab.site.state == "expired"
    lab.advance(days=1)
    lab.answer("succeeded")
    assert (lab.site.state, lab.site.period_start, lab.site.agents_allowed) == ("active", lab.now, 8)
    assert (lab.site.plan_agents, lab.site.price_cents, lab.site.payment_method) == (8, 2000, "pm_silent")
    assert lab.paid() == [(lab.now, lab.site.period_ends_at)]


def test_a_card_named_since_the_new_start_was_asked_for_stays():
    lab = at("nonpayment")
    lab.say("pay", payment_method="pm_silent")
    lab.say("update_payment", payment_method="pm_newer")
    lab.answer("succeeded")
    assert lab.site.payment_method == "pm_newer"


def test_a_new_start_takes_the_reduction_that_waits_if_it_fits():
    lab = at("past_due")
    lab.say("suspend", reason="x")
    lab.say("change_plan", agents=2)
    lab.say("resume")
    lab.advance(days=8)
    assert lab.site.suspended_for == "nonpayment"
    assert lab.judge("pay", {"payment_method": "pm_ok"}).charge.amount_cents == 4000
    lab.use(3)
    assert lab.judge("pay", {"payment_method": "pm_ok"}).charge.amount_cents == 6000


# Version and letters


def test_the_version_counts_state_plan_dates_hold_suspension_and_contact():
    lab = at("active")
    steps: list[tuple[str, dict[str, Any]]] = [
        ("change_plan", {"agents": 2}),
        ("cancel", {"when": "period_end"}),
        ("hold", {"reason": "x"}),
        ("release", {}),
        ("update_contact", {"email": "new@acme.example"}),
        ("suspend", {"reason": "x"}),
        ("resume", {}),
    ]
    for kind, data in steps:
        before = lab.site.version
        lab.say(kind, **data)
        assert lab.site.version == before + 1, kind


def test_the_version_does_not_count_backups_mails_exports_cards_and_attention():
    lab = at("active")
    before = lab.site.version
    lab.say("export")
    lab.say("back_up")
    lab.say("update_payment", payment_method="pm_other")
    lab.say("gave_up", kind="x", error="x")
    lab.advance(days=2)
    assert lab.site.version == before
    lab.say("cancel")
    assert (lab.site.export_ready_at, lab.site.version) == (lab.now, before + 1)


def test_both_addresses_are_told_of_a_new_contact():
    lab = at("trial")
    decision = lab.say("update_contact", email="new@acme.example")
    assert [effect.args.get("to") for effect in decision.effects] == [None, "owner@acme.example"]


def test_a_decline_is_the_code_of_its_move_and_of_no_first_answer():
    lab = subscribed(card="pm_silent").advance(days=30)
    assert lab.judge("pay").code is None
    effect = lab.waiting[0]
    decision = lab.judge("charge_declined", {**effect.args, "decline_code": "no"})
    assert decision.code == "payment.declined"
    assert {event.type for event in decision.events} == {"charge.declined", "site.moved"}


def test_every_charge_carries_its_card_so_that_a_second_try_asks_the_same():
    lab = subscribed(card="pm_silent").advance(days=30)
    assert lab.waiting[0].args["payment_method"] == "pm_silent"


def test_a_site_subscribed_before_it_is_ready_begins_as_a_subscribed_trial():
    lab = at("provisioning")
    lab.say("subscribe", agents=3, payment_method="pm_ok")
    lab.stuck = set()
    lab.settle()
    assert (lab.site.state, lab.sent()["welcome"], lab.sent()["subscribed"]) == ("trial_subscribed", 1, 1)


def test_a_cancellation_before_ready_waits_for_nothing_but_14_days():
    lab = at("provisioning")
    lab.say("cancel")
    assert lab.site.deletes_at == lab.now + 14 * DAY
    assert lab.judge("export").code == "state.illegal"


def test_the_receipt_says_when_and_what_comes_next():
    lab = at("active")
    facts = lab.letter("receipt")
    assert (facts["next_charge_at"], facts["next_amount_cents"]) == (lab.site.period_ends_at, 6000)
    lab.say("cancel", when="period_end")
    lab.say("change_plan", agents=9)
    facts = lab.letter("receipt")
    assert (facts["next_charge_at"], facts["next_amount_cents"]) == (None, None)


def test_live_facts_replace_what_the_site_knew():
    site = at("active").site
    assert engine.with_live_facts(site, used_agents=None, claimed=True) == site
    assert engine.with_live_facts(site, used_agents=2, claimed=True).used_agents == 2
