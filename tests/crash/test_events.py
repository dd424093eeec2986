"""Events reach the stream whatever happens to the publisher, to Redis or to somebody's reply stream."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from models import event
from models.database import reading
from workers.outbox import relay
from workers.queue.redis_keys import EVENTS, RELAY_LOCK
from workers.timers import history


def ids(world):
    return [body["id"] for body in world.events()]


def test_a_reply_stream_that_is_no_stream_keeps_nobody_elses_events_back(world):
    world.context.redis.set("tenure:reply:mine", "taken")
    world.start_trial()
    before = len(ids(world))
    world.say("cancel", extra={"replyto": "tenure:reply:mine"})
    world.rest()

    assert world.unsent() == 0
    assert len(set(ids(world))) == len(ids(world)) > before
    assert world.context.redis.get("tenure:reply:mine") == b"taken"


@pytest.mark.parametrize("empty", ["flushall", "delete", "trim"])
def test_an_emptied_stream_gets_the_last_day_again_with_the_same_ids(world, empty):
    world.start_trial()
    world.advance(days=2)
    world.send("subscribe", agents=7, payment_method="pm_visa")
    last_day = [body["id"] for body in world.events() if body["time"] >= world.now.isoformat()[:10]]
    with reading(world.context.database) as tx:
        since = world.now - timedelta(hours=24)
        query = event.EVENTS.select().where(event.EVENTS.c.at >= since).order_by(event.EVENTS.c.seq)
        expected = [row.id for row in tx.execute(query)]
    assert last_day
    {
        "flushall": world.context.redis.flushall,
        "delete": lambda: world.context.redis.delete(EVENTS),
        "trim": lambda: world.context.redis.xtrim(EVENTS, maxlen=0, approximate=False),
    }[empty]()

    world.sweep()
    assert ids(world) == expected
    world.sweep()
    assert ids(world) == expected


def test_a_stream_that_was_lost_is_noticed_by_the_next_event_too(world):
    world.start_trial()
    before = ids(world)
    world.context.redis.flushall()
    world.send("subscribe", agents=7, payment_method="pm_visa")

    assert ids(world)[: len(before)] == before
    assert len(ids(world)) == len(set(ids(world))) > len(before)


def test_a_reader_that_empties_the_stream_as_it_reads_is_not_flooded(world):
    world.start_trial()
    for _ in range(3):
        world.context.redis.xtrim(EVENTS, maxlen=0, approximate=False)
        world.sweep()
    assert ids(world) == []


def test_events_are_kept_for_90_days_and_then_removed(world):
    world.start_trial()
    with reading(world.context.database) as tx:
        first = tx.execute(event.EVENTS.select().order_by(event.EVENTS.c.seq)).first().id

    def kept():
        with reading(world.context.database) as tx:
            return [row.id for row in tx.execute(event.EVENTS.select().order_by(event.EVENTS.c.seq))]

    world.send("cancel")
    world.send("hold", reason="court order 7")
    removal = history.Removal(world.context)
    world.advance(days=90)
    removal.run()
    assert first in kept()
    world.advance(seconds=1)
    while removal.run():
        pass
    assert first not in kept()


def test_entries_older_than_90_days_leave_the_stream_and_younger_ones_stay(world, monkeypatch):
    for _ in range(300):
        world.context.redis.xadd(EVENTS, {"event": "{}"})
    seconds, _ = world.context.redis.time()

    def left_after(length):
        monkeypatch.setattr(world.context.redis, "time", lambda: (seconds + int(length.total_seconds()), 0))
        relay.trim(world.context, timedelta(days=90))
        return world.context.redis.xlen(EVENTS)

    assert left_after(timedelta(days=90, seconds=-60)) == 300
    assert left_after(timedelta(days=90, seconds=60)) < 100, "whole blocks of the stream go at once"


def test_a_publisher_that_died_makes_room_for_the_next(world, monkeypatch):
    world.start_trial()
    world.context.redis.set(RELAY_LOCK, "a dead one", px=30)
    world.say("export")
    while world.context.redis.exists(RELAY_LOCK):
        pass
    world.sweep()

    assert world.unsent() == 0


def test_a_database_that_is_locked_after_the_commit_fails_no_command(world, monkeypatch):
    world.start_trial()
    real = event.mark_sent

    def locked(_tx, _seqs):
        raise OperationalError("update", {}, Exception("database is locked"))

    monkeypatch.setattr(event, "mark_sent", locked)
    assert world.say("export")["outcome"] == "applied"
    monkeypatch.setattr(event, "mark_sent", real)
    world.sweep()
    assert world.unsent() == 0
