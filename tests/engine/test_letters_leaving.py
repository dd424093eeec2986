"""What a letter says when it leaves, by kind: true of that moment, or it is not sent."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import engine
from engine.letter import FACTS, STANDS
from engine.words import plain_decline
from tests.engine.lab import DAY, POLICY, TICK, at


def latest(lab, name):
    """The latest letter of a kind as it was asked for, with its moment and generation as the outbox keeps them."""
    return engine.Letter(name, lab.letter(name), lab.now, lab.site.generation)


def stands(asked, lab):
    return asked.stands(lab.site, lab.now, POLICY)


def facts(asked, lab):
    return engine.letter_facts(asked, lab.site, lab.now, POLICY)


# Who has come back, or has left


@pytest.mark.parametrize(
    ("where", "name", "then"),
    [
        ("cancelled", "cancelled", ("keep", {})),
        ("cancelled", "download_ready", ("keep", {})),
        ("expired", "trial_expired", ("subscribe", {"agents": 3, "payment_method": "pm_ok"})),
        ("expired", "download_ready", ("subscribe", {"agents": 3, "payment_method": "pm_ok"})),
        ("expired", "trial_expired", ("extend_trial", {"days": 3})),
        ("trial", "welcome", ("cancel", {})),
        ("trial_subscribed", "subscribed", ("cancel", {"when": "period_end"})),
        ("operator", "suspended_operator", ("resume", {})),
    ],
)
def test_a_letter_of_a_time_that_is_over_is_not_sent(where, name, then):
    lab = at(where)
    asked = latest(lab, name)
    assert stands(asked, lab)
    kind, data = then
    assert lab.say(kind, **data).outcome == "applied"
    assert not stands(asked, lab)


def test_welcome_back_goes_to_nobody_who_has_left_again_and_says_until_when_it_is_paid():
    lab = at("cancelled")
    lab.say("keep")
    asked = latest(lab, "welcome_back")
    assert facts(asked, lab) == {"period_ends_at": lab.site.period_ends_at, "trial_ends_at": None}
    lab.say("update_payment", payment_method="pm_declined")
    lab.advance_to(lab.site.period_ends_at)
    assert facts(asked, lab)["period_ends_at"] is None  # the period that runs is not paid
    lab.say("cancel")
    assert not stands(asked, lab)
    again = at("trial")
    again.say("cancel")
    again.say("keep")
    assert facts(latest(again, "welcome_back"), again)["trial_ends_at"] == again.site.trial_ends_at


def test_a_restore_and_a_return_online_are_told_to_who_is_online():
    lab = at("active")
    lab.say("suspend", reason="abuse")
    lab.say("resume")
    lab.say("restored", taken_at=lab.now)
    online, restored = latest(lab, "back_online"), latest(lab, "restored")
    assert stands(online, lab)
    assert stands(restored, lab)
    lab.say("suspend", reason="abuse")
    assert not stands(online, lab)
    assert not stands(restored, lab)


# Charges that are open


def test_nobody_is_told_that_no_charge_follows_while_one_is_open():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("change_plan", agents=9)
    lab.claim()
    lab.say("cancel", when="period_end")
    assert facts(latest(lab, "cancellation_scheduled"), lab)["open_cents"] == 12_000
    lab.say("suspend", reason="abuse")
    told = facts(latest(lab, "suspended_operator"), lab)
    assert (told["open_cents"], told["currency"]) == (12_000, "USD")
    lab.say("resume")
    lab.say("cancel")
    asked = latest(lab, "cancelled")
    assert facts(asked, lab)["open_cents"] == 12_000
    lab.answer("declined")
    assert facts(asked, lab)["open_cents"] is None


def test_a_suspension_by_an_operator_of_who_owes_announces_no_charge():
    lab = at("past_due")
    lab.say("suspend", reason="abuse")
    assert facts(latest(lab, "suspended_operator"), lab)["open_cents"] is None


# Moments and amounts of now


def test_a_late_word_of_the_first_charge_names_the_plan_and_the_price_of_now():
    lab = at("trial_subscribed")
    lab.advance(days=23)
    asked = latest(lab, "first_charge_soon")
    lab.say("change_plan", agents=9)
    told = facts(asked, lab)
    assert (told["plan_agents"], told["amount_cents"]) == (9, 18_000)
    lab.say("extend_trial", days=5)
    assert not stands(asked, lab)  # another comes 7 days before the new day


def test_of_a_charge_of_nothing_nobody_is_warned():
    lab = at("trial_subscribed").advance(days=23)
    asked = latest(lab, "first_charge_soon")
    assert stands(asked, lab)
    lab.site = replace(lab.site, price_cents=0)
    assert not stands(asked, lab)


def test_a_reminder_of_a_trial_that_was_extended_is_not_sent_and_the_days_left_are_those_of_now():
    lab = at("trial").advance(days=23)
    asked = latest(lab, "trial_ending")
    lab.jump(hours=11)
    assert (stands(asked, lab), facts(asked, lab)["days"]) == (True, 7)
    lab.jump(days=6, hours=12)
    assert facts(asked, lab)["days"] == 1
    lab.say("extend_trial", days=5)
    assert not stands(asked, lab)


def test_a_receipt_foretells_no_charge_that_is_past_or_will_not_come():
    lab = at("active")
    asked = latest(lab, "receipt")
    assert facts(asked, lab)["next_charge_at"] == lab.site.period_ends_at
    assert facts(asked, lab)["next_amount_cents"] == 6000
    late = lab.site.period_ends_at
    assert engine.letter_facts(asked, lab.site, late, POLICY)["next_charge_at"] is None
    lab.say("cancel", when="period_end")
    told = facts(asked, lab)
    assert (told["next_charge_at"], told["cancels_at"]) == (None, lab.site.cancels_at)
    assert engine.letter_facts(asked, lab.site, late, POLICY)["cancels_at"] is None
    lab.say("cancel")
    told = facts(asked, lab)
    assert (told["next_charge_at"], told["next_amount_cents"], told["cancels_at"]) == (None, None, None)


def test_a_site_that_ended_on_its_day_is_not_told_that_it_will():
    lab = at("active")
    lab.say("cancel", when="period_end")
    asked = latest(lab, "cancellation_scheduled")
    assert stands(asked, lab)
    lab.now = lab.site.cancels_at
    assert not stands(asked, lab)
    lab.now -= TICK
    lab.say("keep")
    assert not stands(asked, lab)
    goes_on = latest(lab, "cancellation_withdrawn")
    assert stands(goes_on, lab)
    assert facts(goes_on, lab)["next_charge_at"] == lab.site.period_ends_at
    lab.now = lab.site.period_ends_at
    assert facts(goes_on, lab)["next_charge_at"] is None


def test_a_reduction_that_was_withdrawn_or_has_come_is_not_announced():
    lab = at("active")
    lab.say("change_plan", agents=2)
    asked = latest(lab, "reduction_scheduled")
    assert facts(asked, lab)["period_ends_at"] == lab.site.period_ends_at
    assert not asked.stands(lab.site, lab.site.period_ends_at, POLICY)
    lab.say("change_plan", agents=1)
    assert not stands(asked, lab)
    lab.say("change_plan", agents=3)
    withdrawn = latest(lab, "reduction_withdrawn")
    assert stands(withdrawn, lab)
    lab.say("change_plan", agents=2)
    assert not stands(withdrawn, lab)


def test_a_reduction_that_was_not_possible_is_told_while_there_are_too_many():
    lab = at("active")
    lab.say("change_plan", agents=2)
    lab.use(3)
    lab.advance_to(lab.site.period_ends_at)
    asked = latest(lab, "reduction_impossible")
    assert facts(asked, lab)["renews_at"] == lab.site.period_ends_at
    assert stands(asked, lab)
    lab.use(2)
    assert not stands(asked, lab)


def test_more_agents_than_the_plan_are_told_while_there_are():
    lab = at("active")
    lab.use(5)
    lab.advance_to(lab.site.period_ends_at)
    asked = latest(lab, "agents_over_plan")
    assert (stands(asked, lab), facts(asked, lab)["used_agents"]) == (True, 5)
    lab.use(3)
    assert not stands(asked, lab)


# Declines


def test_a_decline_that_is_told_late_names_no_moment_that_is_past_and_48_hours_at_least():
    lab = at("past_due")
    lab.stuck = {"suspension_near"}
    asked = latest(lab, "declined")
    first = lab.site.owed.declined_at
    lab.advance(days=9)
    assert lab.site.state == "past_due"
    told = facts(asked, lab)
    assert told["suspends_at"] == lab.now + 2 * DAY > first + 7 * DAY
    assert told["next_try_at"] > lab.now


def test_a_decline_that_is_told_after_the_notice_names_the_day_that_the_notice_named():
    lab = at("past_due").advance(days=6)
    suspends = facts(latest(lab, "declined"), lab)["suspends_at"]
    assert suspends == lab.site.owed.declined_at + 7 * DAY < lab.now + 2 * DAY


def test_a_decline_of_another_invoice_is_not_told():
    lab = at("past_due")
    asked = latest(lab, "declined")
    assert stands(asked, lab)
    lab.site = replace(lab.site, owed=replace(lab.site.owed, invoice_id="another"))
    assert not stands(asked, lab)


def test_who_paid_with_another_try_is_not_told_that_nothing_has_changed():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_declined")
    lab.say("change_plan", agents=9)
    asked = latest(lab, "charge_now_declined")
    assert stands(asked, lab)
    lab.say("update_payment", payment_method="pm_ok")
    lab.say("change_plan", agents=9)
    assert not stands(asked, lab)


def test_who_paid_and_is_back_is_not_told_that_the_payment_was_declined():
    lab = at("nonpayment")
    lab.say("pay")
    asked = latest(lab, "charge_now_declined")
    assert stands(asked, lab)
    lab.say("pay", payment_method="pm_ok")
    assert not stands(asked, lab)


def test_who_has_no_time_left_to_pay_or_is_suspended_by_an_operator_is_not_asked_to_pay():
    lab = at("nonpayment")
    asked = latest(lab, "suspended_nonpayment")
    assert facts(asked, lab)["ends_at"] == lab.now + 14 * DAY
    assert not asked.stands(lab.site, lab.now + 14 * DAY, POLICY)
    lab.say("suspend", reason="abuse")
    assert not stands(asked, lab)


@pytest.mark.parametrize(
    "code", ["lost_card", "stolen_card", "fraudulent", "pickup_card", "restricted_card", "Lost Card"]
)
def test_a_suspicion_reads_as_a_plain_decline_in_letters_and_events(code):
    lab = at("trial_subscribed")
    lab.say("update_payment", payment_method="pm_silent")
    lab.advance(days=30)
    lab.answer("declined", decline_code=code, retry="never")
    assert lab.letter("declined")["decline_code"] == "card_declined"
    declined = next(event for event in lab.events if event.type == "charge.declined")
    assert declined.data["decline_code"] == "card_declined"
    raw = engine.Letter("declined", {"decline_code": code}, lab.now, lab.site.generation)
    assert facts(raw, lab)["decline_code"] == "card_declined"  # as version 0.1 asked for it


@pytest.mark.parametrize("code", [None, "insufficient_funds", "expired_card", "authentication_required"])
def test_what_is_no_suspicion_is_told_as_it_is(code):
    assert plain_decline(code) == code


# The end


def test_a_download_names_the_day_of_the_deletion_only_if_it_will_come():
    lab = at("cancelled")
    asked = latest(lab, "download_ready")
    assert facts(asked, lab) == {"deletes_at": lab.site.deletes_at, "goes_on": None}
    lab.say("hold", reason="a court")
    assert facts(asked, lab)["deletes_at"] is None
    serving = at("active")
    serving.say("export")
    assert facts(latest(serving, "download_ready"), serving) == {"deletes_at": None, "goes_on": True}
    gone = at("deleting")
    assert not stands(latest(gone, "download_ready"), gone)


def test_a_download_that_lacks_something_is_kept_for_14_days_from_when_the_customer_knows():
    lab = at("cancelled")
    asked = engine.Letter("download_ready", {"left_out": 3}, lab.now, lab.site.generation)
    lab.jump(days=2)
    assert facts(asked, lab)["deletes_at"] == lab.now + 14 * DAY


def test_a_last_notice_that_was_given_already_is_not_given_twice():
    lab = at("cancelled")
    lab.stuck = {"deletion_in_48_hours"}
    lab.advance_to(lab.site.deletes_at)
    asked = latest(lab, "deletion_in_48_hours")
    assert stands(asked, lab)
    lab.stuck = set()
    lab.jump(hours=1)
    lab.settle()
    assert lab.site.notice_sent_at == lab.now
    assert not stands(asked, lab)


def test_a_last_notice_names_no_past_day_where_it_was_waived():
    lab = at("cancelled")
    asked = engine.Letter("deletion_in_48_hours", {}, lab.now, lab.site.generation)
    lab.site = replace(lab.site, waived=("notice",))
    assert stands(asked, lab)
    lab.now = lab.site.deletes_at
    assert not stands(asked, lab)


def test_a_contact_that_changed_again_is_told_to_each_as_it_is_now():
    lab = at("active")
    lab.say("update_contact", email="b@acme.example")
    letters = [facts for name, facts in lab.letters if name == "contact_changed"]
    new, old = (engine.Letter("contact_changed", facts, lab.now, lab.site.generation) for facts in letters)
    assert stands(new, lab)
    assert stands(old, lab)
    lab.say("update_contact", email="c@acme.example")
    assert not stands(new, lab)
    assert (stands(old, lab), facts(old, lab)["new_email"]) == (True, "c@acme.example")
    lab.say("update_contact", email="owner@acme.example")
    assert not stands(old, lab)


def test_of_a_deleted_site_nothing_is_told():
    lab = at("deleted")
    assert not engine.Letter("receipt", {}, lab.now, lab.site.generation).stands(lab.site, lab.now, POLICY)


def test_every_letter_that_is_asked_for_says_when_it_is_still_true():
    code = "\n".join(path.read_text("utf-8") for path in Path(engine.__file__).parent.glob("*.py"))
    asked_for = set(re.findall(r'case\.mail\(\s*"(\w+)"', code))
    assert len(asked_for) > 20
    assert asked_for == {*STANDS, "receipt"}
    assert set(FACTS) <= asked_for


def test_a_letter_about_facts_that_are_not_there_says_nothing_of_them():
    lab = at("trial")
    bare = replace(lab.site, trial_ends_at=None)
    for name in FACTS:
        told = engine.letter_facts(engine.Letter(name, {}, lab.now, 0), bare, lab.now, POLICY)
        assert isinstance(told, dict)
