"""Deleting: each guard stops it alone, and each is missed when it is taken away."""

from dataclasses import replace

import pytest

import engine
from engine import authority, cancellation
from engine.case import Case
from tests.engine.lab import DAY, HOUR, POLICY, TICK, at


def ripe(where="expired"):
    """A site at the first moment at which it may be deleted, with nothing done yet."""
    lab = at(where)
    lab.advance(days=14, microseconds=-1)
    lab.now += TICK
    assert engine.authorize_destruction(lab.site, lab.now, lab.policy) == []
    return lab


PAYING = engine.Paying("pay_1", "inv_1", "new_start", 6000, 3, *(at("expired").now,) * 2)


def faults(now):
    """What is wrong, alone, with a site that could be deleted now; by the guard that must see it."""
    return {
        "right_state": {"state": "active"},
        "no_hold": {"held_for": "a court"},
        "no_payment": {"paying": PAYING},
        "fourteen_days": {"cancelled_at": now - 14 * DAY + TICK},
        "told_date": {"deletes_at": now + TICK},
        "export_kept": {"export_ready_at": now - 14 * DAY + TICK},
        "final_backup": {"final_backup_at": None},
        "notice_given": {"notice_sent_at": now - 2 * DAY + TICK},
    }


FAULTS = tuple(faults(PAYING.period_start))
MISSING = {
    "fourteen_days": {"cancelled_at": None},
    "told_date": {"deletes_at": None},
    "export_kept": {"export_ready_at": None},
    "notice_given": {"notice_sent_at": None},
}


def without(monkeypatch, name):
    monkeypatch.setattr(authority, "GUARDS", [guard for guard in authority.GUARDS if guard.__name__ != name])
    left = {key: guard for key, guard in authority.EVIDENCE.items() if guard.__name__ != name}
    monkeypatch.setattr(authority, "EVIDENCE", left)


def test_every_guard_has_its_fault_here():
    assert {guard.__name__ for guard in (*authority.GUARDS, *authority.EVIDENCE.values())} == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_each_guard_alone_stops_a_deletion_and_without_it_nothing_would(monkeypatch, name):
    lab = ripe()
    site = replace(lab.site, **faults(lab.now)[name])
    assert len(engine.authorize_destruction(site, lab.now, POLICY)) == 1

    without(monkeypatch, name)
    assert engine.authorize_destruction(site, lab.now, POLICY) == []


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_value_means_hold(name):
    lab = ripe()
    assert len(engine.authorize_destruction(replace(lab.site, **MISSING[name]), lab.now, POLICY)) == 1


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "right_state"])
def test_the_timer_is_held_by_each_guard_and_tells_why(name):
    lab = ripe()
    lab.site = replace(lab.site, **faults(lab.now)[name])
    held = lab.judge("delete")
    assert (held.outcome, held.code) == ("refused", "state.illegal")
    assert held.message == "; ".join(engine.authorize_destruction(lab.site, lab.now, POLICY))


def test_it_is_authorized_again_in_the_move_itself():
    lab = at("expired")
    with pytest.raises(LookupError, match="unauthorized"):
        cancellation.delete(Case(lab.site, engine.Command("site.delete", "s", "1"), lab.now, POLICY))


def test_a_cancelled_site_survives_day_13_and_is_deleted_on_day_14():
    lab = at("cancelled")
    lab.advance(days=14, microseconds=-1, expecting=["warn", "warn"])
    assert lab.site.state == "cancelled"
    lab.advance(microseconds=1, expecting=["delete"])
    assert lab.site.state == "deleted"


def test_deletion_counts_from_the_first_verified_export_and_has_no_date_before_it():
    lab = at("trial")
    lab.stuck = {"export"}
    lab.say("cancel")
    assert lab.site.deletes_at is None
    lab.advance(days=20, expecting=[])
    lab.stuck = set()
    lab.settle()
    assert lab.site.deletes_at == lab.now + 14 * DAY
    ready = lab.now
    lab.advance(days=3).say("export")
    assert lab.site.deletes_at == ready + 14 * DAY
    lab.advance_to(ready + 14 * DAY - TICK)
    assert lab.site.state == "cancelled"
    lab.advance(microseconds=1)
    assert lab.site.state == "deleted"


