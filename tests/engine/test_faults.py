"""What operators are told is wrong: every open fault, as long as its cause stands and no longer."""

from dataclasses import replace

import pytest

import engine
from tests.engine.lab import DAY, POLICY, TICK, at


def gives_up(lab, kind, about="", **more):
    """An effect of the site's present generation gives up."""
    name = f"{lab.site.id}:{lab.site.generation}:{kind}:{about}"
    told = {"kind": kind, "about": about, "effect": name, "generation": lab.site.generation, "error": "no room", **more}
    return lab.say("gave_up", **told)


def open_faults(lab):
    return [(fault.code, fault.kind, fault.about) for fault in engine.open_faults(lab.site)]


def silent(where="active", kind="change_plan", **data):
    """A charge under way that was claimed and gave up."""
    lab = at(where)
    lab.say("update_payment", payment_method="pm_silent")
    lab.say(kind, **(data or {"agents": 9}))
    lab.claim()
    gives_up(lab, "charge", lab.site.paying.reason, payment_id=lab.site.paying.payment_id)
    return lab


def drops(lab):
    fault = next(one for one in lab.site.faults if one.kind == "charge")
    lab.waiting = [one for one in lab.waiting if one.kind != "charge"]
    return lab.say("effect_dropped", effect=fault.effect, kind="charge", payment_id=fault.key)


# All that is wrong is told


def test_attention_names_every_open_fault_and_not_only_the_last():
    lab = at("active")
    gives_up(lab, "export")
    gives_up(lab, "mail", "receipt")
    gives_up(lab, "set_agent_limit")
    assert open_faults(lab) == [
        ("effect.gave_up", *what) for what in (("export", ""), ("mail", "receipt"), ("set_agent_limit", ""))
    ]
    sentences = lab.attention().split("; ")
    assert [text for text in sentences if "gave up" in text] == [
        "export gave up: 'no room'",
        "mail (receipt) gave up: 'no room'",
        "set_agent_limit gave up: 'no room'",
    ]
    assert all(fault.since == lab.now and fault.do for fault in engine.open_faults(lab.site))


def test_the_same_effect_that_gives_up_again_is_one_fault():
    lab = at("active")
    gives_up(lab, "export")
    gives_up(lab, "export")
    assert len(lab.site.faults) == 1


def test_nights_and_what_gave_up_stand_side_by_side():
    lab = at("active")
    gives_up(lab, "back_up", "nightly", purpose="nightly")
    gives_up(lab, "export")
    assert [fault.code for fault in engine.open_faults(lab.site)] == ["effect.gave_up", "backup.failed"]
    assert "the nightly backup failed; it is tried again at" in lab.attention()
    assert lab.say("retry").message == "tried again: export, back_up (nightly)"


# Retry


def test_retry_answers_with_each_thing_that_it_tries_again():
    lab = at("active")
    gives_up(lab, "export")
    gives_up(lab, "mail", "receipt")
    decision = lab.say("retry")
    assert decision.message == "tried again: export, mail (receipt)"
    assert (decision.revives, lab.site.faults) == ("everything", ())
    assert lab.say("retry").outcome == "no_op"


def test_retry_never_makes_a_restore_that_gave_up_and_says_what_to_do_instead():
    lab = at("active")
    gives_up(lab, "restore")
    lab.advance(days=20)
    refused = lab.say("retry")
    assert (refused.outcome, refused.revives) == ("no_op", "")
    assert "site.restore" in refused.message
    gives_up(lab, "export")
    assert lab.say("retry").message == "tried again: export"
    assert open_faults(lab) == [("effect.gave_up", "restore", "")]


@pytest.mark.parametrize(("kind", "data"), [("restored", {"taken_at": None}), ("effect_dropped", {"kind": "restore"})])
def test_a_restore_that_gave_up_is_over_once_another_is_made_or_an_operator_drops_it(kind, data):
    lab = at("active")
    gives_up(lab, "restore")
    effect = {"effect": lab.site.faults[0].effect} if kind == "effect_dropped" else {}
    lab.say(kind, **data, **effect)
    assert lab.attention() == ""


def test_what_gave_up_in_a_past_generation_is_no_fault_and_is_not_tried_again():
    lab = at("active")
    gives_up(lab, "export")
    gives_up(lab, "restore")
    gives_up(lab, "mail", "receipt")
    lab.say("cancel")
    assert lab.attention() == ""
    assert lab.say("retry").outcome == "no_op"
    lab.say("gave_up", kind="export", effect="x", generation=0, error="late")
    assert lab.attention() == ""


def test_a_download_that_gave_up_is_wanted_until_one_of_this_generation_is_ready():
    lab = at("active")
    lab.stuck = {"export"}
    lab.say("cancel")
    gives_up(lab, "export")
    gives_up(lab, "back_up", "final", purpose="final")
    assert [what for _, what, _ in open_faults(lab)] == ["export"]  # the backup is there
    lab.stuck = set()
    lab.settle()
    assert lab.attention() == ""


