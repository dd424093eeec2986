"""What anybody may write into Redis is bounded: memory, bodies, dead letters, heartbeats; and doctor's word for it."""

import json
import subprocess
import time
import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis

from models import dead
from models.clock import machine_now
from models.database import reading, writing
from models.effect import EFFECTS, IS_UNFINISHED
from workers.base.settings import SettingsError, load
from workers.cli import figures
from workers.commands import dead_letters as graveyard
from workers.commands import handler
from workers.health import doctor_queues, liveness, readiness, redis_bounds, redis_checks
from workers.health.redis_bounds import RedisBounds
from workers.queue import broker, queue_lengths
from workers.queue.message import LONGEST
from workers.supervisor import embedded_valkey

QUEUE = "dramatiq:lifecycle"


@pytest.fixture
def bounds(world):
    return RedisBounds(world.context)


@pytest.fixture
def ours(world):
    made = broker.make_broker(world.context.settings.redis_url)
    made.on_dead_letters = lambda *given: graveyard.keep_all(world.context, *given)
    yield made
    made.close()


def lines(log_lines, word, code):
    found = map(json.loads, log_lines.read_text().splitlines())
    return [line["error"] for line in found if line["msg"] == word and line["code"] == code]


def push(client, body, redis_id=None):
    redis_id = redis_id or uuid.uuid4().hex
    client.hset(f"{QUEUE}.msgs", redis_id, body)
    client.rpush(QUEUE, redis_id)
    return redis_id


def age(client, seconds):
    """A wake-up as it is written, sent so long ago."""
    at = int((time.time() - seconds) * 1000)
    return json.dumps({"queue_name": "effects", "message_timestamp": at})


# Bodies


def test_a_body_that_no_list_names_goes_after_ten_minutes_and_not_before(world, bounds, log_lines):
    client, now = world.context.redis, machine_now()
    client.hset(f"{QUEUE}.msgs", "stray", "x" * 5000)
    listed = push(client, "y")
    bounds.look(now)
    bounds.look(now + timedelta(minutes=9, seconds=59))
    assert client.hlen(f"{QUEUE}.msgs") == 2

    bounds.look(now + timedelta(minutes=10))
    assert client.hkeys(f"{QUEUE}.msgs") == [listed.encode()]
    (line,) = lines(log_lines, "gave_up", "message.stray")
    assert "1 bodies of 5000 bytes" in line


def test_a_body_that_a_worker_holds_stays(world, bounds, ours):
    client, now = world.context.redis, machine_now()
    push(client, "held", "held")
    assert ours.fetch("lifecycle", 10, longest=LONGEST) == [(b"held", b"held")]
    bounds.look(now)
    bounds.look(now + timedelta(hours=1))
    assert client.hexists(f"{QUEUE}.msgs", "held")


def test_thousands_of_strays_go_in_a_few_looks(world, bounds):
    client, now = world.context.redis, machine_now()
    client.hset(f"{QUEUE}.msgs", mapping={f"stray {number}": "x" for number in range(5000)})
    for minute in range(0, 60, 2):
        bounds.look(now + timedelta(minutes=minute))
    assert client.hlen(f"{QUEUE}.msgs") == 0


def test_a_huge_message_is_removed_unread_with_one_line_and_the_others_go_on(world, ours, log_lines):
    client = world.context.redis
    push(client, "x" * (200 << 20), "huge")
    push(client, "small", "small")
    before = _peak_mb()

    consumer = ours.consume("lifecycle", prefetch=10, timeout=0)
    assert next(consumer) is None

    assert _peak_mb() - before < 50
    assert not client.exists(f"{QUEUE}.msgs")
    (line,) = [line for line in lines(log_lines, "gave_up", "message.dead") if "huge" in line]
    assert "removed unread" in line
    with reading(world.context.database) as tx:
        kept = {row.reason.split(" (")[0]: row for row in dead.messages(tx)}
    row = kept[f"is longer than {LONGEST} bytes"]
    assert (row.body, row.readable) == ("", False)
    with pytest.raises(ValueError, match="too long to be kept"):
        graveyard.retry(world.context, row.id)


def _peak_mb():
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) >> 10


def test_a_large_value_that_is_nobodys_goes_from_our_own_server(world, bounds, log_lines, monkeypatch):
    client, now = world.context.redis, machine_now()
    client.set("anything", "x" * (2 << 20))
    client.set("small", "x")
    client.set("tenure:reply:x", "x" * (2 << 20))
    monkeypatch.setattr(RedisBounds, "_is_embedded", lambda _self: True)
    for minutes in (0, 9):
        bounds.remove_large(now + timedelta(minutes=minutes))
    assert client.exists("anything", "tenure:reply:x") == 2

    bounds.remove_large(now + timedelta(minutes=10))
    assert client.exists("anything", "tenure:reply:x") == 0
    assert client.exists("small") == 1
    assert len(lines(log_lines, "alarm", "redis.strange_key")) == 2


