"""Cancelled for the period's end: it survives declines, suspension and payment; only keep or subscribe ends it."""

import pytest

import engine
from tests.engine.lab import DAY, TICK, at


def ending_while_the_renewal_is_pending(card="pm_silent"):
    """The renewal is asked, not answered, and the customer cancels for the end of that period."""
    lab = at("active")
    lab.say("update_payment", payment_method=card)
    lab.advance_to(lab.site.period_ends_at)
    assert lab.site.paying.reason == "renewal"
    return lab, lab.say("cancel", when="period_end")


def declined():
    lab, _ = ending_while_the_renewal_is_pending()
    lab.answer("declined", retry="later")
    return lab


def suspended():
    lab = declined()
    lab.say("update_payment", payment_method="pm_declined")
    lab.advance(days=7)
    assert lab.site.suspended_for == "nonpayment"
    return lab


def test_the_answer_says_what_is_still_owed_and_when_it_ends():
    lab, decision = ending_while_the_renewal_is_pending()
    assert "USD 60.00 for the period until then are still owed, and their payment is under way" in decision.message
    assert engine.timers(lab.site, lab.policy)["end_period"] == lab.site.cancels_at
    assert "paid for" not in decision.message
    asked = engine.Letter("cancellation_scheduled", lab.letter("cancellation_scheduled"), lab.now, lab.site.generation)
    assert engine.letter_facts(asked, lab.site, lab.now, lab.policy)["open_cents"] == 6000


def test_the_answer_says_that_a_charge_now_is_under_way():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("change_plan", agents=9)
    assert "a payment of USD 120.00 (change_plan) is under way" in lab.say("cancel", when="period_end").message


def test_a_period_that_is_paid_is_called_paid_for():
    assert "which is paid for" in at("active").say("cancel", when="period_end").message


@pytest.mark.parametrize("pays", ["at_once", "after_a_decline"])
def test_a_cancellation_for_the_periods_end_survives_a_decline_and_its_payment_and_nothing_more_is_charged(pays):
    lab, _ = ending_while_the_renewal_is_pending()
    ends = lab.site.cancels_at
    if pays == "at_once":
        lab.answer("succeeded")
    else:
        lab.answer("declined", retry="later")
        assert (lab.site.state, lab.site.cancels_at) == ("past_due", ends)
        lab.say("pay", payment_method="pm_ok")
    assert (lab.site.state, lab.site.cancels_at) == ("active", ends)
    lab.advance_to(ends + DAY)
    assert (lab.site.state, lab.site.cancelled_at) == ("cancelled", ends)
    assert lab.statuses() == ["paid", "paid"]


def test_paid_after_a_suspension_it_moves_to_the_end_of_the_period_that_then_begins():
    lab = suspended()
    assert lab.site.cancels_at is not None
    lab.say("pay", payment_method="pm_ok")
    assert (lab.site.state, lab.site.cancels_at) == ("active", lab.site.period_ends_at)
    lab.advance_to(lab.site.period_ends_at)
    assert (lab.site.state, lab.statuses()) == ("cancelled", ["paid", "void", "paid"])


def test_who_is_not_suspended_for_want_of_a_notice_is_cancelled_on_the_day_that_was_asked_for():
    lab = declined()
    lab.stuck.add("suspension_near")
    lab.say("update_payment", payment_method="pm_declined")
    ends = lab.site.cancels_at
    lab.advance_to(ends - TICK)
    assert lab.site.state == "past_due"
    lab.advance(microseconds=1)
    assert (lab.site.state, lab.site.cancelled_at, lab.statuses()) == ("cancelled", ends, ["paid", "uncollectible"])


@pytest.mark.parametrize("standing", [declined, suspended])
def test_keep_undoes_it_while_it_is_unpaid_and_says_that_it_is_still_owed(standing):
    lab = standing()
    was = lab.site.state
    decision = lab.say("keep")
    assert (lab.site.state, lab.site.cancels_at) == (was, None)
    assert "what is owed for this period is still to be paid" in decision.message
    assert lab.letter("cancellation_withdrawn")["next_charge_at"] is None
    lab.say("pay", payment_method="pm_ok")
    lab.advance_to(lab.site.period_ends_at)
    assert lab.statuses()[-1] == "paid"
    assert len(lab.invoices) == (3 if was == "past_due" else 4)


def test_keep_while_an_operator_suspends_makes_a_trial_that_fell_back_subscribed_again():
    lab = at("trial_subscribed")
    lab.say("cancel", when="period_end")
    lab.say("suspend", reason="abuse")
    lab.say("keep")
    lab.say("resume")
    assert (lab.site.state, lab.site.cancels_at, lab.site.plan_agents) == ("trial_subscribed", None, 3)


def test_keep_while_an_operator_suspends_lets_a_period_go_on():
    lab = at("active")
    lab.say("cancel", when="period_end")
    lab.say("suspend", reason="abuse")
    lab.say("keep")
    lab.say("resume")
    assert (lab.site.state, lab.site.cancels_at) == ("active", None)


@pytest.mark.parametrize(("agents", "plan", "later", "charged"), [(3, 3, None, 0), (2, 3, 2, 0), (9, 9, None, 12_000)])
def test_subscribing_undoes_it_as_keep_does_with_the_number_that_is_said_then(agents, plan, later, charged):
    lab = at("active")
    lab.say("change_plan", agents=1)
    lab.say("cancel", when="period_end")
    decision = lab.say("subscribe", agents=agents, payment_method="pm_new")
    assert (lab.site.cancels_at, lab.site.payment_method) == (None, "pm_new")
    assert (lab.site.plan_agents, lab.site.next_agents) == (plan, later)
    assert (decision.charge.amount_cents if decision.charge else 0) == charged