def test_evidence_of_an_older_generation_is_a_missing_one():
    lab = at("trial")
    lab.say("cancel")
    lab.advance(days=13)
    lab.say("keep")
    assert (lab.site.state, lab.site.export_ready_at, lab.site.final_backup_at, lab.site.notice_sent_at) == (
        *("trial", None, None),
        None,
    )
    lab.stuck = {"export", "back_up", "deletion_in_48_hours"}
    lab.say("cancel")
    old = lab.site.generation - 2
    lab.say("export_ready", generation=old, url="u", bytes=1, sha256="0")
    lab.say("backup_verified", generation=old, purpose="final")
    lab.say("notice_sent", generation=old)
    assert lab.site.deletes_at is None
    lab.jump(days=40)
    reasons = engine.authorize_destruction(lab.site, lab.now, POLICY)
    assert len(reasons) == 4


def test_every_cancellation_expiry_and_return_raises_the_generation():
    lab = at("trial")
    assert lab.site.generation == 0
    lab.say("cancel")
    lab.say("keep")
    lab.advance(days=30)
    assert lab.site.generation == 3
    lab.say("extend_trial", days=3)
    lab.say("subscribe", agents=3, payment_method="pm_ok")
    lab.advance(days=3)
    assert (lab.site.state, lab.site.generation) == ("active", 4)


def test_the_warnings_come_7_days_and_48_hours_before():
    lab = at("expired")
    start = lab.now
    lab.advance(days=7, microseconds=-1)
    assert lab.sent()["deletion_in_7_days"] == 0
    lab.advance(microseconds=1)
    assert lab.letter("deletion_in_7_days")["deletes_at"] == start + 14 * DAY
    lab.advance(days=5, microseconds=-1)
    assert lab.sent()["deletion_in_48_hours"] == 0
    lab.advance(microseconds=1)
    assert lab.letter("deletion_in_48_hours")["deletes_at"] == start + 14 * DAY
    assert lab.site.notice_sent_at == lab.now


def test_a_late_notice_is_sent_all_the_same_and_deletion_comes_48_hours_after_it():
    lab = at("expired").jump(days=30)
    lab.advance(hours=1)
    assert lab.sent()["deletion_in_7_days"] == 0
    assert lab.sent()["deletion_in_48_hours"] == 1
    told = lab.letter("deletion_in_48_hours")["deletes_at"]
    lab.advance_to(told - TICK)
    assert lab.site.state == "expired"
    lab.advance(microseconds=1)
    assert lab.site.state == "deleted"


def test_a_notice_that_leaves_late_moves_the_deletion():
    lab = at("expired")
    lab.stuck = {"deletion_in_48_hours"}
    lab.advance(days=16)
    assert lab.site.state == "expired"
    lab.stuck = set()
    lab.settle()
    assert lab.site.deletes_at == lab.now + 2 * DAY
    lab.advance(days=2, microseconds=-1)
    assert lab.site.state == "expired"
    lab.advance(microseconds=1)
    assert lab.site.state == "deleted"


def test_a_hold_stops_the_warnings_and_the_deletion_and_nothing_else():
    lab = at("expired")
    lab.say("hold", reason="a court")
    lab.advance(days=100, expecting=[])
    assert (lab.site.state, lab.timers()) == ("expired", {})


def test_release_after_the_date_sends_a_new_notice_and_deletes_48_hours_later():
    lab = at("expired").advance(days=13)
    lab.say("hold", reason="a court")
    lab.advance(days=10)
    lab.say("release")
    assert lab.site.deletes_at == lab.now + 2 * DAY
    lab.advance(days=2, microseconds=-1)
    assert (lab.site.state, lab.sent()["deletion_in_48_hours"]) == ("expired", 2)
    lab.advance(microseconds=1)
    assert lab.site.state == "deleted"


def test_a_date_that_has_passed_is_told_anew_and_the_deletion_comes_48_hours_later():
    lab = at("expired").advance(days=13)
    lab.now = lab.site.deletes_at
    assert lab.say("tell_again").outcome == "applied"
    assert lab.site.deletes_at == lab.now + 2 * DAY
    lab.advance(days=2, microseconds=-1)
    assert (lab.site.state, lab.sent()["deletion_in_48_hours"]) == ("expired", 2)
    lab.advance(microseconds=1)
    assert lab.site.state == "deleted"


def test_a_date_that_is_still_to_come_is_not_told_anew():
    lab = at("expired").advance(days=13)
    date = lab.site.deletes_at
    lab.now = date - TICK
    assert lab.say("tell_again").outcome == "no_op"
    assert (lab.site.deletes_at, lab.sent()["deletion_in_48_hours"]) == (date, 1)


def test_release_before_the_date_changes_no_date():
    lab = at("expired").advance(days=13)
    lab.say("hold", reason="a court")
    date = lab.site.deletes_at
    lab.now = date - TICK
    lab.say("release")
    assert (lab.site.deletes_at, lab.sent()["deletion_in_48_hours"]) == (date, 1)
    lab.advance(microseconds=1)
    assert lab.site.state == "deleted"


