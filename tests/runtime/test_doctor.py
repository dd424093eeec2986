"""The examination: each thing well, then not, and what is said of it."""

import json
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from sqlalchemy import text

from models import breaker, clock, dead, safety, timer
from models.database import reading, writing
from models.timestamps import unstamp
from tests.runtime.judged import by_name, levels
from tests.world import HOST, World
from workers.base import settings
from workers.health import clock_skew, disk_space, doctor, doctor_queues, preflight
from workers.queue import clients

ROOT = Path(__file__).parents[2]


def test_nothing_fails_where_all_is_well_and_the_settings_are_shown(beating, run):
    code, said = run(beating, "--json")
    document = json.loads(said)
    assert (code, document["ok"], document["why"]) == (0, True, None)
    assert {row["level"] for row in document["checks"]} <= {"ok", "warn"}
    assert next(iter(document)) == "schema"
    assert document["schema"] == "tenure/doctor/1"
    assert document["settings"]["TENURE_TEST_CLOCK"] == "True"
    assert "***@" in document["settings"]["TENURE_REDIS_URL"]


def test_each_finding_that_is_not_well_has_a_remedy_and_one_that_fails_sets_the_exit_code(world, run):
    code, said = run(world)
    assert code == 1
    wrong = [line for line in said.splitlines() if line.startswith(("FAIL", "WARN"))]
    assert [line.split()[1] for line in wrong if line.startswith("FAIL")] == ["workers", "clock"]
    assert all("→" in line for line in wrong)


def test_what_is_out_of_reach_is_said_and_the_rest_is_looked_at(beating):
    beating.context.__dict__["redis"] = clients.for_checks("redis://127.0.0.1:1/0")
    found = by_name(doctor.examine(beating.context))
    away = {"redis", "queues", "clocks", "processes"}
    assert {name for name, one in found.items() if one.value == "out of reach"} == away
    assert found["schema"].well
    assert found["host"].well


def test_the_versions_that_were_verified_are_those_that_are_installed_by_constraints():
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert {name: pinned[name] for name in doctor.VERIFIED} == doctor.VERIFIED


def test_another_version_of_a_library_warns_and_another_dispatch_script_fails(world, monkeypatch):
    found = {"dramatiq": "3.0.0"}
    monkeypatch.setattr(doctor, "version", lambda name: found.get(name) or version(name))
    assert levels(doctor._libraries(world.context)) == {"dramatiq": "warn"}
    monkeypatch.setitem(doctor.stock._scripts, "dispatch", b"return 1")
    assert levels(doctor._libraries(world.context)) == {"dramatiq": "warn", "dispatch script": "fail"}


def test_the_schema_is_found_one_step_behind_and_the_rest_of_the_database_is_left_alone(beating):
    with writing(beating.context.database) as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    found = by_name(doctor.examine(beating.context))
    assert "tenure migrate" in found["schema"].remedy
    assert "timers" not in found
    with pytest.raises(ValueError, match="run `tenure migrate`"):
        preflight.check(beating.context.database, test_clock=True)


def test_a_database_of_the_other_clock_is_found(beating):
    assert by_name(doctor.examine(beating.context))["clock"].well
    beating.context.__dict__["settings"] = settings.load(
        {"TENURE_DATA_DIR": str(beating.data_dir), "TENURE_REDIS_URL": beating.context.settings.redis_url}
    )
    assert "set TENURE_TEST_CLOCK=1" in by_name(doctor.examine(beating.context))["clock"].remedy


def at(world, moment):
    with writing(world.context.database) as tx:
        clock.move(tx, moment)


def test_a_timer_is_late_after_five_minutes_and_not_before(beating):
    beating.start_trial()
    with reading(beating.context.database) as tx:
        due = timer.earliest(tx)
    at(beating, due + doctor.LATE)
    assert by_name(doctor.examine(beating.context))["timers"].well
    at(beating, due + doctor.LATE + timedelta(microseconds=1))
    late = by_name(doctor.examine(beating.context))["timers"]
    assert late.fails
    assert late.value.startswith("1 overdue, the first since ")
    assert unstamp(late.value.split()[-1]) == due


def test_an_effect_is_slow_after_an_hour_and_one_that_a_guard_holds_never(beating):
    beating.say("start_trial", account="acme", email=f"owner@{HOST}")
    at(beating, beating.now + doctor_queues.SLOW)
    assert by_name(doctor.examine(beating.context))["effects"].well
    at(beating, beating.now + timedelta(microseconds=1))
    assert by_name(doctor.examine(beating.context))["effects"].level == "warn"
    with writing(beating.context.database) as tx:
        tx.execute(text("UPDATE effect SET error = 'held: on purpose'"))
    assert by_name(doctor.examine(beating.context))["effects"].well


