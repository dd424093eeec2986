"""What was told is charged: price and currency are frozen, nothing is asked for where nothing is owed."""

from dataclasses import replace

import pytest

import engine
from tests.engine.lab import DAY, POLICY, TICK, Lab, at

EUROS = replace(POLICY, currency="EUR", price_cents=3000)


def returning(card="pm_silent"):
    """A plain trial that expired has agreed to no price yet: it is told one when it comes back."""
    lab = at("expired")
    told = lab.say("subscribe", agents=3, payment_method=card)
    assert (told.charge.amount_cents, told.charge.currency) == (6000, "USD")
    return lab


def currencies(lab):
    return {event.data["currency"] for event in lab.events if event.type.startswith("charge.")}


@pytest.mark.parametrize("outcome", ["succeeded", "declined"])
def test_a_payment_is_in_the_currency_that_was_told_whatever_the_setting_says_meanwhile(outcome):
    lab = returning()
    assert next(one for one in lab.waiting if one.kind == "charge").args["currency"] == "USD"
    lab.policy = EUROS
    assert "USD 60.00" in lab.judge("subscribe", {"agents": 4, "payment_method": "pm_ok"}).message
    lab.answer(outcome, retry="later")
    assert currencies(lab) == {"USD"}
    if outcome == "succeeded":
        assert (lab.site.currency, lab.site.price_cents) == ("USD", 2000)
    else:
        assert lab.letter("charge_now_declined")["currency"] == "USD"
        assert lab.judge("subscribe", {"agents": 3, "payment_method": "pm_ok"}).charge.currency == "EUR"


def test_a_payment_after_the_cancellation_is_refunded_in_the_currency_in_which_it_was_made():
    lab = returning()
    lab.claim()
    lab.say("extend_trial", days=1)
    lab.policy = EUROS
    lab.site = replace(lab.site, generation=lab.site.generation + 1)
    lab.answer("succeeded")
    assert "USD 60.00 were charged after the cancellation" in engine.attention(lab.site)


def test_a_payment_that_version_0_1_asked_for_without_a_currency_is_in_the_sites():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("change_plan", agents=9)
    lab.policy = EUROS
    lab.site = replace(lab.site, paying=replace(lab.site.paying, currency=None))
    assert "USD 120.00" in lab.judge("change_plan", {"agents": 10}).message
    lab.answer("succeeded", currency=None)
    assert currencies(lab) == {"USD"}


def test_a_payment_of_version_0_1_of_a_site_without_a_currency_is_in_the_one_that_the_charge_was_made_in():
    lab = returning()
    lab.policy = EUROS
    lab.site = replace(lab.site, paying=replace(lab.site.paying, currency=None))
    lab.answer("succeeded", currency="USD")
    assert (lab.site.currency, currencies(lab)) == ("USD", {"USD"})


# Nothing is owed

FREE = replace(POLICY, price_cents=0)


def free(agents=12):
    lab = Lab(policy=FREE)
    lab.say("start_trial", account="a", email="e@x.example")
    lab.say("subscribe", agents=agents, payment_method="pm_ok")
    return lab


def test_where_nothing_is_owed_nothing_is_asked_and_periods_begin_as_ever():
    lab = free().advance(days=30, microseconds=-1, expecting=["remind"])
    assert (lab.site.state, lab.site.agents_allowed) == ("trial_subscribed", 5)
    lab.advance(microseconds=1, expecting=["renew"])
    assert (lab.site.state, lab.site.agents_allowed, lab.site.paying, lab.site.owed) == ("active", 12, None, None)
    first_end = lab.site.period_ends_at
    lab.advance_to(first_end, expecting=["renew"])
    assert (lab.site.period_start, lab.invoices, lab.payments) == (first_end, {}, {})
    assert "charge" not in lab.effects


def test_a_free_plan_changes_up_at_once_and_down_with_the_next_period():
    lab = free().advance(days=31)
    up = lab.say("change_plan", agents=20)
    assert (up.charge, lab.site.agents_allowed) == (None, 20)
    lab.say("change_plan", agents=4)
    lab.advance_to(lab.site.period_ends_at)
    assert (lab.site.plan_agents, lab.site.agents_allowed, lab.payments) == (4, 4, {})


def test_a_free_site_comes_back_at_once_and_is_deleted_like_any_other():
    lab = free().advance(days=31)
    lab.say("cancel")
    lab.now = lab.site.period_ends_at
    lab.site = replace(lab.site, deletes_at=lab.now + DAY)
    back = lab.say("subscribe", agents=7, payment_method="pm_new")
    assert (back.charge, lab.site.state, lab.site.agents_allowed) == (None, "active", 7)
    assert (lab.site.period_start, lab.site.payment_method, lab.site.currency) == (lab.now, "pm_new", "USD")
    lab.say("cancel")
    lab.advance(days=14)
    assert (lab.site.state, lab.payments) == ("deleted", {})


def test_an_expired_trial_comes_back_for_nothing_where_the_price_is_nothing():
    lab = Lab(policy=FREE)
    lab.say("start_trial", account="a", email="e@x.example")
    lab.advance(days=30)
    lab.say("subscribe", agents=3, payment_method="pm_silent")
    assert (lab.site.state, lab.site.price_cents, lab.payments) == ("active", 0, {})


def test_a_share_that_rounds_to_nothing_is_not_asked_for_although_the_smallest_charge_is_nothing():
    lab = at("active", policy=replace(POLICY, min_charge_cents=0))
    lab.now = lab.site.period_ends_at - 10**6 * TICK
    decision = lab.say("change_plan", agents=4)
    assert (decision.charge, lab.site.agents_allowed) == (None, 4)
    assert "their share of USD 0.00 is too small to be charged" in decision.message


def test_a_share_of_one_cent_is_charged_where_the_smallest_charge_is_nothing():
    lab = at("active", policy=replace(POLICY, min_charge_cents=0))
    lab.now = lab.site.period_ends_at - 700 * 10**6 * TICK
    assert lab.judge("change_plan", {"agents": 4}).charge.amount_cents == 1


# A reduction that waits


def never_paid(agents=12):
    lab = at("trial")
    lab.say("subscribe", agents=agents, payment_method="pm_declined")
    return lab.advance(days=30)


def test_a_reduction_that_waits_never_raises_the_agents_before_the_first_payment():
    lab = never_paid()
    assert (lab.site.state, lab.site.agents_allowed) == ("past_due", 5)
    lab.say("suspend", reason="abuse")
    lab.say("change_plan", agents=11)
    lab.say("update_payment", payment_method="pm_silent")
    lab.now = lab.site.period_ends_at
    lab.say("resume")
    assert (lab.site.state, lab.site.plan_agents, lab.site.agents_allowed) == ("active", 11, 5)
    lab.answer("succeeded")
    assert lab.site.agents_allowed == 11


def test_a_reduction_below_the_agents_allowed_lowers_them_with_the_period():
    lab = at("active")
    lab.say("change_plan", agents=2)
    lab.advance_to(lab.site.period_ends_at)
    assert (lab.site.plan_agents, lab.site.agents_allowed) == (2, 2)