def test_a_large_value_of_another_program_stays_on_a_server_that_is_not_ours(world, bounds):
    client, now = world.context.redis, machine_now()
    client.set("anything", "x" * (2 << 20))
    bounds.remove_large(now)
    bounds.remove_large(now + timedelta(hours=1))
    assert client.exists("anything") == 1


# Dead letters


def test_messages_that_nobody_can_read_are_kept_up_to_a_number_and_the_oldest_go(world, monkeypatch, log_lines):
    monkeypatch.setattr(dead, "MOST", 5)
    for number in range(7):
        graveyard.keep(world.context, "lifecycle", f"r{number}", f"junk {number}".encode(), "is not JSON in UTF-8")
    with reading(world.context.database) as tx:
        assert [row.body for row in dead.messages(tx)] == [f"junk {number}" for number in range(2, 7)]
        assert dead.counts(tx) == dead.Counts(0, 5, 2)
    assert len(lines(log_lines, "gave_up", "message.forgotten")) == 2
    assert figures.stats(world.context)["dead_forgotten"] == 2


def test_messages_that_nobody_can_read_are_kept_up_to_so_many_bytes(world, monkeypatch):
    monkeypatch.setattr(dead, "MOST_BYTES", 10_000)
    for number in range(4):
        graveyard.keep(world.context, "lifecycle", f"r{number}", b"x" * 4_000, "is not JSON in UTF-8")
    with reading(world.context.database) as tx:
        assert dead.counts(tx) == dead.Counts(0, 2, 2)


def test_a_command_that_could_be_read_is_never_forgotten(world, monkeypatch):
    monkeypatch.setattr(dead, "MOST", 2)
    graveyard.keep(world.context, "lifecycle", "good", b"{}", "failed for good: ValueError: x")
    for number in range(5):
        graveyard.keep(world.context, "lifecycle", f"r{number}", b"junk", "is not JSON in UTF-8")
    with reading(world.context.database) as tx:
        assert [row.body for row in dead.messages(tx) if row.readable] == ["{}"]
        assert dead.counts(tx) == dead.Counts(1, 2, 3)


def test_dead_letters_in_redis_are_bounded_too(world, bounds, monkeypatch):
    monkeypatch.setattr(redis_bounds, "DEAD_LETTERS", 3)
    client = world.context.redis
    for number in range(5):
        client.zadd(f"{QUEUE}.XQ", {f"r{number}": number})
        client.hset(f"{QUEUE}.XQ.msgs", f"r{number}", "x")
    bounds.look()
    assert client.zrange(f"{QUEUE}.XQ", 0, -1) == [b"r2", b"r3", b"r4"]
    assert sorted(client.hkeys(f"{QUEUE}.XQ.msgs")) == [b"r2", b"r3", b"r4"]


def test_one_callers_nonsense_is_a_warning_and_what_gave_up_is_a_failure(world):
    with reading(world.context.database) as tx:
        assert doctor_queues.given_up(tx).well
    graveyard.keep(world.context, "lifecycle", "r1", b"junk", "is not JSON in UTF-8")
    with reading(world.context.database) as tx:
        assert doctor_queues.given_up(tx).level == "warn"
    graveyard.keep(world.context, "lifecycle", "r2", b"{}", "failed for good: ValueError: x")
    with reading(world.context.database) as tx:
        assert doctor_queues.given_up(tx).level == "fail"


def test_a_thousand_messages_of_nonsense_cost_one_transaction_and_the_command_behind_them_is_next(world, monkeypatch):
    kept = []
    keep_all = graveyard.keep_all
    monkeypatch.setattr(graveyard, "keep_all", lambda *given: kept.append(len(given[2])) or keep_all(*given))
    made = broker.make_broker(world.context.settings.redis_url)
    made.on_dead_letters = lambda *given: graveyard.keep_all(world.context, *given)
    pipeline = world.context.redis.pipeline()
    for number in range(1000):
        pipeline.hset(
            f"{QUEUE}.msgs", f"r{number}", "junk" if number % 2 else "x" * (LONGEST + 1) if number == 500 else ""
        )
        pipeline.rpush(QUEUE, f"r{number}")
    pipeline.execute()
    seen = []
    made.take = lambda batch: seen.extend(batch) or [None] * len(batch)
    consumer = made.consume("lifecycle", timeout=0)
    assert next(consumer) is None
    made.close()

    assert kept == [1000]
    assert world.context.redis.zcard(f"{QUEUE}.XQ") == 999
    assert not world.context.redis.exists(f"{QUEUE}.msgs")
    assert made.held["lifecycle"] == set()
    with reading(world.context.database) as tx:
        assert dead.counts(tx).unreadable == 1000


