"""`tenure doctor --live` and `--ready`, as a supervisor asks them."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from models import clock
from models.database import writing
from tests.runtime.judged import by_name, levels
from tests.world import World
from workers.health import heartbeats, liveness, readiness
from workers.health import live as probe
from workers.queue import redis_keys

ROOT = Path(__file__).parents[2]


def test_live_is_whether_our_own_processes_answer_whatever_is_away(tmp_path):
    assert [one.fails for one in probe.live(tmp_path)] == [True]
    one, other = heartbeats.HeartbeatFile(tmp_path, "worker"), heartbeats.HeartbeatFile(tmp_path, "clock")
    one.beat()
    other.beat()
    assert [name.split()[0] for name in by_name(probe.live(tmp_path))] == ["clock", "worker"]
    assert levels(probe.live(tmp_path)) == {}

    now = time.time()
    os.utime(one.path, (now, now - heartbeats.HUNG_SECONDS / 2))
    assert levels(probe.live(tmp_path)) == {}
    os.utime(one.path, (now, now - heartbeats.HUNG_SECONDS * 2))
    assert levels(probe.live(tmp_path)) == {f"worker {os.getpid()}": "fail"}
    one.beat()
    assert levels(probe.live(tmp_path)) == {}

    one.file.close()  # as at the end of a process, however it ends
    assert [name.split()[0] for name in by_name(probe.live(tmp_path))] == ["clock"]
    other.file.close()
    assert [one.fails for one in probe.live(tmp_path)] == [True]


def test_live_gives_a_tenure_up_the_time_to_start_and_to_stop_its_processes(tmp_path):
    (tmp_path / "up.lock").write_text(str(os.getpid()))
    assert levels(probe.live(tmp_path)) == {}
    (tmp_path / "up.lock").write_text("4194305")  # no process has this id
    assert len(levels(probe.live(tmp_path))) == 1


def test_what_ended_processes_left_is_swept_after_an_hour_and_a_living_one_is_kept(tmp_path):
    living, left, recent = (heartbeats.HeartbeatFile(tmp_path, role) for role in ("worker", "clock", "other"))
    for one in (living, left, recent):
        one.beat()
    left.file.close()
    recent.file.close()
    for one in (living, left):
        os.utime(one.path, (0, 0))
    new = heartbeats.HeartbeatFile(tmp_path, "new")
    new.beat()
    assert {path.name.split(".")[0] for path in living.path.parent.iterdir()} == {"worker", "other", "new"}
    living.file.close()
    new.file.close()


def test_a_disk_that_takes_no_sign_of_life_stops_nobody(tmp_path):
    (tmp_path / heartbeats.FOLDER).write_text("a file where the folder should be")
    one = heartbeats.HeartbeatFile(tmp_path, "worker")
    one.beat()
    (tmp_path / heartbeats.FOLDER).unlink()
    one.beat()
    assert len(heartbeats.signs(tmp_path)) == 1
    one.file.close()


def test_live_imports_neither_a_database_nor_redis(tmp_path):
    look = "import sys; from click.testing import CliRunner; from workers.cli.main import main;"
    look += "print(CliRunner().invoke(main, ['doctor', '--live']).stdout, end='');"
    look += "print([name for name in ('sqlalchemy', 'redis', 'dramatiq', 'pydantic') if name in sys.modules])"
    environ = os.environ | {"TENURE_DATA_DIR": str(tmp_path), "TENURE_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, "-c", look], env=environ, capture_output=True, text=True, cwd=ROOT, check=True
    )
    line, imported = done.stdout.splitlines()
    assert line.startswith("not live: processes: not there; start `tenure up`")
    assert imported == "[]"


def test_a_probe_says_why_in_one_line_and_in_one_document(beating, run):
    code, said = run(beating, "--ready")
    assert (code, said.count("\n")) == (0, 1)
    assert said.startswith("ready: schema 0")
    code, said = run(beating, "--ready", "--json")
    document = json.loads(said)
    assert (document["schema"], document["probe"], document["ok"]) == ("tenure/doctor/1", "ready", True)
    assert {row["what"] for row in document["checks"]} >= {"schema", "clock heartbeat", "workers", "redis memory"}
    beating.context.redis.flushall()
    code, said = run(beating, "--ready")
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("not ready: workers: none answering; nothing is done: start `tenure up` or")


def test_ready_needs_the_database_at_its_head_a_redis_that_keeps_and_a_clock_that_beats(beating, own):
    ours = beating.context.settings
    assert levels(readiness.ready(ours)) == {}

    with writing(beating.context.database) as tx:
        tx.execute(clock.HEARTBEATS.update().values(at=clock.machine_now() - timedelta(seconds=60)))
    assert levels(readiness.ready(ours)) == {"clock heartbeat": "fail"}
    with writing(beating.context.database) as tx:
        tx.execute(clock.HEARTBEATS.delete())
    assert levels(readiness.ready(ours)) == {"clock heartbeat": "fail"}
    with writing(beating.context.database) as tx:
        clock.beat(tx, "clock")
        tx.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert levels(readiness.ready(ours)) == {"schema": "fail"}


def test_ready_looks_at_what_redis_can_do_now_and_not_at_what_its_restart_would_lose(tmp_path, own):
    world = World(tmp_path / "data", own.url)
    liveness.beat(own, "worker")
    with writing(world.context.database) as tx:
        clock.beat(tx, "clock")
    own.config_set("appendonly", "no")
    assert levels(readiness.ready(world.context.settings)) == {}
    own.config_set("maxmemory-policy", "allkeys-lru")
    assert levels(readiness.ready(world.context.settings)) == {"eviction": "refuse"}
    own.shutdown(nosave=True)
    assert levels(readiness.ready(world.context.settings)) == {"redis": "fail"}
    world.close()


def test_each_worker_that_beats_is_counted_with_its_age_and_a_silent_one_is_none(own):
    own.set(redis_keys.alive("worker", "run", 1), "1", px=liveness.EXPIRY_SECONDS * 1000)
    own.set(redis_keys.alive("worker", "run", 2), "1", px=5_000)
    own.set(redis_keys.alive("clock", "run", 3), "1", px=5_000)
    newest, oldest = liveness.ages(own, "worker")
    assert newest < oldest
    assert 10 <= oldest <= liveness.EXPIRY_SECONDS
    own.delete(redis_keys.alive("worker", "run", 1), redis_keys.alive("worker", "run", 2))
    assert liveness.ages(own, "worker") == []


def test_ready_is_over_when_tenure_up_drains(beating):
    heartbeats.begin_drain(beating.data_dir)
    assert levels(readiness.ready(beating.context.settings)) == {"tenure up": "fail"}
    heartbeats.end_drain(beating.data_dir)
    assert levels(readiness.ready(beating.context.settings)) == {}


def test_a_setting_that_makes_no_sense_fails_every_probe_with_its_remedy(beating, run, monkeypatch):
    monkeypatch.setenv("TENURE_TRIAL_DAYS", "many")
    assert [run(beating, probe)[0] for probe in ("--live", "--ready", "--json")] == [1, 1, 1]


def test_a_real_tenure_up_is_live_and_ready_and_stays_live_while_redis_is_away(live):
    live.start(WORKER_PROCESSES="2")
    assert live.json("doctor", "--ready")["ok"]
    said = live.json("doctor", "--live")
    assert [row["what"].split()[0] for row in said["checks"]] == ["clock", "worker", "worker"]
    valkey = next(path for path in Path("/proc").glob("[0-9]*") if is_in(path, live.data_dir / "valkey"))
    os.kill(int(valkey.name), 19)
    try:
        assert "redis: out of reach" in live.run("doctor", "--ready", expecting=1)
        assert live.json("doctor", "--live")["ok"]
    finally:
        os.kill(int(valkey.name), 18)
    assert live.stop() == 0
    assert not live.json("doctor", "--live", expecting=1)["ok"]


def is_in(process, folder):
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False


def test_up_says_that_it_drains_and_takes_it_back_at_its_end(up, tools):
    up.start().wait_until_ready()
    assert heartbeats.supervisor(up.folder) == up.process.pid
    assert heartbeats.draining(up.folder) is None
    up.send("backup", 1.0, queue="data", actor="back_up")
    tools.until(lambda: list(up.folder.glob("backup.*.started")))
    up.signal(15)
    tools.until(lambda: heartbeats.draining(up.folder) == up.process.pid)
    assert up.wait() == 0
    assert heartbeats.draining(up.folder) is None
    assert heartbeats.supervisor(up.folder) is None
