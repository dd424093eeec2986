"""What the law tells before it happens: why a command is stopped, and what a timer will do."""

from dataclasses import replace

import pytest

import engine
from engine.forecast import outlook
from engine.why import why
from tests.engine.lab import DAY, STANDINGS, TICK, at


def verdicts(lab):
    return {verdict.type: verdict for verdict in why(lab.site, lab.now, lab.policy)}


@pytest.mark.parametrize("where", STANDINGS)
def test_why_has_a_verdict_for_every_command_that_agrees_with_the_menu(where):
    lab = at(where)
    found = verdicts(lab)
    assert set(found) == {*engine.PUBLIC, "deletion"}
    allowed = engine.allowed(lab.site, lab.now, lab.policy)
    anew = {"site.start_trial"} if where == "deleted" else set()
    assert {name for name, verdict in found.items() if verdict.possible and name != "deletion"} == {*allowed, *anew}
    assert all(verdict.because for verdict in found.values())


def test_why_names_the_earliest_moment_at_which_time_alone_frees_a_command():
    lab = at("cancelled")
    found = verdicts(lab)
    assert found["deletion"].earliest == lab.site.deletes_at  # its notice will have been sent by then
    lab.advance(days=13)
    assert verdicts(lab)["deletion"].earliest == lab.site.deletes_at
    lab.now = lab.site.deletes_at
    assert verdicts(lab)["deletion"].possible


def test_why_tells_what_a_word_needs_and_where_a_command_is_possible():
    assert "while a hold is on it" in verdicts(at("trial"))["site.release"].because
    assert "possible while" in verdicts(at("trial"))["site.resume"].because
    assert "use site.subscribe" in verdicts(at("trial"))["site.update_payment"].because
    assert "by an operator already" in verdicts(at("operator"))["site.suspend"].because
    assert "deleted at" in verdicts(at("deleted"))["site.keep"].because
    assert "done at" in verdicts(at("deleted"))["deletion"].because


def test_why_gives_no_moment_to_a_deletion_that_waits_for_more_than_time():
    late, held = at("trial"), at("expired")
    late.stuck = {"export"}
    late.say("cancel")
    held.say("hold", reason="a court")
    for lab, words in ((late, "no verified export"), (held, "site.release ends it")):
        told = verdicts(lab)["deletion"]
        assert (words in told.because, told.earliest) == (True, None)


def test_why_counts_48_hours_from_now_for_a_notice_that_is_late():
    lab = at("expired")
    lab.stuck = {"deletion_in_48_hours"}
    lab.advance(days=13)
    assert verdicts(lab)["deletion"].earliest == lab.now + 2 * DAY


WHYS = [
    ("deleted", "site.start_trial", "a new site with a new id"),
    ("trial", "deletion", "not a state that is deleted; site.cancel comes first"),
    ("trial", "site.pay", "nothing is owed"),
    ("trial", "site.keep", "no cancellation is planned"),
    ("trial_subscribed", "site.subscribe", "use site.change_plan for the agents"),
    ("active", "site.subscribe", "use site.change_plan for the agents"),
    ("active", "site.retry", "nothing gave up"),
    ("nonpayment", "site.subscribe", "use site.pay first"),
    ("nonpayment", "site.change_plan", "use site.pay first"),
    ("nonpayment", "site.extend_trial", "its trial is over"),
    ("nonpayment", "site.resume", "site.pay"),
    ("operator", "site.pay", "nothing is owed"),
    ("operator", "site.subscribe", "ask support to resume it first"),
    ("cancelled", "site.cancel", "cancelled already"),
    ("cancelled", "site.extend_trial", "site.subscribe"),
    ("expired", "site.keep", "its time has run out: use site.subscribe"),
]


@pytest.mark.parametrize(("where", "name", "words"), WHYS)
def test_why_names_what_would_unblock_a_command_where_the_site_stands(where, name, words):
    assert words in verdicts(at(where))[name].because


@pytest.mark.parametrize("where", STANDINGS)
def test_why_never_speaks_in_words_of_the_table(where):
    for verdict in verdicts(at(where)).values():
        assert not verdict.because.startswith("only same"), verdict
        for word in ("must_", "fewer_agents", "same_", "_runs", "by_operator"):
            assert word not in verdict.because


