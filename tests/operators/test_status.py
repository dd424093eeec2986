"""`tenure status`: each thing that is wrong stands there with a command, and the command mends it."""

import re
import shlex
from dataclasses import replace
from datetime import timedelta

import pytest

from models import clock, process
from models import site as sites
from models.database import writing
from models.effect import EFFECTS
from models.site_fault import SiteFault
from models.site_fault import note as note_fault
from models.timestamps import stamp
from tests.operators.conftest import is_alive, publish
from tests.operators.faults import charge_succeeds_after_the_cancellation
from tests.operators.situations import (
    doubt_the_clock,
    leave_events_unsent,
    let_a_timer_be_late,
    send_nonsense,
    silence_clock,
    silence_workers,
    turned,
)
from workers.context import ADAPTERS, Context
from workers.health import disk_space, status
from workers.health.problem import PROBLEMS
from workers.queue import clients


def codes(found):
    return [one["code"] for one in found["problems"]]


def test_where_all_is_well_nothing_is_named(well, asked, typed):
    well.start_trial()
    found = asked(well, "status")
    assert (next(iter(found)), found["schema"], found["ok"]) == ("schema", "tenure/status/1", True)
    assert found["problems"] == []
    assert found["at"] == stamp(well.now)
    assert found["sites"]["by_state"] == {"trial": 1}
    assert typed(well, "status").stdout.startswith("all is well, at ")


def test_two_in_a_row_with_nothing_between_say_the_same(well, asked):
    well.start_trial()
    without_ages = {"queues": None}
    assert asked(well, "status") | without_ages == asked(well, "status") | without_ages


MENDED = {
    "safe_mode": doubt_the_clock,
    "deletions.tripped": turned("tripped"),
    "deletions.paused": turned("paused"),
}


@pytest.mark.parametrize("code", MENDED)
def test_the_command_that_stands_there_mends_it_word_for_word(well, asked, typed, code):
    well.start_trial()
    MENDED[code](well)
    (told,) = asked(well, "status")["problems"]
    assert (told["code"], told["level"]) == (code, PROBLEMS[code].level)
    assert told["since"] is not None
    words = shlex.split(told["do"])
    assert words[0] == "tenure"
    assert typed(well, *words[1:]).exit_code == 0
    assert asked(well, "status")["ok"]


def test_what_gave_up_is_grouped_by_reason_and_tried_again_by_the_command(troubled, asked, typed):
    hosts = [f"site-{number}.example.com" for number in range(3)]
    for host in hosts:
        troubled.outside.broken[f"owner@{host}"] = f"451 4.7.1 relay {host} asks us to wait 30 s"
        troubled.start_trial(host)
    (told,) = asked(troubled, "status")["problems"]
    assert (told["code"], told["count"]) == ("effects.gave_up", 3)
    assert told["what"] == "3 mail gave up: N N relay HOST asks us to wait N s"
    troubled.outside.broken = {}
    dry = typed(troubled, *shlex.split(told["do"])[1:], "--dry-run")
    assert dry.stdout.splitlines()[-1] == "3 would be tried again; nothing was changed"
    assert asked(troubled, "status")["problems"] == [told]
    done = typed(troubled, *shlex.split(told["do"])[1:])
    assert (done.exit_code, done.stdout) == (0, "3 of 3 tried again\n")
    troubled.sweep()
    troubled.rest()
    assert asked(troubled, "status")["ok"]


def test_two_reasons_are_two_problems_and_a_red_one_stands_above_a_yellow_one_of_more(troubled, asked):
    troubled.outside.broken = {"owner@a.example.com": "550 unknown", "owner@b.example.com": "552 full"}
    for host in ("a.example.com", "b.example.com"):
        troubled.start_trial(host)
    turned("paused")(troubled)
    found = asked(troubled, "status")["problems"]
    assert [(one["code"], one["level"], one["count"]) for one in found] == [
        ("effects.gave_up", "red", 1),
        ("effects.gave_up", "red", 1),
        ("deletions.paused", "yellow", 1),
    ]
    assert {one["what"] for one in found[:2]} == {"1 mail gave up: N unknown", "1 mail gave up: N full"}


@pytest.mark.parametrize(("attempt", "told"), [(1, []), (2, ["effects.failing"])])
def test_work_that_fails_is_named_from_the_second_failure_on(well, asked, attempt, told):
    well.say("start_trial", account="acme", email="owner@acme.example.com")
    with writing(well.context.database) as tx:
        tx.execute(EFFECTS.update().values(attempt=attempt, error="connection refused by 192.0.2.1"))
    found = asked(well, "status")
    assert codes(found) == told
    for one in found["problems"]:
        assert "provision failing: connection refused by HOST" in one["what"]
        effects = asked(well, *shlex.split(one["do"])[1:])["effects"]
        assert [row["kind"] for row in effects] == ["provision"]


