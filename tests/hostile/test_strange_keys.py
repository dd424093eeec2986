"""Keys of another type than ours, put into Redis by anybody: they are named, and nothing stops."""

import json
from datetime import UTC, datetime

import pytest

from models import clock, effect
from models.database import writing
from workers.cli import figures, test_clock
from workers.health import doctor, doctor_queues, liveness
from workers.queue import broker, queue_lengths, redis_keys
from workers.safety import strange_keys

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
KINDS = {
    "string": lambda client, key: client.set(key, "x"),
    "list": lambda client, key: client.rpush(key, "x"),
    "hash": lambda client, key: client.hset(key, "x", "x"),
    "set": lambda client, key: client.sadd(key, "x"),
    "zset": lambda client, key: client.zadd(key, {"x": 1}),
    "stream": lambda client, key: client.xadd(key, {"x": "x"}),
}


def put(world, key, kind):
    world.context.redis.delete(key)
    KINDS[kind](world.context.redis, key)


def alarms(log_lines):
    return [line for line in map(json.loads, log_lines.read_text().splitlines()) if line["msg"] == "alarm"]


def live_and_leave(world):
    world.start_trial()
    world.say("cancel", extra={"replyto": "tenure:reply:other"})
    world.rest()
    world.advance(days=14)


@pytest.mark.parametrize("kind", ["string", "list", "hash", "set", "zset"])
def test_a_reply_key_of_any_type_stops_no_deletion_and_is_named(world, log_lines, kind):
    put(world, "tenure:reply:x", kind)
    live_and_leave(world)

    assert world.state() == "deleted"
    assert any("tenure:reply:x" in line["error"] for line in alarms(log_lines))
    assert world.context.redis.type("tenure:reply:x").decode() == kind


@pytest.mark.parametrize("key", ["dramatiq:other.msgs", "dramatiq:x.XQ.msgs", "tenure:named:-"])
@pytest.mark.parametrize("kind", ["string", "stream"])
def test_keys_among_those_that_forgetting_reads_stop_no_deletion(world, log_lines, key, kind):
    world.start_trial()
    put(world, key, kind)
    live_and_leave(world)

    assert world.state() == "deleted"
    assert any(key in line["error"] for line in alarms(log_lines))


def test_an_address_in_the_stream_is_forgotten_though_its_note_was_written_over(world):
    site = world.start_trial()
    body = json.dumps({"who": "owner@acme.example.com"})
    entry = world.context.redis.xadd(redis_keys.EVENTS, {"event": body})
    put(world, redis_keys.named(site["id"]), "string")
    live_and_leave(world)

    assert world.state() == "deleted"
    assert world.context.redis.xrange(redis_keys.EVENTS, entry, entry) == []
    assert not world.context.redis.exists(redis_keys.named(site["id"]))


def test_an_answer_to_a_key_of_another_type_harms_nobody_else(world, log_lines):
    put(world, "tenure:reply:mine", "hash")
    for name in ("mine", "yours"):
        world.say(
            "start_trial", "a.example.com", account="a", email="o@a.example", extra={"replyto": f"tenure:reply:{name}"}
        )

    assert world.context.redis.xlen("tenure:reply:yours") == 1
    assert world.unsent() == 0
    assert "tenure:reply:mine, which is no stream" in log_lines.read_text()


@pytest.mark.parametrize("key", sorted(redis_keys.FIXED))
def test_what_stands_in_the_place_of_a_key_of_ours_is_put_aside_and_work_goes_on(world, log_lines, key):
    world.start_trial()
    kind = "hash" if redis_keys.FIXED[key].type != "hash" else "string"
    put(world, key, kind)
    world.sweep()

    assert any(key in line["error"] for line in alarms(log_lines))
    assert world.context.redis.type(f"tenure:aside:{key}").decode() == kind
    assert 0 < world.context.redis.ttl(f"tenure:aside:{key}") <= 86_400
    world.send("export")
    world.sweep()
    assert world.unsent() == 0
    assert world.events("export.ready")


def test_a_redis_that_forbids_the_look_stops_no_sweep(world, log_lines, monkeypatch):
    world.start_trial()
    world.say("export")
    world.wakeups.waiting.clear()
    monkeypatch.setattr(strange_keys, "PUT_ASIDE", "return redis.call('no such command')")
    world.retry_now()
    with writing(world.context.database) as tx:
        tx.execute(effect.EFFECTS.update().where(effect.IS_UNFINISHED).values(announced_at=LONG_AGO))
    world.sweep()
    world.rest()

    assert world.open_effects() == []
    assert any("could not be looked at" in line["error"] for line in alarms(log_lines))


@pytest.mark.parametrize("key", [key.name for key in redis_keys.KEYS if key.always_expires])
def test_a_turn_without_an_end_is_taken_away(world, log_lines, key):
    world.context.redis.set(key, "mine for ever")
    world.start_trial()
    world.sweep()

    assert world.unsent() == 0
    assert any("had no end" in line["error"] for line in alarms(log_lines))


@pytest.mark.parametrize("key", ["dramatiq:lifecycle", "dramatiq:lifecycle.msgs", "dramatiq:__heartbeats__"])
def test_looks_survive_whatever_stands_in_the_queues(world, key):
    world.start_trial()
    put(world, key, "string" if key != "dramatiq:lifecycle.msgs" else "list")
    put(world, "tenure:alive:worker:x:1", "hash")
    put(world, "dramatiq:__acks__.x.lifecycle", "string")

    assert queue_lengths.look(world.context.redis)["lifecycle"].count == 0
    assert figures.stats(world.context)["queues"]["effects"]["messages"] == 0
    assert liveness.ages(world.context.redis, "worker") == []
    assert world.context.redis.eval(test_clock.COMMANDS_UNDER_WAY, 1, "dramatiq") == 0
    found = doctor_queues.keys(world.context)
    assert found.level == "warn"
    assert key in found.value


def test_the_clock_comes_to_rest_beside_strange_keys(world):
    world.start_trial()
    put(world, "dramatiq:lifecycle.msgs", "string")
    with writing(world.context.database) as tx:
        clock.beat(tx, "clock")
    assert test_clock._state(world.context) == []


def test_a_held_set_of_another_type_stops_no_maintenance(world):
    world.context.redis.zadd("dramatiq:__heartbeats__", {"stranger": 0, "dead": 0})
    put(world, "dramatiq:__acks__.stranger.lifecycle", "string")
    world.context.redis.hset("dramatiq:lifecycle.msgs", "m1", "{}")
    world.context.redis.sadd("dramatiq:__acks__.dead.lifecycle", "m1")
    ours = broker.make_broker(world.context.settings.redis_url)

    ours.keep_up("lifecycle")
    ours.close()

    assert world.context.redis.lrange("dramatiq:lifecycle", 0, -1) == [b"m1"]
    assert not world.context.redis.exists("dramatiq:__acks__.stranger.lifecycle")


def test_doctor_names_strange_keys_as_a_warning_and_goes_on(world):
    world.start_trial()
    put(world, "tenure:reply:x", "string")
    found = {one.what: one for one in doctor.examine(world.context)}

    assert found["redis keys"].level == "warn"
    assert "'tenure:reply:x' is a string and not a stream" in found["redis keys"].value
    world.context.redis.delete("tenure:reply:x")
    assert {one.what: one for one in doctor.examine(world.context)}["redis keys"].well