@pytest.mark.parametrize("agreed", [20, 14])
def test_what_is_foretold_of_a_farewell_is_what_was_agreed(agreed):
    lab = at("trial", policy=replace(engine.Policy(), retention=agreed * DAY))
    later = replace(lab.policy, retention=60 * DAY)
    assert f"a download, {agreed} days" in outlook(lab.site, "expire", later).detail


def test_a_reminder_that_is_foretold_says_how_long_before():
    lab = at("trial")
    assert outlook(lab.site, "remind", lab.policy).detail == "a mail: the trial ends in 7 days"
    lab.advance(days=28)
    assert outlook(lab.site, "remind", lab.policy).detail == "a mail: the trial ends in 1 day"
    assert outlook(replace(lab.site, trial_ends_at=None), "remind", lab.policy).detail == "a mail: the trial ends soon"


OUTLOOKS = [
    ("trial", "expire", "offline", None),
    ("trial", "remind", "trial ends in 7 days", None),
    ("trial_subscribed", "remind", "first charge comes in 7 days", None),
    ("trial_subscribed", "renew", "first charge for 3 agents", 6000),
    ("active", "renew", "renewal for 3 agents", 6000),
    ("active", "back_up_nightly", "nightly", None),
    ("past_due", "retry_charge", "tried again", 6000),
    ("nonpayment", "give_up", "uncollectible", None),
    ("expired", "warn", "7 days", None),
    ("expired", "delete", "if every guard allows it", None),
    ("trial", "retry_charge", "retry_charge", None),
]


@pytest.mark.parametrize(("where", "kind", "detail", "amount"), OUTLOOKS)
def test_what_a_timer_will_do_is_told_in_words_and_money(where, kind, detail, amount):
    lab = at(where)
    told = outlook(lab.site, kind, lab.policy)
    assert detail in told.detail
    assert told.amount_cents == amount


def test_the_amount_that_is_foretold_is_the_amount_that_is_charged():
    lab = at("active")
    lab.say("change_plan", agents=2)
    told = outlook(lab.site, "renew", lab.policy)
    assert "reduced from 3" in told.detail
    lab.advance_to(lab.site.period_ends_at)
    assert lab.amounts()[-1] == told.amount_cents == 4000


def test_a_reduction_that_does_not_fit_is_foretold():
    lab = at("active")
    lab.say("change_plan", agents=2)
    lab.use(3)
    told = outlook(lab.site, "renew", lab.policy)
    assert ("not reduced to 2" in told.detail, told.amount_cents) == (True, 6000)


def test_the_last_try_says_that_a_decline_suspends():
    lab = at("past_due").advance(days=5)
    assert "a decline suspends" in outlook(lab.site, "retry_charge", lab.policy).detail
    lab.site = replace(lab.site, owed=replace(lab.site.owed, card_refused=True))
    told = outlook(lab.site, "retry_charge", lab.policy)
    assert "may not be tried again; suspends" in told.detail


def test_the_second_warning_is_told_apart():
    lab = at("expired").advance(days=8)
    assert "48 hours" in outlook(lab.site, "warn", lab.policy).detail


def test_a_site_without_its_dates_has_no_timer_for_them():
    lab = at("trial")
    bare = replace(lab.site, trial_ends_at=None)
    assert "remind" not in engine.timers(bare, lab.policy)
    active = replace(at("active").site, charged_at=None)
    assert engine.timers(active, lab.policy)["renew"] == active.period_ends_at


def test_a_waiver_of_the_notice_sets_no_date_before_the_export_is_ready():
    lab = at("trial")
    lab.stuck = {"export"}
    lab.say("cancel")
    lab.say("waive", guard="notice", reason="the address is dead")
    assert lab.site.deletes_at is None
    lab.stuck = set()
    lab.settle()
    assert set(lab.timers()) == {"delete"}
    lab.advance(days=14, microseconds=-1)
    assert lab.site.state == "cancelled"
    lab.now += TICK
    assert lab.judge("delete").outcome == "applied"
    assert lab.now - lab.site.cancelled_at == 14 * DAY