LOOKED_AT = {
    "timers.overdue": let_a_timer_be_late,
    "events.unsent": leave_events_unsent,
    "messages.dead": send_nonsense,
    "clock.silent": silence_clock,
    "workers.none": silence_workers,
}


@pytest.mark.parametrize("code", LOOKED_AT)
def test_what_stands_still_is_named(well, asked, code):
    LOOKED_AT[code](well)
    well.is_silent = True
    found = asked(well, "status")
    assert code in codes(found)
    assert not found["ok"]


def test_late_timers_are_no_second_problem_while_safe_mode_holds(well, asked):
    let_a_timer_be_late(well)
    doubt_the_clock(well)
    assert codes(asked(well, "status")) == ["safe_mode"]


def report(world, name, **troubles):
    facts = {
        "settings": {f"TENURE_{one.upper()}_URL": "file:" for one in ("host", "backups", "payments", "mail")}
        | {"TENURE_DATA_DIR": str(world.data_dir)},
        "test_clock": True,
        "adapters": {adapter: troubles.get(adapter) for adapter in ADAPTERS},
    }
    with writing(world.context.database) as tx:
        process.note(tx, name, "worker", facts, clock.machine_now())


def test_an_adapter_is_shown_as_the_workers_see_it(well, asked, typed):
    report(well, "worker.1.a")
    assert asked(well, "status")["adapters"]["mailer"] == {"processes": 1, "troubled": 0, "trouble": None}
    report(well, "worker.2.b", mailer="connection refused")
    found = asked(well, "status")
    assert found["adapters"]["mailer"] == {"processes": 2, "troubled": 1, "trouble": "connection refused"}
    (told,) = found["problems"]
    assert told["code"] == "adapter.away"
    assert told["what"] == "mailer is out of reach for 1 of 2 processes: connection refused"
    assert "mailer OUT OF REACH" in typed(well, "status").stdout


@pytest.mark.parametrize(
    ("waited", "told"),
    [(59, []), (61, ["queue.late"]), (299, ["queue.late"]), (301, ["queue.stopped"])],
)
def test_work_that_waits_is_late_after_a_minute_and_stopped_after_five(well, asked, waited, told):
    well.say("start_trial", account="acme", email="owner@acme.example.com")
    since = clock.machine_now() - timedelta(seconds=waited)
    with writing(well.context.database) as tx:
        tx.execute(EFFECTS.update().values(waits_since=since))
    found = asked(well, "status")
    assert codes(found) == told
    (effects,) = [one for one in found["queues"] if one["queue"] == "effects"]
    assert effects["ready"] == 1
    assert waited <= effects["oldest_seconds"] < waited + 30


def test_stuck_work_and_faulty_content_name_a_site_to_look_at(well, asked):
    site = well.start_trial()
    well.say("export")
    with writing(well.context.database) as tx:
        running = EFFECTS.update().where(EFFECTS.c.kind == "export").values(status="running", stuck_since=well.now)
        tx.execute(running)
        note_fault(tx, site["id"], "database", SiteFault("database.locked", "it is locked", "unlock it"), well.now)
    found = {one["code"]: one for one in asked(well, "status")["problems"]}
    assert found["work.stuck"]["what"] == f"export of {site['id']} moves nothing"
    assert found["site.content"]["what"] == "database.locked in 1 sites"
    assert {one["do"] for one in found.values()} == {f"tenure site show {site['id']}"}


def test_a_missing_restore_point_is_mended_by_the_command(troubled, asked, typed):
    troubled.start_active()
    troubled.outside.broken = {"save": "the store is read-only"}
    troubled.advance(days=4)
    found = {one["code"]: one for one in asked(troubled, "status")["problems"]}
    told = found["restore_point.missing"]
    assert told["count"] == 1
    troubled.outside.broken = {}
    words = shlex.split(told["do"])
    assert words[:3] == ["tenure", "send", "retry"]
    troubled.send("retry", words[3])
    assert asked(troubled, "status")["problems"] == []


def test_a_refund_that_is_due_is_named_with_its_site(troubled, asked):
    charge_succeeds_after_the_cancellation(troubled)
    found = {one["code"]: one for one in asked(troubled, "status")["problems"]}
    assert found["refund.due"]["do"] == f"tenure site show {troubled.show()['id']}"
    assert asked(troubled, "status")["money"]["refunds_due"] == 1


