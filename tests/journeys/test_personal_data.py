"""After a deletion nothing of the engine holds the customer's e-mail address: raw bytes of everything are read."""

import json
from pathlib import Path

import pytest

from engine.words import addresses_in, masked
from models import dead, personal_data
from models.database import reading, writing
from tests.live_engine import until
from workers.queue import redis_keys
from workers.queue.broker import make_broker
from workers.safety import erasure

FIRST = "canary-7f3a@birds.example"
SECOND = "canary-91bc@birds.example"
WORDS = (b"canary-7f3a", b"canary-91bc")


def everything(*folders):
    """Every file under these folders but the customers' own mailboxes."""
    return [
        path for folder in folders for path in Path(folder).rglob("*") if path.is_file() and "outbox" not in path.parts
    ]


def holding(*folders):
    """The files whose bytes hold an address, escaped or not, in whatever case."""
    return [str(path) for path in everything(*folders) if any(word in path.read_bytes().lower() for word in WORDS)]


def live(world):
    """A whole life in which the addresses are said in every way that the engine is asked."""
    world.say("start_trial", account=FIRST, email=f"<{FIRST}>")
    world.say("start_trial", account=FIRST, email=FIRST, extra_field=SECOND)
    world.say("start_trial", FIRST, account="a", email=FIRST)
    world.say("start_trial", account=FIRST, email=FIRST, key=f"signup {FIRST}")
    world.rest()
    world.say("start_trial", account="b", email=FIRST)
    world.say("update_contact", email=[SECOND])
    world.say("update_contact", email=FIRST, **{SECOND: 1})
    world.say("update_contact", email=SECOND, key=f"signup {FIRST}")
    world.send("update_contact", email=SECOND)
    world.send("suspend", reason=f"{SECOND} asked for it:\n{FIRST}")
    world.send("resume")
    world.send("subscribe", agents=5, payment_method="pm_visa")
    world.hand_over({"specversion": "1.0", "type": "site.start_trial", "subject": "x", "data": {"email": SECOND}})
    world.say("show")
    world.advance(days=31)
    world.send("hold", reason=FIRST)
    world.send("release")
    world.send("cancel", reason=f"write to {FIRST}")


def test_no_byte_of_table_log_queue_stream_or_file_holds_an_address_when_deleted_is_said(
    world, log_lines, valkey_folder
):
    live(world)
    folders = (world.data_dir, valkey_folder, log_lines.parent)
    assert holding(world.data_dir)

    world.advance(days=14)

    assert world.state() == "deleted"
    assert world.mails()[-1]["to"] == SECOND
    assert until(lambda: not holding(*folders) or None) is True, holding(*folders)
    assert WORDS[0] not in log_lines.read_bytes()
    assert not [event for event in world.events() if any(word.decode() in json.dumps(event) for word in WORDS)]


def test_the_address_is_gone_before_the_deletion_is_settled(world, monkeypatch, valkey_folder):
    live(world)
    world.advance(days=14, seconds=-1)
    seen = []
    monkeypatch.setattr("workers.effects.delete._close_the_ledger", lambda *_: seen.append(holding(world.data_dir)))
    world.advance(seconds=1)
    assert seen == [[]]


def test_another_site_of_the_same_customer_keeps_its_address(world):
    world.send("start_trial", account="a", email=FIRST)
    world.send("start_trial", "two.example.com", account="a", email=FIRST)
    world.send("cancel")
    world.advance(days=14)
    assert world.state() == "deleted"
    world.send("export", "two.example.com")
    assert world.mails()[-1]["to"] == FIRST
    with reading(world.context.database) as tx:
        assert personal_data.addresses(tx, world.show("two.example.com")["id"]) == {FIRST}


def test_what_is_masked_stays_readable_json_and_a_key_stays_a_key(world):
    live(world)
    before = world.history()
    world.advance(days=14)
    after = world.history()
    assert [move["type"] for move in after[: len(before)]] == [move["type"] for move in before]
    assert all("@" not in json.dumps(move) for move in after)
    assert any(move["id"].startswith("forgotten:") for move in after)


def test_a_dead_letter_in_redis_that_names_the_customer_goes(world):
    world.send("start_trial", account="a", email=FIRST)
    broker = make_broker(world.context.settings.redis_url)
    key = "dramatiq:lifecycle.XQ"
    world.context.redis.zadd(key, {"m1": 1, "m2": 2})
    world.context.redis.hset(f"{key}.msgs", mapping={"m1": f'{{"a":"{FIRST.upper()}"}}', "m2": "another"})
    world.send("cancel")
    world.advance(days=14)
    assert world.context.redis.hkeys(f"{key}.msgs") == [b"m2"]
    assert world.context.redis.zrange(key, 0, -1) == [b"m2"]
    broker.close()


