"""A letter that has waited for a mail server is sent only if it is still true, with the moments that hold then."""

from dataclasses import replace

import pytest

import engine
from engine.forecast import outlook
from tests.engine.lab import DAY, HOUR, POLICY, TICK, at


def letter(name, lab, **args):
    return engine.Letter(name, args, lab.now, lab.site.generation)


def dates(asked, site, now, policy=POLICY):
    """The moments that it names then."""
    told = engine.letter_facts(asked, site, now, policy)
    return {name: told[name] for name in ("next_try_at", "suspends_at", "deletes_at") if name in told}


def stands(asked, lab, *, later=0 * DAY):
    return asked.stands(lab.site, lab.now + later, POLICY)


@pytest.mark.parametrize(
    ("name", "where", "other"),
    [
        ("trial_ending", "trial", "trial_subscribed"),
        ("first_charge_soon", "trial_subscribed", "active"),
        ("declined", "past_due", "active"),
        ("suspended_nonpayment", "nonpayment", "active"),
        ("suspended_nonpayment", "nonpayment", "cancelled"),
    ],
)
def test_it_is_for_who_is_still_where_it_says(name, where, other):
    assert stands(letter(name, at(where)), at(where))
    assert not stands(letter(name, at(where)), at(other))


@pytest.mark.parametrize(("name", "where"), [("trial_ending", "trial"), ("first_charge_soon", "trial_subscribed")])
def test_a_reminder_is_stale_after_twelve_hours(name, where):
    lab = at(where)
    assert stands(letter(name, lab), lab, later=12 * HOUR)
    assert not stands(letter(name, lab), lab, later=12 * HOUR + TICK)


@pytest.mark.parametrize("name", ["deletion_in_7_days", "deletion_in_48_hours"])
def test_a_word_about_a_deletion_is_of_one_generation(name):
    lab = at("cancelled")
    assert stands(letter(name, lab), lab, later=90 * DAY)
    assert not stands(replace(letter(name, lab), generation=lab.site.generation - 1), lab)


def test_a_receipt_is_sent_however_late_and_whatever_became_of_the_site():
    lab = at("active")
    asked = letter("receipt", lab)
    lab.say("cancel")
    assert stands(asked, lab, later=90 * DAY)


def test_a_threat_is_for_who_owes_that_invoice_was_not_told_and_is_not_paying():
    lab = at("past_due")
    owed = lab.site.owed
    asked = letter("suspension_near", lab, invoice_id=owed.invoice_id)
    assert stands(asked, lab)
    assert not stands(letter("suspension_near", lab, invoice_id="another"), lab)
    assert not stands(asked, at("active"))
    told = replace(lab.site, owed=replace(owed, noticed_at=lab.now))
    assert not asked.stands(told, lab.now, POLICY)
    lab.say("pay", payment_method="pm_silent")
    assert not stands(asked, lab)


def test_a_threat_of_an_older_version_was_noted_when_it_was_asked_for_and_is_sent_as_it_stands():
    lab = at("past_due").advance(days=6)
    assert lab.site.owed.noticed_at is not None
    asked = letter("suspension_near", lab, suspends_at=lab.now)
    assert (stands(asked, lab), dates(asked, lab.site, lab.now)) == (True, {})
    lab.say("pay", payment_method="pm_silent")
    assert stands(asked, lab)  # its decline would not ask again
    lab.answer("succeeded")
    assert not stands(asked, lab)


def test_a_late_threat_names_a_moment_48_hours_after_it_is_sent():
    lab = at("past_due")
    asked = letter("suspension_near", lab, invoice_id=lab.site.owed.invoice_id)
    first = lab.site.owed.declined_at
    assert dates(asked, lab.site, first + 5 * DAY) == {"suspends_at": first + 7 * DAY}
    assert dates(asked, lab.site, first + 5 * DAY + TICK) == {"suspends_at": first + 7 * DAY + TICK}


def test_a_late_word_of_a_decline_names_the_next_try_and_not_one_that_is_past():
    lab = at("past_due")
    asked = letter("declined", lab)
    first = lab.site.owed.declined_at
    lab.advance(days=2)
    assert dates(asked, lab.site, lab.now) == {"next_try_at": first + 3 * DAY, "suspends_at": first + 7 * DAY}


@pytest.mark.parametrize("name", ["deletion_in_7_days", "deletion_in_48_hours"])
def test_a_late_word_about_a_deletion_names_a_moment_48_hours_after_it_is_sent(name):
    lab = at("cancelled")
    due = lab.site.deletes_at
    asked = letter(name, lab)
    assert dates(asked, lab.site, due - 2 * DAY) == {"deletes_at": due}
    assert dates(asked, lab.site, due + DAY) == {"deletes_at": due + 3 * DAY}
    waived = replace(lab.site, waived=("notice",))
    assert dates(asked, waived, due + DAY) == {"deletes_at": due}


def test_the_forecast_says_that_a_decline_suspends_only_once_the_customer_was_told():
    lab = at("past_due")
    lab.stuck.add("suspension_near")
    lab.advance(days=5)
    assert outlook(lab.site, "retry_charge", POLICY).detail.endswith("are tried again")
    lab.stuck.clear()
    lab.settle()
    assert outlook(lab.site, "retry_charge", POLICY).detail.endswith("are tried again; a decline suspends the site")


def test_the_forecast_names_the_notice_while_it_is_lacking():
    lab = at("past_due")
    lab.stuck.add("suspension_near")
    lab.advance(days=7, microseconds=-1)
    assert "are tried again" in outlook(lab.site, "retry_charge", POLICY).detail
    lab.advance(microseconds=1)
    told = outlook(lab.site, "retry_charge", POLICY)
    assert (told.detail, told.amount_cents) == (
        "a mail: the notice before the suspension, which could not be sent yet",
        None,
    )
