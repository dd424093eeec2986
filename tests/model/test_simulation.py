"""The simulator: the law keeps the promises for years, and a checker that knows no code catches a law that does not."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import engine
from engine import authority, billing, periods, prices, rules
from tests.model.rewritten import real, rewrite, use
from workers.simulation import fleet
from workers.simulation.invariants import Promises
from workers.simulation.report import simulate, text

DAY = timedelta(days=1)
POLICY = engine.Policy()


def run(policy=POLICY, *, sites=400, seed=1):
    return simulate(sites, 365, seed, backups=False, policy=policy)


@pytest.fixture
def law(monkeypatch):
    """Change words of the rules for one test."""

    def change(**words):
        rewrite(monkeypatch, **words)

    return change


def test_a_year_of_the_law_breaks_no_promise():
    found = run()

    assert (found["violations"], found["broken"]) == (0, [])
    assert sum(found["deletions_per_day"]) > 100
    assert sum(found["charges_per_day"]) > 500
    assert "0 violations" in text(found)


def test_the_same_seed_gives_the_same_output_to_the_byte_and_another_seed_another():
    first, again, other = (json.dumps(run(sites=60, seed=seed)) for seed in (7, 7, 8))

    assert first == again
    assert first != other


def test_nightly_backups_are_added_on_demand():
    with_backups = simulate(5, 60, 1, backups=True, policy=POLICY)

    assert with_backups["violations"] == 0
    assert with_backups["timers_fired"] > run(sites=5)["timers_fired"]


class SeenError(Exception):
    """The checker saw a broken promise."""


@pytest.fixture
def caught(monkeypatch):
    """Run until the checker sees a promise broken, and expect these words of it."""

    def expect(words, policy=POLICY, *, sites=2500):
        def see(_promises, _site_id, _at, what):
            if words in what:
                raise SeenError(what)

        monkeypatch.setattr(Promises, "broken", see)
        with pytest.raises(SeenError):
            run(policy, sites=sites)

    return expect


def test_a_violation_is_one_line_that_names_the_seed_which_shows_it_again():
    found = run(replace(POLICY, retention=13 * DAY), sites=100)

    assert found["violations"] == len(found["broken"]) > 0
    assert all(line.startswith("seed 1: ") and "\n" not in line for line in found["broken"])
    assert text(found).startswith("VIOLATION seed 1: ")


def test_a_grace_of_13_days_is_caught(caught):
    caught("deleted before 14 full days", replace(POLICY, retention=13 * DAY))


def test_a_trial_of_29_days_is_caught_by_its_charge(caught):
    caught("charged before day 30", replace(POLICY, trial=29 * DAY))


def test_a_plain_trial_of_29_days_is_caught_by_its_end(caught):
    caught("a trial expired before its 30 days were over", replace(POLICY, trial=29 * DAY))


def test_a_notice_of_47_hours_is_caught(caught):
    caught("without 48 h of notice", replace(POLICY, notice=timedelta(hours=47)))


def test_a_deletion_without_the_final_backup_is_caught(monkeypatch, caught):
    monkeypatch.setattr(authority, "EVIDENCE", {name: authority.EVIDENCE[name] for name in ("export", "notice")})

    caught("without a final backup")


def test_evidence_of_an_older_generation_is_caught(law, monkeypatch, caught):
    law(of_this_generation=lambda _case: True)
    monkeypatch.setattr(fleet, "SLOW_SHARE", 0.5)

    caught("deleted ")


def test_a_renewal_that_comes_twice_is_caught(law, caught):
    renew = real("begin_period")

    def twice(case):
        renew(case)
        case.change(period_ends_at=case.site.period_start + DAY)

    law(begin_period=twice)
    caught("paid twice")


def test_a_cent_too_much_is_caught(monkeypatch, caught):
    def dearer(*given):
        return periods.prorate(*given) + 1

    monkeypatch.setattr(billing, "prorate", dearer, raising=False)
    monkeypatch.setattr(prices, "prorate", dearer)
    caught("of a period")


def test_paying_again_for_paid_days_after_a_return_is_caught(law, caught):
    law(paid_period_runs=lambda _case: False)

    caught("paid twice")


def test_a_return_that_keeps_the_old_evidence_is_caught(law, caught):
    def forgetful(case):
        case.change(cancelled_at=case.now, cancels_at=None)

    law(end_service=forgetful, come_back=lambda case: case.change(cancelled_at=None, cancels_at=None))
    caught("deleted ")


def test_a_retention_that_counts_from_the_cancellation_is_caught(law, monkeypatch, caught):
    farewell = real("export_and_back_up")

    def hasty(case):
        farewell(case)
        case.change(deletes_at=case.now + case.policy.retention)

    law(export_and_back_up=hasty)
    monkeypatch.setattr(authority, "EVIDENCE", {name: authority.EVIDENCE[name] for name in ("backup", "notice")})
    caught("14 full days of download")


def test_a_deletion_that_skips_deleting_is_caught(monkeypatch, caught):
    changed = tuple(replace(row, to="deleted") if row.command == "site.delete" else row for row in rules.RULES)
    use(monkeypatch, changed)

    caught("not through deleting")


def test_a_suspension_on_day_6_is_caught(caught):
    caught("suspended before 7 days", replace(POLICY, dunning=tuple(days * DAY for days in (1, 3, 5, 6))))


def test_a_notice_that_counts_before_it_is_sent_is_caught(law, caught):
    declined = real("note_decline")

    def assumed(case):
        declined(case)
        if any(one.args.get("letter") == "suspension_near" for one in case.effects):
            case.change(owed=replace(case.site.owed, noticed_at=case.now))

    law(note_decline=assumed)
    caught("suspended without 48 h of notice")


BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = (BEGIN + 30 * DAY, BEGIN + 60 * DAY)


def a_life(*moves, to=()):
    """What a checker wrote down of a site that took these states, a day apart; `to` come 30 days later."""
    seen = Promises()
    seen.moved("s", "trial", BEGIN)
    for day, state in enumerate(moves, 1):
        seen.moved("s", state, BEGIN + day * DAY)
    for state in to:
        seen.moved("s", state, BEGIN + 60 * DAY)
    return seen


def pays(seen, *, kind="period", agents=1, cents=2000, period=MONTH, at=MONTH[0], invoice="i"):
    seen.charged("s", invoice, kind, agents, cents, period, at)
    return seen


def twice(what):
    """The same thing seen twice by one checker."""
    seen = Promises()
    what(seen)
    what(seen)
    return seen


BROKEN = [
    ("came back to active", lambda: a_life("cancelled", to=["deleting", "active"])),
    ("not through deleting", lambda: a_life("cancelled", to=["deleted"])),
    ("deleted while active", lambda: a_life("active", to=["deleting"])),
    ("without a final backup", lambda: a_life("cancelled", to=["deleting"])),
    ("charged before day 30", lambda: pays(a_life(), at=MONTH[0] - DAY)),
    ("was paid twice", lambda: pays(pays(a_life()), period=(MONTH[1], MONTH[1] + 30 * DAY), at=MONTH[1])),
    ("were paid twice", lambda: pays(pays(a_life()), invoice="j", at=MONTH[1])),
    ("2001 was charged for 1 agents", lambda: pays(a_life(), cents=2001)),
    ("is not a month", lambda: pays(a_life(), period=(MONTH[0], MONTH[0] + 27 * DAY))),
    ("outside of a paid period", lambda: pays(a_life(), kind="agents", cents=2000)),
    ("of a period", lambda: pays(pays(a_life()), kind="agents", cents=1999, invoice="j")),
    ("moved twice", lambda: twice(lambda seen: seen.answered("who", "1", moved=True))),
    ("fired before", lambda: twice(lambda seen: seen.fired("s", "renew", BEGIN + DAY, BEGIN))),
    ("fired twice", lambda: twice(lambda seen: seen.fired("s", "renew", BEGIN, BEGIN))),
    ("2 commands were asked and 0 answered", lambda: twice(lambda seen: seen.finished(2, []))),
    ("forgotten: renew", lambda: twice(lambda seen: seen.finished(0, ["renew"]))),
]


@pytest.mark.parametrize(("words", "see"), BROKEN, ids=[words for words, _ in BROKEN])
def test_the_checker_writes_down_each_promise_that_it_sees_broken(words, see):
    assert any(words in line for line in see().violations)


def test_the_checker_writes_down_nothing_of_a_life_as_it_should_be():
    seen = pays(a_life("trial_subscribed"))
    pays(seen, kind="agents", cents=1000, period=(BEGIN + 45 * DAY, MONTH[1]), at=BEGIN + 45 * DAY, invoice="j")
    seen.moved("s", "cancelled", BEGIN + 50 * DAY)
    seen.exported("s", BEGIN + 50 * DAY)
    seen.backed_up("s")
    seen.noticed("s", BEGIN + 62 * DAY)
    seen.moved("s", "deleting", BEGIN + 64 * DAY)
    seen.moved("s", "deleted", BEGIN + 64 * DAY)
    assert seen.violations == []


def test_the_report_shows_sites_by_state_for_each_month_and_a_chart_of_deletions_and_charges():
    told = text(run(sites=60)).splitlines()
    months = [line for line in told if line[:4] in {"2025", "2026"}]
    assert (len(months), "expired" in next(line for line in told if line.startswith("month"))) == (12, True)
    charts = [line for line in told if "|" in line]
    assert [line.split("|")[0].strip() for line in charts] == ["deletions per day", "charges per day"]
    assert all(set(line.split("|")[1]) > {" "} for line in charts)


def test_a_hold_that_holds_nothing_is_caught(monkeypatch, law, caught):
    law(hold=lambda case: case.change(attention="a hold was asked for"))
    monkeypatch.setattr(authority, "GUARDS", tuple(one for one in authority.GUARDS if one is not authority.no_hold))

    caught("deleted under a hold")
