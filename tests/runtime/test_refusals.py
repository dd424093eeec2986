"""What may not start: a real Valkey and a real PostgreSQL, set as badly as they can be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pysqlite3
import pytest

from models import database, server
from models.database import connect, reading
from tests.live_engine import until
from tests.runtime.judged import by_name, levels
from workers.health import check, database_checks, preflight, redis_checks
from workers.supervisor import embedded_valkey

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("setting", "value", "what", "level"),
    [
        ("maxmemory-policy", "noeviction", "eviction", "ok"),
        ("maxmemory-policy", "allkeys-lru", "eviction", "refuse"),
        ("maxmemory-policy", "volatile-ttl", "eviction", "refuse"),
        ("appendonly", "yes", "append-only file", "ok"),
        ("appendonly", "no", "append-only file", "fail"),
        ("appendfsync", "always", "appendfsync", "ok"),
        ("appendfsync", "everysec", "appendfsync", "warn"),
        ("appendfsync", "no", "appendfsync", "fail"),
    ],
)
def test_a_setting_of_redis_that_loses_commands_is_found(own, setting, value, what, level):
    own.config_set(setting, value)
    assert by_name(redis_checks.judge(redis_checks.ask(own)))[what].level == level


@pytest.mark.parametrize(("share", "level"), [(0.5, "ok"), (0.85, "warn"), (0.99, "fail")])
def test_a_redis_without_room_for_acknowledgements_is_found_before_it_is_full(own, share, level):
    own.config_set("maxmemory", int(own.info("memory")["used_memory"] / share))
    assert by_name(redis_checks.judge(redis_checks.ask(own)))["redis memory"].level == level


def test_a_redis_without_a_limit_has_room(own):
    assert by_name(redis_checks.judge(redis_checks.ask(own)))["redis memory"].well


def test_a_replica_is_refused_until_it_is_the_primary(own):
    own.replicaof("127.0.0.1", "1")
    with pytest.raises(ValueError, match=r"redis role: replica; .*name the primary in REDIS_URL"):
        redis_checks.check(own.url)
    own.replicaof("NO", "ONE")
    redis_checks.check(own.url)


def test_a_redis_cluster_is_refused(tmp_path):
    url, command = embedded_valkey.prepare(tmp_path)
    process = subprocess.Popen([*command, "--cluster-enabled", "yes"], start_new_session=True)
    try:
        until(lambda: embedded_valkey.answers(url))
        with pytest.raises(ValueError, match=r"redis mode: cluster; .*use a Redis without"):
            redis_checks.check(url)
    finally:
        process.kill()
        process.wait()


def test_a_redis_that_may_not_be_asked_warns_and_is_not_refused(own, log_lines):
    own.acl_setuser("shy", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-config", "-info"])
    address = own.url.split("@")[1]
    redis_checks.check(f"redis://shy:pw@{address}")
    said = [json.loads(line)["error"] for line in log_lines.read_text().splitlines()]
    assert [line.split(": ")[0] for line in said] == [
        "redis", "redis role", "eviction", "append-only file", "redis memory",
    ]  # fmt: skip
    assert all(": unknown; this server does not say" in line for line in said)


def test_a_redis_that_only_loses_at_its_own_restart_is_taken_with_a_warning(own, log_lines):
    own.config_set("appendonly", "no")
    redis_checks.check(own.url)
    assert [json.loads(line)["msg"] for line in log_lines.read_text().splitlines()] == ["alarm"]
    assert "append-only file: off; a restart of Redis loses commands" in log_lines.read_text()


def test_a_redis_that_can_not_write_its_file_or_still_reads_it_stands_still():
    fine = {"redis_version": "8.2.2", "role": "master", "maxmemory_policy": "noeviction", "aof_enabled": 1}
    fine |= {"appendfsync": "always", "used_memory": 1, "maxmemory": 0, "loading": 0, "aof_last_write_status": "ok"}
    assert levels(redis_checks.judge(fine)) == {}
    assert levels(redis_checks.judge(fine | {"loading": 1})) == {"redis start": "fail"}
    assert levels(redis_checks.judge(fine | {"aof_last_write_status": "err"})) == {"redis disk": "fail"}


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("redis 6.0.20", "refuse"),
        ("redis 6.2.19", "warn"),
        ("redis 6.2.20", "ok"),
        ("redis 7.0.15", "warn"),
        ("redis 7.2.10", "warn"),
        ("redis 7.2.11", "ok"),
        ("redis 8.2.1", "warn"),
        ("redis 8.2.2", "ok"),
        ("redis 8.4.0", "ok"),
        ("redis 8.6.2", "warn"),
        ("redis 8.6.3", "ok"),
        ("valkey 7.2.12", "warn"),
        ("valkey 7.2.13", "ok"),
        ("valkey 9.0.3", "warn"),
        ("valkey 9.0.4", "ok"),
        ("valkey 9.1.0", "ok"),
        ("valkey next", "warn"),
    ],
)
def test_a_version_of_redis_that_is_too_old_or_open_to_its_clients_is_found(version, level):
    kind, number = version.split()
    said = {"redis_version": "7.2.4"} | {f"{kind}_version": number}
    assert by_name(redis_checks.judge(said))["redis"].level == level


def test_a_redis_that_stays_away_is_waited_for_and_then_named(monkeypatch, log_lines):
    monkeypatch.setattr(redis_checks, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(redis_checks, "PAUSE_SECONDS", 0.02)
    with pytest.raises(ValueError, match=r"Redis does not answer.*start it, or correct REDIS_URL"):
        redis_checks.check("redis://127.0.0.1:1/0")
    assert log_lines.read_text().count("it is asked again") == 1


def test_a_redis_that_does_not_let_us_in_is_not_waited_for(own):
    with pytest.raises(ValueError, match="Redis does not let us in"):
        redis_checks.check(own.url.replace(":", ":wrong", 2).replace("redis:wrong", "redis:"))


@pytest.mark.parametrize(
    ("setting", "value", "refused"),
    [
        ("version", "3.51.2", True),
        ("version", "3.51.3", False),
        ("version", "3.53.0", False),
        ("journal_mode", "delete", True),
        ("synchronous", "NORMAL", True),
        ("synchronous", "EXTRA", False),
    ],
)
def test_a_sqlite_that_corrupts_or_forgets_is_refused(setting, value, refused):
    fine = {"version": "3.51.3", "journal_mode": "wal", "synchronous": "FULL"}
    assert levels(database_checks.sqlite(fine | {setting: value})) == ({
        "sqlite" if setting == "version" else setting: "refuse"
    } if refused else {})  # fmt: skip


def test_a_real_sqlite_file_that_is_not_safe_is_refused_and_the_same_file_made_safe_is_not(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'tenure.db'}"
    for pragmas, said in (
        (("journal_mode=DELETE", "synchronous=FULL"), "journal_mode: delete"),
        (("journal_mode=WAL", "synchronous=NORMAL"), "synchronous: NORMAL"),
        (database.PRAGMAS, None),
    ):
        monkeypatch.setattr(database, "PRAGMAS", pragmas)
        engine = connect(url)
        if said is None:
            preflight.migrate(engine, test_clock=True)
            preflight.check(engine, test_clock=True)
        else:
            with pytest.raises(ValueError, match=said):
                preflight.migrate(engine, test_clock=True)
        engine.dispose()
    with reading(connect(url)) as tx:
        assert server.settings(tx)["version"] == pysqlite3.sqlite_version


def test_a_postgresql_that_does_not_sync_is_refused_and_one_that_does_is_not(postgresql, log_lines):
    engine, sync, _, _ = postgresql
    with pytest.raises(ValueError, match=r"fsync: off; .*set `fsync = on`"):
        preflight.migrate(engine, test_clock=False)
    sync("on")
    preflight.migrate(engine, test_clock=False)
    preflight.check(engine, test_clock=False)
    sync("off")
    with pytest.raises(ValueError, match="fsync: off"):
        preflight.check(engine, test_clock=False)


def test_under_the_test_clock_a_postgresql_that_does_not_sync_only_warns(postgresql, log_lines):
    engine, _, _, _ = postgresql
    preflight.migrate(engine, test_clock=True)
    assert log_lines.read_text() == ""
    preflight.check(engine, test_clock=True)
    assert '"fsync: off' in log_lines.read_text()


def test_a_session_waits_for_the_disk_whatever_the_server_is_set_to_unless_the_address_forbids_it(postgresql):
    engine, sync, cluster, name = postgresql
    sync("on")
    with reading(engine) as tx:
        assert server.settings(tx)["synchronous_commit"] == "on"  # the cluster itself has it off
        assert "synchronous_commit" not in levels(database_checks.judge(tx, test_clock=False))
    hasty = connect(cluster.url(name) + "&options=-c%20synchronous_commit=off")
    with pytest.raises(ValueError, match=r"synchronous_commit: off; .*DATABASE_URL"):
        preflight.check(hasty, test_clock=False)
    hasty.dispose()


def test_a_postgresql_that_can_not_be_written_is_refused(postgresql):
    engine, sync, cluster, name = postgresql
    sync("on")
    cluster.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    engine.dispose()
    with pytest.raises(ValueError, match="database role: read-only"):
        preflight.check(engine, test_clock=False)
    said = {"server_version": "18", "server_version_num": "180000", "server_encoding": "UTF8", "read_only": "off"}
    said |= {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "standby": False}
    assert levels(database_checks.postgresql(said, test_clock=False)) == {}
    standby = database_checks.postgresql(said | {"standby": True}, test_clock=True)
    assert levels(standby) == {"database role": "refuse"}


@pytest.mark.parametrize(("number", "level"), [(140003, "warn"), (140004, "ok"), (180006, "ok")])
def test_a_postgresql_without_fixes_is_found(number, level):
    said = {"server_version": "x", "server_version_num": str(number), "server_encoding": "UTF8", "read_only": "off"}
    said |= {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "standby": False}
    assert by_name(database_checks.postgresql(said, test_clock=False))["postgresql"].level == level
    torn = database_checks.postgresql(said | {"full_page_writes": "off"}, test_clock=False)
    assert by_name(torn)["full_page_writes"].level == "warn"


@pytest.mark.parametrize(("role", "name"), [("workers", "worker"), ("schedules", "clock")])
def test_a_process_refuses_an_evicting_redis_and_says_what_to_change(own, tmp_path, role, name):
    own.config_set("maxmemory-policy", "allkeys-lfu")
    environ = {"TENURE_DATA_DIR": str(tmp_path / "data"), "TENURE_REDIS_URL": own.url}
    done = subprocess.run(
        [sys.executable, "-m", role], env=os.environ | environ, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    remedy = "Redis would throw commands away to make room: set `maxmemory-policy noeviction`"
    told = [line for line in done.stderr.splitlines() if "as root" not in line]  # the tests may run as root
    assert told == [f"{name}: eviction: allkeys-lfu; {remedy}"]


def test_up_refuses_an_evicting_redis_once_and_starts_nothing(up, own, tools):
    own.config_set("maxmemory-policy", "volatile-lru")
    up.start(TENURE_REDIS_URL=own.url)
    assert up.wait() == 1
    assert "tenure up: eviction: volatile-lru" in up.err.read_text()
    assert not tools.processes(up.folder)
    own.config_set("maxmemory-policy", "noeviction")
    up.start(TENURE_REDIS_URL=own.url).wait_until_ready()


def test_a_refusal_comes_before_the_warnings(log_lines):
    found = [check.warning("a", "b", "c"), check.refusal("eviction", "on", "set it"), check.well("x", "y")]
    with pytest.raises(ValueError, match=r"^eviction: on; set it$"):
        check.must_be_safe(found)
    assert log_lines.read_text() == ""
    check.tell(check.must_be_safe([found[0], found[2]]))
    assert "a: b; c" in log_lines.read_text()
