"""Refunds, bounced notices, too many agents, and deletions that are told anew: the whole engine, both databases."""

import importlib
from datetime import timedelta
from typing import Any

import pytest

from models import breaker
from models.clock import engine_now
from models.database import writing
from tests.quick import QuickWorld
from workers.cli import deletion_reports, reports
from workers.safety import breaker as deletion

law = importlib.import_module("engine.timers")  # the package has a function of this name
ASKED = {"reference": "re_1", "reason": "asked for it"}


@pytest.fixture
def world(tmp_path, databases, monkeypatch):
    """Without nights, which are nine moments out of ten."""
    told = law._moments
    monkeypatch.setattr(law, "_moments", lambda *given: (one for one in told(*given) if one[0] != "back_up_nightly"))
    made = QuickWorld(tmp_path / "data", "redis://127.0.0.1:1", **databases())
    yield made
    made.close()


def invoices(world):
    return [(one["status"], one["number"]) for one in world.show()["invoices"]]


def test_a_refunded_invoice_makes_room_for_another_of_the_same_period(world):
    world.start_active(agents=3)
    (paid,) = world.show()["invoices"]
    assert world.send("record_refund", invoice=paid["id"], **ASKED)["code"] == "state.illegal"
    world.send("cancel")

    said = world.send("record_refund", invoice=paid["id"], **ASKED)
    again = world.send("subscribe", agents=3, payment_method="pm_visa")

    assert (said["outcome"], again["charge"]["amount_cents"]) == ("applied", 6000)
    assert invoices(world) == [("refunded", 1), ("paid", 2)]
    assert len({one["period_start"] for one in world.show()["invoices"]}) == 1
    assert world.send("record_refund", invoice=paid["id"], **ASKED)["code"] == "state.illegal"


@pytest.mark.parametrize("invoice", ["inv_unknown", "of another site"])
def test_an_invoice_that_is_not_the_sites_is_unknown(world, invoice):
    world.start_active("other.example.com", agents=3)
    of_other = world.show("other.example.com")["invoices"][0]["id"]
    world.start_active(agents=3)

    said = world.send("record_refund", invoice=invoice if invoice == "inv_unknown" else of_other, **ASKED)

    assert (said["outcome"], said["code"]) == ("refused", "invoice.unknown")


def test_a_refund_is_recorded_of_a_deleted_site_and_stands_in_its_history(world):
    world.start_active(agents=3)
    invoice = world.show()["invoices"][0]["id"]
    world.send("cancel")
    world.advance(days=14)
    site_id = world.show()["id"]
    assert world.state() == "deleted"

    world.send("record_refund", site_id, invoice=invoice, **ASKED)

    assert invoices(world) == [("refunded", 1)]
    assert world.history()[-1]["type"] == "site.record_refund"
    assert world.send("cancel", site_id)["code"] == "site.deleted"


def test_a_notice_that_bounced_is_sent_to_the_new_address_and_counts_from_then(world):
    world.start_active(agents=3)
    world.send("cancel")
    world.advance(days=13)
    address = world.outside.mails[-1].to
    bounced = {"letter": "deletion_in_48_hours", "address": address, "reason": "550 no such mailbox"}
    assert world.send("mail_bounced", **bounced)["outcome"] == "applied"
    assert world.send("mail_bounced", **bounced)["outcome"] == "no_op"
    world.advance(days=20)
    assert (world.state(), [fault["code"] for fault in world.show()["faults"]]) == ("cancelled", ["notice.bounced"])

    told = len(late_notices(world))
    world.send("update_contact", email="new@acme.example.com")

    assert len(late_notices(world)) == told + 1
    assert (
        next(mail.to for mail in world.outside.mails if mail.subject == late_notices(world)[-1])
        == "new@acme.example.com"
    )
    assert world.show()["attention"] is None
    world.advance(days=2, seconds=-1)
    assert world.state() == "cancelled"
    world.advance(seconds=2)
    assert world.state() == "deleted"


def test_more_agents_than_are_paid_for_are_an_event_a_flag_and_a_list(world):
    world.start_active(agents=3)
    world.outside.agents = 5
    world.advance_to(world.show()["period_ends_at"])

    assert [(event["agents"], event["used"]) for event in world.events_of("agents.over_plan")] == [(3, 5)]
    assert world.show()["over_plan"]
    asked: dict[str, Any] = {"state": None, "account": None, "after": None, "limit": 10}
    assert len(reports.site_list(world.context, only="over_plan", **asked)["sites"]) == 1
    world.outside.agents = 2
    world.advance_to(world.show()["period_ends_at"])
    assert reports.site_list(world.context, only="over_plan", **asked)["sites"] == []


# Deletions that were stopped


def leaves(world):
    world.start_active(agents=3)
    world.send("cancel")


def late_notices(world):
    return [mail.subject for mail in world.outside.mails if mail.subject.startswith("Last notice")]


def test_a_release_after_a_deletion_has_begun_and_removed_nothing_tells_anew(world):
    leaves(world)
    world.advance(days=14, seconds=-1)
    before = len(late_notices(world))
    rest, world.rest = world.rest, lambda: None
    world.advance(seconds=1)
    world.rest = rest
    assert world.state() == "deleting"
    world.say("hold", reason="court order 7")
    world.rest()
    world.advance(days=3)
    assert world.state() == "deleting"

    world.send("release")
    at = world.now
    world.advance(seconds=1)

    assert len(late_notices(world)) == before + 1
    assert "can't be brought back any more" in world.outside.mails[-1].body
    world.advance_to(at + timedelta(days=2))
    assert world.state() == "deleting"
    world.advance(seconds=2)
    world.retry_now()
    assert world.state() == "deleted"


def test_a_breaker_that_tripped_and_is_resumed_after_the_date_tells_anew(world):
    leaves(world)
    world.advance(days=14, seconds=-1)
    before = len(late_notices(world))
    with writing(world.context.database) as tx:
        breaker.turn(tx, "tripped", "too many", engine_now(tx))
    world.advance(days=2)
    assert world.state() == "cancelled"

    deletion.resume(world.context, deletion_reports.preview(world.context)["count"])
    at = world.now
    world.advance(seconds=1)

    assert len(late_notices(world)) == before + 1
    world.advance_to(at + timedelta(days=2))
    assert world.state() == "cancelled"
    world.advance(seconds=2)
    assert world.state() == "deleted"


def test_a_deletion_that_has_removed_something_goes_on_after_the_breaker_is_resumed(world):
    leaves(world)
    world.advance(days=14, seconds=-1)
    world.outside.broken = {"remove_all": "the store is away"}
    world.advance(seconds=1)
    assert world.state() == "deleting"
    world.outside.broken = {}
    deletion.pause(world.context)
    world.advance(days=1)
    told = len(late_notices(world))

    deletion.resume(world.context, 0)
    world.send("retry")

    assert (world.state(), len(late_notices(world))) == ("deleted", told)