def test_of_the_stream_only_the_entries_that_hold_an_address_are_read(world, monkeypatch):
    world.send("start_trial", account="a", email=FIRST, key=f"signup {FIRST}")
    world.send("start_trial", account="b", email=FIRST, key=f"signup {SECOND}")
    world.send("export")
    site_id = world.show()["id"]
    noted = world.context.redis.smembers(redis_keys.named(site_id))
    holding_it = {entry for entry, fields in world.context.redis.xrange("tenure:events") if b"@" in fields[b"event"]}
    assert noted
    assert noted <= holding_it < {entry for entry, _ in world.context.redis.xrange("tenure:events")}
    read = []
    monkeypatch.setattr(erasure, "_entries", lambda _place, _stream, start, *_end: read.append(start) or [])
    erasure.forget_others(world.context, site_id)
    assert set(read) >= noted
    assert set(read) <= holding_it


def test_a_message_that_is_still_queued_is_waited_for(world):
    world.send("start_trial", account="a", email=FIRST)
    world.send("cancel")
    world.context.redis.hset("dramatiq:lifecycle.msgs", mapping={"m1": FIRST, "m2": FIRST})
    world.context.redis.rpush("dramatiq:lifecycle", "m1")
    world.context.redis.zadd("dramatiq:__heartbeats__", {"worker": 1})
    world.context.redis.sadd("dramatiq:__acks__.worker.lifecycle", "m2")
    world.advance(days=14)
    assert world.state() == "deleting"
    world.context.redis.lpop("dramatiq:lifecycle")
    world.context.redis.hdel("dramatiq:lifecycle.msgs", "m1")
    world.retry_now()
    assert world.state() == "deleting"
    world.context.redis.hdel("dramatiq:lifecycle.msgs", "m2")
    world.retry_now()
    assert world.state() == "deleted"


def test_a_body_that_no_list_names_and_no_worker_holds_goes_with_the_customer(world):
    world.send("start_trial", account="a", email=FIRST)
    world.send("cancel")
    world.context.redis.hset("dramatiq:lifecycle.msgs", mapping={"m1": FIRST, "m2": "another"})
    world.advance(days=14)
    assert world.state() == "deleted"
    assert world.context.redis.hkeys("dramatiq:lifecycle.msgs") == [b"m2"]


def test_a_customer_of_six_hundred_addresses_is_forgotten_as_well(world):
    world.start_trial()
    for number in range(600):
        world.say("update_contact", email=f"canary-7f3a{number}@birds.example")
    world.wakeups.waiting.clear()
    site_id = world.show()["id"]
    with reading(world.context.database) as tx:
        known = personal_data.addresses(tx, site_id)
    assert len(known) == 601
    told = {"id": "told", "queue": "lifecycle", "reason": "unreadable", "body": max(known), "at": world.now}
    with writing(world.context.database) as tx:
        tx.execute(dead.DEAD.insert().values(told))
        personal_data.forget(tx, site_id, known)
        personal_data.forget_address(tx, site_id)
    with reading(world.context.database) as tx:
        assert personal_data.addresses(tx, site_id) == set()
        assert [row.body for row in dead.messages(tx)] == ["***"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a@b.example", "***"),
        ("say 'x@y.z' now", "say *** now"),
        ("<x@y>", "<***>"),
        ("no address", "no address"),
        ("@", "***"),
    ],
)
def test_an_address_in_a_text_is_masked_with_what_clings_to_it(text, left):
    assert masked(text) == left


def test_addresses_are_found_without_what_clings_to_them():
    assert addresses_in("{'a': 'x@y.z'}, <p@q>; @ r@") == {"x@y.z", "p@q"}


def test_who_forgets_waits_a_while_for_who_carries_the_log_over(world, monkeypatch):
    world.start_trial()
    busy, carry_over = [False, False], personal_data.checkpoint
    monkeypatch.setattr(personal_data, "LOOK_SECONDS", 0)
    monkeypatch.setattr(personal_data, "checkpoint", lambda *given: busy.pop() if busy else carry_over(*given))
    assert personal_data.erase(world.context.database)
    assert busy == []

    monkeypatch.setattr(personal_data, "PATIENCE_SECONDS", 0)
    busy[:] = [False]
    assert not personal_data.erase(world.context.database)