def test_commands_whose_sender_nobody_can_tell_are_put_aside_together(world, log_lines):
    before = len(world.events())
    assert handler.take_each(world.context, [({"id": 7},)] * 20) == [None] * 20
    assert len(lines(log_lines, "gave_up", "message.dead")) == 20
    assert len(world.events()) == before
    with reading(world.context.database) as tx:
        assert dead.counts(tx) == dead.Counts(0, 20, 0)


# Heartbeats


def test_strangers_heartbeats_are_bounded_and_those_of_the_future_end(world, bounds, ours, monkeypatch):
    client = world.context.redis
    monkeypatch.setattr(redis_bounds, "MOST_HEARTBEATS", 50)
    ours.keep_up("lifecycle")
    push(client, "m", "m")
    assert ours.fetch("lifecycle", 1, longest=LONGEST)
    client.zadd("dramatiq:__heartbeats__", {f"stranger {number}": 9e15 for number in range(1500)})
    bounds.look()
    bounds.look()

    names = dict(client.zrange("dramatiq:__heartbeats__", 0, -1, withscores=True))
    assert ours.broker_id.encode() in names
    assert len(names) <= 51
    assert max(names.values()) < time.time() * 1000 + 60_000


def test_thousands_of_dead_heartbeats_cost_a_maintenance_no_second(world, ours):
    client = world.context.redis
    client.zadd("dramatiq:__heartbeats__", {f"stranger {number}": 1 for number in range(20_000)})
    client.mset({f"other:{number}": 1 for number in range(20_000)})
    started = time.monotonic()
    ours.keep_up("lifecycle")
    assert time.monotonic() - started < 1.5


def test_no_stranger_counts_as_a_living_worker(world):
    client = world.context.redis
    client.zadd("dramatiq:__heartbeats__", {str(uuid.uuid4()): 9e15})
    client.set("tenure:alive:worker:x:1", 1)
    client.set("tenure:alive:worker:x:2", 1, ex=86_400)
    client.hset("tenure:alive:worker:x:3", "x", "x")
    assert liveness.ages(client, "worker") == []
    assert liveness.count(client, "worker") == 0
    assert readiness.worker_heartbeats(liveness.ages(client, "worker")).fails
    liveness.beat(client, "worker")
    assert liveness.count(client, "worker") == 1


# Memory


@pytest.fixture
def small(tmp_path):
    """A Valkey of our own with 16 MiB."""
    url, words = embedded_valkey.prepare(tmp_path / "small", 16)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while not embedded_valkey.answers(url):
        time.sleep(0.01)
    with redis.Redis.from_url(url) as client:
        yield SimpleNamespace(url=url, client=client)
    process.kill()
    process.wait()


def fill(client, share):
    """Fill the memory up to a share of its limit."""
    for number in range(100_000):
        said = client.info("memory")
        if said["used_memory"] >= share * said["maxmemory"]:
            return
        client.set(f"ballast:{number}", "x" * 100_000)


def test_the_embedded_server_has_a_limit_and_throws_nothing_away(small):
    assert small.client.config_get("maxmemory") == {"maxmemory": str(16 << 20)}
    assert small.client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert 256 <= embedded_valkey.a_quarter_mb() <= 4096


def test_an_alarm_is_raised_at_70_and_at_90_percent_once_each(world, small, log_lines):
    world.context.__dict__["redis"], bounds = small.client, RedisBounds(world.context)
    fill(small.client, 0.5)
    bounds.watch_memory()
    assert lines(log_lines, "alarm", "redis.memory") == []

    for share, count in ((0.71, 1), (0.8, 1), (0.91, 2)):
        fill(small.client, share)
        bounds.watch_memory()
        bounds.watch_memory()
        assert len(lines(log_lines, "alarm", "redis.memory")) == count
    assert redis_checks._memory(redis_checks.ask(small.client)).fails

    small.client.execute_command("FLUSHALL", "SYNC")
    bounds.watch_memory()
    fill(small.client, 0.71)
    bounds.watch_memory()
    assert len(lines(log_lines, "alarm", "redis.memory")) == 3