def test_retry_of_a_deletion_that_begun_says_so():
    lab = at("deleting")
    assert lab.say("retry").message == "tried again: delete"
    gives_up(lab, "delete")
    assert lab.say("retry").message == "tried again: delete"
    assert lab.attention() == ""


# No word outlives its cause


def test_a_site_that_failed_and_was_cancelled_asks_for_nothing_more():
    lab = at("failed")
    assert open_faults(lab) == [("build.failed", "", "")]
    assert "site.retry builds it again" in lab.attention()
    lab.say("cancel")
    assert lab.attention() == ""


def test_a_site_that_failed_and_is_built_again_asks_for_nothing_more():
    lab = at("failed")
    assert lab.say("retry").message == "tried again: the site is built"
    assert (lab.site.state, lab.attention()) == ("provisioning", "")


def test_a_charge_that_gave_up_and_was_answered_after_all_is_no_fault():
    lab = silent()
    assert "site.retry asks under the same key" in lab.attention()
    lab.say("effect_retried", effect=lab.site.faults[0].effect, kind="charge")
    assert lab.attention() == ""
    lab = silent()
    lab.answer("succeeded")
    assert lab.attention() == ""


def test_letters_that_gave_up_go_to_the_new_address_once_it_is_mended():
    lab = at("active")
    gives_up(lab, "mail", "receipt")
    gives_up(lab, "export")
    decision = lab.say("update_contact", email="new@acme.example")
    assert (decision.revives, lab.site.contact_since) == ("letters", lab.now)
    assert "sent to the new address: receipt" in decision.message
    assert [what for _, what, _ in open_faults(lab)] == ["export"]


def test_a_letter_to_an_address_that_is_gone_is_dropped():
    lab = at("active")
    lab.say("update_contact", email="new@acme.example")
    assert gives_up(lab, "mail", "contact_changed", to="owner@acme.example").outcome == "no_op"
    assert gives_up(lab, "mail", "contact_changed", to="new@acme.example").outcome == "applied"


def test_what_a_later_one_of_the_same_has_done_is_no_fault():
    lab = at("active")
    gives_up(lab, "set_agent_limit")
    gives_up(lab, "back_up", "on_demand", purpose="on_demand")
    lab.say("effect_done", kind="set_agent_limit")
    lab.say("backup_verified", purpose="on_demand", generation=0, taken_at=lab.now)
    assert lab.attention() == ""


def test_going_offline_that_gave_up_is_no_fault_of_who_is_online_again():
    lab = at("active")
    lab.say("suspend", reason="abuse")
    gives_up(lab, "take_offline")
    assert "take_offline gave up" in lab.attention()
    lab.say("resume")
    assert lab.attention() == ""


# A charge that an operator gives up


def test_a_charge_now_that_is_dropped_is_void_and_holds_nobody():
    lab = silent()
    decision = drops(lab)
    assert "USD 120.00 is void" in decision.message
    assert (lab.site.paying, lab.site.plan_agents, lab.attention()) == (None, 3, "")
    assert lab.statuses() == ["paid", "void"]
    lab.say("update_payment", payment_method="pm_ok")
    assert lab.say("change_plan", agents=9).charge.amount_cents == 12_000


def test_a_first_charge_that_is_dropped_leaves_a_period_that_nobody_owes_and_the_trials_number():
    lab = at("trial")
    lab.say("subscribe", agents=12, payment_method="pm_silent")
    lab.advance(days=30)
    lab.claim()
    gives_up(lab, "charge", "first_charge", payment_id=lab.site.paying.payment_id)
    drops(lab)
    assert (lab.site.state, lab.site.owed, lab.site.agents_allowed, lab.statuses()) == ("active", None, 5, ["void"])
    lab.now = lab.site.period_ends_at - 60 * 10**6 * TICK
    lab.say("change_plan", agents=13)
    assert (lab.site.plan_agents, lab.site.agents_allowed) == (13, 5)  # too little to charge, and nothing was ever paid
    lab.say("update_payment", payment_method="pm_ok")
    lab.advance(minutes=2)
    assert (lab.site.agents_allowed, lab.statuses()) == (13, ["void", "paid"])


def test_a_renewal_that_is_dropped_lets_the_next_one_come():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.advance_to(lab.site.period_ends_at)
    lab.claim()
    gives_up(lab, "charge", "renewal", payment_id=lab.site.paying.payment_id)
    drops(lab)
    lab.say("update_payment", payment_method="pm_ok")
    lab.advance_to(lab.site.period_ends_at)
    assert (lab.site.state, lab.statuses()) == ("active", ["paid", "void", "paid"])


