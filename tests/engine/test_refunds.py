"""Refunds that people made, and notices that did not arrive."""

from dataclasses import replace

import pytest

import engine
from tests.engine.lab import DAY, HOUR, POLICY, T0, TICK, at

ASKED = {"reference": "re_1", "reason": "asked for it"}
OWNER, NEW = "owner@acme.example", "new@acme.example"


def refund(lab, invoice):
    return lab.say("record_refund", invoice=invoice, **ASKED)


def first(lab):
    return next(iter(lab.invoices))


# Refunds


def test_a_refunded_period_gives_its_days_back_and_coming_back_is_charged_anew():
    lab = at("cancelled")
    assert lab.judge("subscribe", {"agents": 3, "payment_method": "pm_ok"}).charge is None
    decision = refund(lab, first(lab))
    assert lab.statuses() == ["refunded"]
    assert "coming back is charged anew" in decision.message
    assert lab.judge("keep").code == "state.illegal"
    assert lab.say("subscribe", agents=3, payment_method="pm_ok").charge.amount_cents == 6000
    assert lab.statuses() == ["refunded", "paid"]


def test_the_period_that_runs_is_not_refunded_to_who_goes_on():
    lab = at("active")
    refused = lab.judge("record_refund", {"invoice": first(lab), **ASKED})
    assert refused.code == "state.illegal"
    assert "use site.cancel first" in refused.message
    lab.advance_to(lab.site.period_ends_at)
    before = lab.site
    assert refund(lab, first(lab)).outcome == "applied"
    assert (lab.statuses(), lab.site) == (["refunded", "paid"], before)


def test_added_agents_that_are_refunded_within_their_period_are_not_paid_for_any_more():
    lab = at("active")
    lab.say("change_plan", agents=9)
    lab.say("change_plan", agents=7)
    decision = refund(lab, list(lab.invoices)[1])
    assert "the plan is 3 agents again" in decision.message
    assert (lab.site.plan_agents, lab.site.agents_allowed, lab.site.next_agents) == (3, 3, None)
    assert lab.judge("change_plan", {"agents": 9}).charge.amount_cents == 12_000


def test_a_reduction_below_what_is_left_stays():
    lab = at("active")
    lab.say("change_plan", agents=9)
    lab.say("change_plan", agents=2)
    refund(lab, list(lab.invoices)[1])
    assert (lab.site.plan_agents, lab.site.next_agents) == (3, 2)


def test_added_agents_of_a_past_period_are_refunded_and_nothing_else_changes():
    lab = at("active")
    lab.say("change_plan", agents=9)
    added = list(lab.invoices)[1]
    lab.advance_to(lab.site.period_ends_at)
    before = lab.site
    refund(lab, added)
    assert lab.site == before


def test_money_that_was_to_go_back_is_told_no_more_once_its_refund_is_recorded():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("change_plan", agents=9)
    lab.claim()
    lab.say("cancel")
    lab.answer("succeeded")
    assert "refund" in lab.attention()
    refund(lab, list(lab.invoices)[1])
    assert (lab.attention(), lab.statuses()) == ("", ["paid", "refunded"])
    lab.say("subscribe", agents=9, payment_method="pm_ok")
    assert lab.statuses() == ["paid", "refunded", "paid"]


def test_a_refund_that_version_0_1_asked_for_without_an_invoice_is_settled_by_any():
    lab = at("cancelled")
    lab.site = replace(
        lab.site, attention="USD 60.00 were charged after the cancellation: refund them, then site.retry"
    )
    refund(lab, first(lab))
    assert lab.attention() == ""


def test_a_charge_that_was_made_after_it_was_dropped_is_refunded_and_its_invoice_with_it():
    lab = at("active")
    lab.say("update_payment", payment_method="pm_silent")
    lab.say("change_plan", agents=9)
    lab.claim()
    paying = lab.site.paying
    lab.waiting = [one for one in lab.waiting if one.kind != "charge"]
    lab.say("effect_dropped", effect="x", kind="charge", payment_id=paying.payment_id)
    lab.say("charge_succeeded", payment_id=paying.payment_id)
    refund(lab, paying.invoice_id)
    assert (lab.attention(), lab.statuses(), lab.site.plan_agents) == ("", ["paid", "refunded"], 3)