def test_release_near_the_date_of_a_site_that_was_not_told_yet_tells_it_first():
    lab = at("expired")
    lab.say("hold", reason="a court")
    lab.advance(days=13)
    lab.say("release")
    lab.advance(minutes=1)
    assert lab.letter("deletion_in_48_hours")["deletes_at"] == lab.site.deletes_at
    assert lab.site.deletes_at >= lab.now + 2 * DAY - HOUR


def test_a_hold_stops_the_steps_of_a_deletion_that_are_not_done_and_release_lets_them_go_on():
    lab = at("deleting")
    lab.say("removal_began")
    lab.say("hold", reason="a court")
    assert engine.authorize_destruction(lab.site, lab.now, POLICY)
    released = lab.say("release")
    assert released.revives
    assert engine.authorize_destruction(lab.site, lab.now, POLICY) == []
    lab.stuck = set()
    lab.settle()
    assert lab.site.state == "deleted"


@pytest.mark.parametrize("lets_go", ["release", "tell_again"])
def test_a_deletion_that_has_removed_nothing_is_told_anew_and_comes_48_hours_later(lets_go):
    lab = at("deleting")
    if lets_go == "release":
        lab.say("hold", reason="a court")
        lab.advance(days=9)
        assert lab.site.state == "deleting"
    lab.say(lets_go)
    assert lab.site.deletes_at == lab.now + 2 * DAY
    assert any("notice" in reason for reason in engine.authorize_destruction(lab.site, lab.now, POLICY))
    lab.advance(microseconds=0, expecting=["warn"])
    notice = engine.Letter("deletion_in_48_hours", lab.letter("deletion_in_48_hours"), lab.now, lab.site.generation)
    told = engine.letter_facts(notice, lab.site, lab.now, POLICY)
    assert (told["deletes_at"], told["returns"]) == (lab.now + 2 * DAY, None)
    lab.advance(days=2, microseconds=-1, expecting=[])
    assert engine.authorize_destruction(lab.site, lab.now, POLICY)
    lab.advance(microseconds=1)
    assert engine.authorize_destruction(lab.site, lab.now, POLICY) == []


def test_a_deletion_that_has_begun_to_remove_is_told_no_other_date():
    lab = at("deleting")
    lab.say("removal_began")
    began = lab.site
    lab.advance(days=1)
    assert lab.judge("tell_again").outcome == "no_op"
    assert lab.say("removal_began").site == began
    assert lab.timers() == {}


def test_a_half_done_deletion_is_never_active_again():
    lab = at("deleting")
    for name in engine.PUBLIC:
        lab.say(name.removeprefix("site."), agents=3, payment_method="pm_ok", days=3, email="e@x.example", reason="x")
        assert lab.site.state == "deleting"


@pytest.mark.parametrize(
    ("guard", "lost"), [("export", "export_ready_at"), ("backup", "final_backup_at"), ("notice", "notice_sent_at")]
)
def test_an_operator_may_waive_one_guard_and_never_the_14_days(guard, lost):
    lab = at("trial")
    lab.stuck = {"export": {"export"}, "backup": {"back_up"}, "notice": {"deletion_in_48_hours"}}[guard]
    lab.say("cancel")
    start = lab.now
    lab.say("waive", guard=guard, reason="it is lost")
    assert getattr(lab.site, lost) is None
    lab.advance_to(start + 14 * DAY - TICK)
    assert lab.site.state == "cancelled"
    lab.advance(days=3)
    assert lab.site.state == "deleted"


def test_a_partial_final_backup_does_not_count_and_a_waiver_leads_to_the_deletion():
    lab = at("trial")
    lab.stuck = {"back_up"}
    lab.say("cancel")
    start = lab.now
    decision = lab.say("backup_verified", generation=lab.site.generation, purpose="final", left_out=3)
    assert lab.site.final_backup_at is None
    assert [(event.type, event.data["code"]) for event in decision.events] == [("alarm.raised", "backup.partial")]
    lab.advance(days=20)
    assert lab.site.state == "cancelled"
    lab.say("waive", guard="backup", reason="it was looked at")
    lab.advance(days=2)
    assert lab.site.state == "deleted"
    assert lab.now >= start + 14 * DAY


def test_a_whole_final_backup_counts_after_a_partial_one():
    lab = at("trial")
    lab.stuck = {"back_up"}
    lab.say("cancel")
    for left_out in (3, 0):
        lab.say("backup_verified", generation=lab.site.generation, purpose="final", left_out=left_out)
        assert (lab.site.final_backup_at is None) == bool(left_out)