def test_an_alarm_about_the_memory_reaches_other_systems(world, small):
    stream = world.context.redis
    world.context.__dict__["redis"] = small.client
    fill(small.client, 0.75)
    RedisBounds(world.context).watch_memory()
    world.context.__dict__["redis"] = stream
    world.sweep()
    (event,) = world.events("alarm.raised")
    assert event["data"]["code"] == "redis.memory"
    assert event["data"]["do"]


def test_at_90_percent_the_stream_keeps_the_last_day_and_before_that_all(world, small):
    world.context.__dict__["redis"], bounds = small.client, RedisBounds(world.context)
    now_ms = int(time.time() * 1000)
    for hours in [*[30] * 200, *[20] * 200]:
        small.client.xadd("tenure:events", {"event": "x" * 100}, id=f"{now_ms - hours * 3_600_000}-*")
    fill(small.client, 0.75)
    bounds.watch_memory()
    assert small.client.xlen("tenure:events") == 400

    fill(small.client, 0.91)
    bounds.watch_memory()
    assert 200 <= small.client.xlen("tenure:events") <= 300


def test_a_full_server_still_gives_out_and_acknowledges_what_it_has_and_hears_who_lives(small):
    push(small.client, "m", "m")
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        fill(small.client, 2.0)
    worker = broker.make_broker(small.url)

    worker.keep_up("lifecycle")
    assert worker.fetch("lifecycle", 10, longest=LONGEST) == [(b"m", b"m")]
    worker.announce("effects", ["effect 1"])
    worker.ack_all("lifecycle", [b"m"])
    liveness.beat(small.client, "worker")
    worker.close()

    assert small.client.hlen(f"{QUEUE}.msgs") == 0
    assert small.client.llen("dramatiq:effects") == 1
    assert liveness.count(small.client, "worker") == 1


def test_the_limit_is_a_setting(tmp_path):
    assert load({"TENURE_DATA_DIR": str(tmp_path), "TENURE_REDIS_MAX_MB": "64"}).redis_max_mb == 64
    assert load({"TENURE_DATA_DIR": str(tmp_path)}).redis_max_mb is None
    with pytest.raises(SettingsError, match="TENURE_REDIS_MAX_MB='1' must be a whole number from 16"):
        load({"TENURE_DATA_DIR": str(tmp_path), "TENURE_REDIS_MAX_MB": "1"})


# What waits


def test_doctor_and_stats_say_how_long_the_first_message_of_a_queue_waits(world):
    client = world.context.redis
    client.hset("dramatiq:effects.msgs", "m", age(client, 0))
    client.rpush("dramatiq:effects", "m", "n")
    assert {one.what: one for one in doctor_queues.judge(world.context)}["queue effects"].well
    found = figures.stats(world.context)
    assert found["queues"]["effects"]["messages"] == 2
    assert "queue             2  effects, the first for" in figures.text(found)
    assert 'tenure_queue_messages{queue="effects"} 2' in figures.prometheus(found)

    for seconds, level in ((55, "ok"), (70, "warn"), (310, "fail")):
        client.hset("dramatiq:effects.msgs", "m", age(client, seconds))
        assert {one.what: one for one in doctor_queues.judge(world.context)}["queue effects"].level == level


SILENT = ["", "junk", "[]", *(f'{{"message_timestamp": {said}}}' for said in ("0", '"x"', "1e300", "null"))]


@pytest.mark.parametrize("body", SILENT)
def test_a_message_that_says_nothing_of_its_age_has_none(world, body):
    push(world.context.redis, body)
    assert queue_lengths.look(world.context.redis)["lifecycle"] == queue_lengths.QueueLength(1, None)


def test_effects_are_on_time_only_if_what_could_be_done_is_done(world):
    world.start_trial()
    world.say("update_contact", email="new@acme.example.com")
    assert finding(world).well

    for minutes, level in ((2, "warn"), (6, "fail")):
        wait_since(world, minutes)
        assert finding(world).level == level
        assert figures.stats(world.context)["effects_ready"]["effects"]["oldest_seconds"] >= minutes * 60
    world.rest()
    assert finding(world).well


def test_letters_that_wait_for_others_of_their_own_site_are_a_warning(world):
    world.start_trial()
    for number in range(10):
        world.say("update_contact", email=f"new{number}@acme.example.com")
    wait_since(world, 10, admitted=False)
    assert finding(world).level == "warn"


def wait_since(world, minutes, **which):
    with writing(world.context.database) as tx:
        late = EFFECTS.update().where(IS_UNFINISHED).values(waits_since=machine_now() - timedelta(minutes=minutes))
        for name, value in which.items():
            late = late.where(EFFECTS.c[name].is_(value))
        tx.execute(late)


def finding(world):
    with reading(world.context.database) as tx:
        return doctor_queues.effects(tx, world.now)