def test_the_money_of_today_is_what_was_answered_since_midnight(troubled, asked):
    troubled.start_active("paid.example.com", agents=7)
    troubled.start_trial("broke.example.com")
    troubled.send("subscribe", "broke.example.com", agents=2, payment_method="pm_declined_funds")
    money = asked(troubled, "status")["money"]
    assert money["charged"] == [{"count": 1, "amount_cents": 14_000, "currency": "USD"}]
    assert money["open"] == []
    midnight = troubled.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    troubled.advance_to(midnight - timedelta(microseconds=1))
    assert asked(troubled, "status")["money"]["charged"] == money["charged"]
    troubled.advance_to(midnight)
    after = asked(troubled, "status")["money"]
    assert (after["charged"], after["from"]) == ([], stamp(midnight))


def test_deletions_within_a_day_are_counted_on_both_sides_of_the_edge(troubled, asked, typed):
    troubled.start_trial()
    troubled.send("cancel")
    deletes_at = sites_deletes_at(troubled)
    troubled.advance_to(deletes_at - timedelta(days=1, microseconds=1))
    assert asked(troubled, "status")["deletions"]["next_day"] == 0
    troubled.advance_to(deletes_at - timedelta(days=1))
    found = asked(troubled, "status")["deletions"]
    assert (found["next_day"], found["first_at"]) == (1, stamp(deletes_at))
    assert "1 within a day" in typed(troubled, "status").stdout


def sites_deletes_at(world):
    with writing(world.context.database) as tx:
        return sites.find(tx, "acme.example.com").deletes_at


def test_what_is_away_is_said_and_the_rest_is_shown(well, monkeypatch):
    well.context.__dict__["redis"] = clients.for_checks("redis://127.0.0.1:1/0")
    found = status.status(well.context)
    assert codes(found) == ["redis.away"]
    assert found["sites"]["by_state"] == {}
    assert {one["messages"] for one in found["queues"]} == {None}


def test_without_a_database_redis_is_still_looked_at(well, tmp_path):
    with writing(well.context.database) as tx:
        tx.exec_driver_sql("delete from alembic_version")
    found = status.status(well.context)
    assert codes(found) == ["database.away"]
    assert found["sites"] is None
    assert {one["messages"] for one in found["queues"]} == {0}


@pytest.mark.parametrize(("free", "told"), [(1 << 30, []), ((1 << 30) - 1, ["disk.scarce"]), (1 << 20, ["disk.full"])])
def test_a_disk_that_runs_full_is_named(well, asked, monkeypatch, free, told):
    well.start_trial()

    class Usage:
        def __init__(self):
            self.free = free

    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda _folder: Usage())
    assert sorted(set(codes(asked(well, "status")))) == told


def test_rates_are_what_was_written_within_the_last_minute(well, asked):
    for number in range(5):
        well.start_trial(f"site-{number}.example.com")
    found = asked(well, "status")["rates"]
    assert found["commands"] == 10  # each was asked for, and reported to be ready
    assert found["effects"] > 0
    with writing(well.context.database) as tx:
        clock.move(tx, well.now + timedelta(minutes=1))
    assert asked(well, "status")["rates"] == {"commands": 0, "effects": 0, "events": 0}


def test_the_text_says_each_problem_with_its_command_and_prints_nothing_raw(troubled, typed):
    troubled.outside.broken = {"owner@a.example.com": "550 unknown " * 40}
    troubled.start_trial("a.example.com")
    turned("tripped")(troubled)
    text = typed(troubled, "status").stdout
    assert text.startswith("not well: 2 red, at "), text
    assert re.search(r"^RED +deletions are tripped.*\n.*\n +→ tenure deletion resume --confirm 0$", text, re.MULTILINE)
    assert not re.search(r"\bNone\b|\{'|\['", text)


def test_every_problem_has_a_level_a_meaning_and_a_command_that_exists(typed, well):
    for code, kind in PROBLEMS.items():
        words = kind.do.split()
        verb = [word for word in words[1:] if word.islower() and not word.startswith("-")]
        assert kind.level in {"red", "yellow"}
        assert kind.means, code
        verb = verb[:1] if verb[0] == "send" else verb
        assert typed(well, *verb, "--help").exit_code == 0, code


def test_the_breaker_says_when_the_plan_of_the_next_day_would_trip_it(troubled):
    troubled.start_trial()
    troubled.send("cancel")
    troubled.advance_to(sites_deletes_at(troubled) - timedelta(minutes=1))
    is_alive(troubled)
    publish(troubled)
    context = Context(replace(troubled.context.settings, deletions_per_hour=0))
    found = status.status(context)
    context.database.dispose()
    assert codes(found) == ["deletions.many"]
    assert found["deletions"]["would_trip"] == "1 deletions are planned for the next hour, above 0"
    assert found["breaker"]["state"] == "closed"