def test_a_second_payment_of_a_debt_is_refunded_and_the_paid_invoice_stands():
    lab = at("past_due")
    lab.say("pay", payment_method="pm_silent")
    lab.claim()
    paying = lab.site.paying
    lab.waiting = [one for one in lab.waiting if one.kind != "charge"]
    lab.say("effect_dropped", effect="x", kind="charge", payment_id=paying.payment_id)
    lab.say("pay", payment_method="pm_ok")
    lab.say("charge_succeeded", payment_id=paying.payment_id)
    before = lab.site
    refund(lab, paying.invoice_id)
    assert (lab.attention(), lab.statuses()) == ("", ["paid"])
    assert lab.site == replace(before, faults=())
    lab.say("cancel")
    lab.site = replace(lab.site, faults=before.faults)
    refund(lab, paying.invoice_id)
    assert lab.site.period_ends_at == before.period_ends_at  # what was paid twice is paid once


def test_a_deleted_sites_refund_is_recorded_and_nothing_else_is_done_to_it():
    lab = at("cancelled").advance(days=14)
    assert lab.site.state == "deleted"
    assert refund(lab, first(lab)).outcome == "applied"
    assert (lab.statuses(), lab.site.state) == (["refunded"], "deleted")
    assert engine.allowed(lab.site, lab.now, POLICY) == ()
    assert lab.judge("record_refund", {"invoice": "x", **ASKED}).code == "invoice.unknown"


@pytest.mark.parametrize("status", ["open", "void", "uncollectible", "refunded"])
def test_only_a_paid_invoice_is_refunded(status):
    lab = at("cancelled")
    lab.invoices[first(lab)]["status"] = status
    refused = lab.judge("record_refund", {"invoice": first(lab), **ASKED})
    assert (refused.code, status in refused.message) == ("state.illegal", True)


def test_where_nothing_was_ever_charged_there_is_nothing_to_refund():
    refused = at("trial").judge("record_refund", {"invoice": "x", **ASKED})
    assert "nothing was paid yet" in refused.message
    assert at("expired").judge("record_refund", {"invoice": "x", **ASKED}).code == "state.illegal"


# Notices that bounced


def noticed():
    """Cancelled, and told of the deletion in 48 h."""
    lab = at("cancelled")
    lab.advance_to(lab.site.deletes_at - 2 * DAY)
    assert lab.site.notice_sent_at == lab.now
    return lab


def bounce(lab, letter="deletion_in_48_hours", address=OWNER):
    return lab.say("mail_bounced", letter=letter, address=address, reason="550 no such mailbox")


def test_a_last_notice_that_bounced_was_not_given_and_nothing_is_deleted_until_somebody_acts():
    lab = noticed()
    lab.advance(hours=1)
    bounce(lab)
    assert lab.site.notice_sent_at is None
    assert "deletion_in_48_hours did not arrive: '550 no such mailbox'; site.update_contact" in lab.attention()
    assert OWNER not in lab.attention()
    assert [event.data["code"] for event in lab.events if event.type == "alarm.raised"] == ["notice.bounced"]
    lab.advance(days=30, expecting=[])
    assert lab.site.state == "cancelled"
    assert bounce(lab).outcome == "no_op"


@pytest.mark.parametrize("mends", [("update_contact", {"email": NEW}), ("retry", {})])
def test_once_the_address_is_mended_the_notice_is_sent_again_and_the_deletion_comes_48_hours_later(mends):
    lab = noticed()
    bounce(lab)
    lab.advance(days=5)
    kind, data = mends
    lab.say(kind, **data)
    assert lab.attention() == ""
    assert (lab.site.notice_sent_at, lab.site.deletes_at) == (lab.now, lab.now + 2 * DAY)
    lab.advance(days=2, microseconds=-1, expecting=[])
    lab.advance(microseconds=1)
    assert lab.site.state == "deleted"