def test_a_partial_export_counts_from_the_moment_at_which_the_customer_was_told():
    lab = at("trial")
    lab.stuck = {"export", "download_ready"}
    lab.say("cancel")
    facts = {"generation": lab.site.generation, "url": "u", "bytes": 1, "sha256": "0"}
    lab.say("export_ready", **facts, left_out=2, left_out_names=["a: b"])
    assert (lab.site.export_ready_at, lab.site.deletes_at) == (None, None)
    lab.advance(days=5)
    lab.say("export_told", generation=lab.site.generation - 1)
    assert lab.site.export_ready_at is None
    lab.say("export_told", generation=lab.site.generation)
    assert (lab.site.export_ready_at, lab.site.deletes_at) == (lab.now, lab.now + 14 * DAY)


def test_a_waived_guard_is_asked_again_in_the_next_generation():
    lab = at("trial")
    lab.say("cancel")
    lab.say("waive", guard="backup", reason="x")
    lab.say("keep")
    lab.say("cancel")
    assert lab.site.waived == ()


def test_an_export_that_comes_after_it_was_waived_moves_the_date_later():
    lab = at("trial")
    lab.stuck = {"export"}
    lab.say("cancel")
    lab.say("waive", guard="export", reason="x")
    first = lab.site.deletes_at
    lab.advance(days=5)
    lab.stuck = set()
    lab.settle()
    assert lab.site.deletes_at == lab.now + 14 * DAY > first


def test_a_waiver_after_the_date_leaves_48_hours():
    lab = at("trial")
    lab.stuck = {"back_up"}
    lab.say("cancel")
    lab.advance(days=30)
    assert lab.site.state == "cancelled"
    lab.say("waive", guard="backup", reason="x")
    assert lab.site.deletes_at == lab.now + 2 * DAY


def test_a_site_that_was_never_ready_is_deleted_after_14_days_without_export_backup_or_notice():
    lab = at("provisioning")
    lab.say("cancel")
    lab.advance(days=14, microseconds=-1, expecting=[])
    assert lab.site.state == "cancelled"
    lab.stuck = set()
    lab.advance(microseconds=1, expecting=["delete"])
    assert (lab.site.state, dict(lab.sent())) == ("deleted", {"cancelled": 1})


def test_a_failed_site_frees_its_hostname_after_14_days():
    lab = at("failed")
    lab.stuck = set()
    lab.advance(days=14, microseconds=-1)
    assert lab.judge("start_trial", {"account": "a", "email": "e@x.example"}).code == "host.taken"
    lab.advance(microseconds=1)
    assert lab.site.state == "deleted"
    again = lab.judge("start_trial", {"account": "a", "email": "e@x.example"})
    assert again.outcome == "applied"
    assert again.site.id != lab.site.id


def test_a_failed_site_that_is_built_again_lives():
    lab = at("failed")
    lab.stuck = set()
    decision = lab.say("retry")
    assert decision.revives
    assert (lab.site.state, lab.site.deletes_at, lab.site.cancelled_at, lab.site.attention) == ("trial", *[None] * 3)


def test_building_again_takes_up_the_same_effect():
    lab = at("provisioning")
    first = next(effect for effect in lab.waiting if effect.kind == "provision")
    lab.say("provision_failed", kind="provision", error="x")
    again = lab.judge("retry").effects
    assert [effect.id for effect in again] == [first.id]


def test_the_tombstone_keeps_the_dates_and_nothing_about_a_person():
    lab = at("cancelled").advance(days=14)
    site = lab.site
    assert (site.email, site.payment_method, site.attention) == ("", None, None)
    assert site.deleted_at == lab.now
    assert site.cancelled_at is not None
    refused = lab.judge("subscribe", {"agents": 3, "payment_method": "pm_ok"})
    assert refused.code == "site.deleted"
    assert lab.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ") in refused.message


def test_an_open_payment_makes_the_deletion_wait():
    lab = at("expired").advance(days=13, hours=23)
    lab.say("subscribe", agents=3, payment_method="pm_silent")
    lab.advance(days=3)
    assert lab.site.state == "expired"
    lab.answer("declined", decline_code="no")
    lab.advance(hours=2)
    assert lab.site.state == "deleted"


def test_who_pays_at_the_last_moment_is_back_and_nothing_of_the_deletion_is_left():
    lab = at("expired").advance(days=13, hours=23)
    lab.say("subscribe", agents=3, payment_method="pm_silent")
    lab.advance(days=3)
    lab.answer("succeeded")
    assert (lab.site.state, lab.site.deletes_at, lab.site.cancelled_at) == ("active", None, None)
    assert not {"delete", "warn"} & set(lab.timers())