def test_an_event_that_the_stream_has_not_got_for_five_minutes_fails(beating):
    beating.start_trial()
    with writing(beating.context.database) as tx:
        tx.execute(text("UPDATE event SET sent = true"))
    at(beating, beating.now + timedelta(minutes=6))
    assert by_name(doctor.examine(beating.context))["events"].well
    with writing(beating.context.database) as tx:
        tx.execute(text("UPDATE event SET sent = false"))
    assert by_name(doctor.examine(beating.context))["events"].fails


def test_a_tripped_breaker_safe_mode_and_dead_messages_fail_and_a_pause_only_warns(beating):
    names = ("deletions", "safe mode", "dead")
    assert all(by_name(doctor.examine(beating.context))[name].well for name in names)
    with writing(beating.context.database) as tx:
        breaker.turn(tx, "tripped", "too many", beating.now)
        safety.enter(tx, "the clock jumped", clock.machine_now())
        dead.add(tx, "lifecycle", "unreadable", "?", clock.machine_now())
    found = by_name(doctor.examine(beating.context))
    assert [found[name].level for name in names] == ["fail"] * 3
    assert "too many" in found["deletions"].value
    assert "the clock jumped" in found["safe mode"].value
    with writing(beating.context.database) as tx:
        breaker.turn(tx, "paused", "an operator", beating.now)
    assert by_name(doctor.examine(beating.context))["deletions"].level == "warn"
    with writing(beating.context.database) as tx:
        breaker.turn(tx, "released", None, beating.now, budget=3)
    assert by_name(doctor.examine(beating.context))["deletions"].value == "released for 3 more"


def test_a_store_that_can_not_be_written_is_found(beating):
    (beating.data_dir / "exports").rmdir() if (beating.data_dir / "exports").exists() else None
    (beating.data_dir / "exports").write_text("a file where the folder should be")
    found = by_name(doctor.examine(beating.context))
    assert found["downloads"].value == "not writable"
    assert found["vault"].well


def test_room_in_a_store_is_scarce_below_a_gibibyte_and_gone_below_64_mebibytes(tmp_path):
    gibibyte, least = 1 << 30, 64 << 20
    shown = [disk_space.room(tmp_path, free).level for free in (gibibyte, gibibyte - 1, least, least - 1)]
    assert shown == ["ok", "warn", "warn", "fail"]


def test_the_folders_that_can_run_full_are_those_that_the_settings_name(tmp_path):
    for name in ("data", "vault", "db"):
        (tmp_path / name).mkdir()
    given = {"DATA_DIR": "data", "BACKUPS_URL": "file://{}/vault", "DATABASE_URL": "sqlite:///{}/db/tenure.db"}
    environ = {f"TENURE_{name}": value.format(tmp_path) for name, value in given.items()}
    found = disk_space.folders(settings.load(environ | {"TENURE_DATA_DIR": str(tmp_path / "data")}))
    assert found == {tmp_path / name for name in ("data", "vault", "db")}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_is_a_second_off_without_a_word_and_30_seconds_with_a_warning(sign):
    beyond = timedelta(microseconds=1)
    for offset, level in ((1, "ok"), (30, "warn")):
        assert clock_skew.of("Redis", sign * timedelta(seconds=offset)).level == level
        later = clock_skew.of("Redis", sign * (timedelta(seconds=offset) + beyond)).level
        assert later == {"ok": "warn", "warn": "fail"}[level]


@pytest.mark.parametrize(("seconds", "level"), [(0, "ok"), (10, "warn"), (-40, "fail")])
def test_the_clocks_of_a_real_redis_and_a_real_postgresql_are_compared_with_ours(
    tmp_path, redis_url, postgresql, monkeypatch, seconds, level
):
    world = World(tmp_path / "data", redis_url, DATABASE_URL=str(postgresql[2].url(postgresql[3])))
    truly = clock.machine_now
    monkeypatch.setattr(clock, "machine_now", lambda: truly() - timedelta(seconds=seconds))
    found = by_name(clock_skew.judge(world.context))
    assert {name: one.level for name, one in found.items()} == dict.fromkeys(
        ["clock of the database", "clock of Redis"], level
    )
    world.close()


def test_sqlite_has_no_clock_to_compare(world):
    assert "SQLite has none" in by_name(clock_skew.judge(world.context))["clock of the database"].value