def test_a_waiver_of_the_notice_lets_the_deletion_come_without_it():
    lab = noticed()
    bounce(lab)
    lab.say("waive", guard="notice", reason="nobody is there")
    assert lab.attention() == ""
    lab.advance(days=2)
    assert lab.site.state == "deleted"


@pytest.mark.parametrize(
    ("letter", "address"),
    [("receipt", OWNER), ("deletion_in_7_days", OWNER), ("deletion_in_48_hours", "other@x.test")],
)
def test_what_is_no_notice_to_this_customer_takes_nothing_back(letter, address):
    lab = noticed()
    assert bounce(lab, letter, address).outcome == "no_op"
    assert lab.site.notice_sent_at is not None


def test_a_notice_to_the_older_address_bounces_although_the_contact_has_changed_since():
    lab = noticed()
    lab.advance(hours=1)
    lab.say("update_contact", email=NEW)
    assert bounce(lab, address=OWNER).outcome == "applied"
    lab.advance(hours=1)
    lab.say("retry")
    lab.advance(hours=1)
    assert lab.site.notice_sent_at is not None
    assert bounce(lab, address=OWNER).outcome == "no_op"  # the present one went to the new address
    assert bounce(lab, address=NEW).outcome == "applied"


def test_who_comes_back_is_told_of_no_bounce():
    lab = noticed()
    bounce(lab)
    lab.say("keep") if lab.judge("keep").outcome == "applied" else lab.say(
        "subscribe", agents=3, payment_method="pm_ok"
    )
    assert (lab.site.state, lab.attention()) == ("active", "")


def threatened():
    """Declined, and told two days before the suspension."""
    lab = at("past_due").advance(days=5)
    assert lab.site.owed.noticed_at is not None
    return lab


def test_nobody_is_suspended_for_a_notice_that_bounced_and_it_is_not_sent_there_again():
    lab = threatened()
    sent = lab.sent()["suspension_near"]
    bounce(lab, "suspension_near")
    assert lab.site.owed.noticed_at is None
    lab.advance(days=9)
    assert (lab.site.state, lab.sent()["suspension_near"]) == ("past_due", sent)
    lab.say("update_contact", email=NEW)
    told = lab.now
    assert (lab.site.owed.noticed_at, lab.attention()) == (told, "")
    lab.advance_to(told + 2 * DAY - TICK)
    assert lab.site.state == "past_due"
    lab.advance(days=1)
    assert lab.site.suspended_for == "nonpayment"


def test_a_bounce_is_forgotten_with_the_debt():
    lab = threatened()
    bounce(lab, "suspension_near")
    assert "suspension_near did not arrive" in lab.attention()
    lab.say("pay", payment_method="pm_ok")
    assert lab.attention() == ""


def test_a_bounce_that_is_heard_of_after_the_suspension_is_told_and_changes_no_state():
    lab = at("nonpayment")
    assert bounce(lab, "suspension_near").outcome == "applied"
    assert (lab.site.state, lab.site.owed.noticed_at) == ("suspended", None)
    lab.say("update_contact", email=NEW)
    assert (lab.attention(), lab.site.owed.noticed_at) == ("", None)


# More agents than are paid for


def test_at_each_renewal_with_too_many_agents_the_customer_and_operators_are_told():
    lab = at("active")
    lab.use(5)
    for renewals in (1, 2):
        lab.advance_to(lab.site.period_ends_at)
        told = [event.data for event in lab.events if event.type == "agents.over_plan"]
        assert told == [{"agents": 3, "used": 5}] * renewals
        assert lab.sent()["agents_over_plan"] == renewals
        assert lab.site.is_over_plan
    lab.use(3)
    lab.advance_to(lab.site.period_ends_at)
    assert (lab.sent()["agents_over_plan"], lab.site.is_over_plan) == (2, False)


def test_a_period_that_begins_with_the_payment_tells_of_too_many_agents_as_well():
    lab = at("nonpayment")
    lab.use(5)
    lab.say("pay", payment_method="pm_ok")
    assert [event.data for event in lab.events if event.type == "agents.over_plan"] == [{"agents": 3, "used": 5}]
    assert lab.now - T0 > HOUR