def test_a_debt_that_was_declined_stands_when_a_later_try_is_dropped_and_its_dates_run_on():
    lab = at("past_due")
    lab.say("pay", payment_method="pm_silent")
    lab.claim()
    gives_up(lab, "charge", "retry", payment_id=lab.site.paying.payment_id)
    drops(lab)
    assert (lab.site.state, lab.site.owed.tried_at, lab.statuses()) == ("past_due", lab.now, ["open"])
    assert lab.say("pay", payment_method="pm_ok").charge.amount_cents == 6000
    assert (lab.site.state, lab.statuses()) == ("active", ["paid"])
    assert len({*lab.payments}) == 3


def test_a_return_that_is_dropped_changes_nothing_and_the_deletion_goes_on():
    lab = at("expired")
    lab.say("subscribe", agents=3, payment_method="pm_silent")
    lab.claim()
    gives_up(lab, "charge", "new_start", payment_id=lab.site.paying.payment_id)
    lab.advance(days=20)
    assert lab.site.state == "expired"
    drops(lab)
    lab.advance(days=3)
    assert (lab.site.state, lab.statuses()) == ("deleted", ["void"])


@pytest.mark.parametrize("waits", [0 * DAY, 40 * DAY])
def test_a_success_after_it_was_dropped_is_to_be_refunded_even_if_the_site_is_deleted_by_then(waits):
    lab = silent()
    paying = lab.site.paying
    drops(lab)
    if waits:
        lab.say("cancel")
        lab.advance_to(lab.now + waits)
        assert lab.site.state == "deleted"
    lab.say(
        "charge_succeeded",
        payment_id=paying.payment_id,
        amount_cents=paying.amount_cents,
        reference="r",
        card_label="V",
    )
    assert "USD 120.00 were charged after the charge was dropped" in lab.attention()
    assert f"invoice={paying.invoice_id}" in lab.attention()
    assert (lab.statuses()[1], lab.site.agents_allowed) == ("void", 3)
    alarm = next(one for one in reversed(lab.events) if one.type == "alarm.raised")
    assert (alarm.data["code"], alarm.data["alarm"]) == ("refund.due", "refund.due")
    before = lab.site
    lab.say("charge_succeeded", payment_id=paying.payment_id)
    assert lab.site == before


def test_a_deleted_site_hears_of_nothing_else():
    lab = at("deleted")
    assert lab.judge("charge_succeeded", {"payment_id": "x"}).code == "site.deleted"


def test_who_comes_back_to_days_that_were_paid_late_is_not_refunded_for_them():
    lab = silent()
    lab.say("cancel")
    lab.answer("succeeded")
    assert "refund" in lab.attention()
    lab.say("keep")
    assert lab.attention() == ""


def test_money_that_is_to_go_back_is_told_until_it_is_recorded_even_of_a_deleted_site():
    lab = silent()
    lab.say("cancel")
    lab.answer("succeeded")
    assert lab.say("retry").outcome == "no_op"
    lab.advance(days=14)
    assert lab.site.state == "deleted"
    assert open_faults(lab) == [("refund.due", "", "")]


# What version 0.1 wrote down

OLD = {
    "'export' gave up: 'no room'; mend the cause, then site.retry": ("effect.gave_up", "export"),
    "USD 60.00 were charged after the cancellation: refund them at the payment provider, then site.retry": (
        "refund.due",
        "",
    ),
    "something of an even older version": ("effect.gave_up", ""),
}


@pytest.mark.parametrize(("sentence", "expected"), OLD.items())
def test_a_sentence_of_version_0_1_is_a_fault(sentence, expected):
    lab = at("active")
    lab.site = replace(lab.site, attention=sentence)
    (fault,) = engine.open_faults(lab.site)
    assert (fault.code, fault.kind) == expected
    assert fault.what in lab.attention()
    before = lab.attention()
    lab.say("hold", reason="x")
    assert (lab.attention(), lab.site.attention) == (before, None)


def test_a_sentence_of_version_0_1_about_two_things_is_two_faults_and_retry_mends_one():
    lab = at("active")
    export, refund, _ = OLD
    lab.site = replace(lab.site, attention=f"{refund}; and {export}")
    assert lab.say("retry").message == "tried again: export"
    assert open_faults(lab) == [("refund.due", "", "")]


def test_a_site_that_version_0_1_could_not_build_is_a_fault_until_it_is_given_up():
    lab = at("failed")
    text = "the site could not be built ('no room'): site.retry builds it again, site.cancel gives it up"
    lab.site = replace(lab.site, attention=text, faults=())
    assert open_faults(lab) == [("build.failed", "", "")]
    lab.say("cancel")
    assert lab.attention() == ""


def test_a_fault_without_an_effect_is_dropped_by_its_kind():
    lab = at("active")
    lab.site = replace(lab.site, attention=next(iter(OLD)))
    lab.say("effect_dropped", effect="x", kind="export")
    assert lab.attention() == ""


def test_every_code_of_a_fault_is_in_the_closed_list():
    assert set(engine.FAULT_CODES) >= {"effect.gave_up", "build.failed", "refund.due", "backup.failed"}
    assert POLICY.min_charge_cents == 50
