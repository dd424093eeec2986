"""The one builder of messages, and the locks in Redis, on a real Valkey."""

import json
from datetime import UTC, datetime

import dramatiq
import pytest

from workers.queue import clients, new_message, redis_keys
from workers.queue.message import read
from workers.queue.scripts import KEEP_LOCK, RELEASE_LOCK

AT = datetime(2026, 3, 10, 9, 30, 0, 250_000, tzinfo=UTC)
QUEUE = "lifecycle"
AWKWARD = ["plain", {"number": 1 << 70}, {"text": "half of a pair: \udc80"}, {"a": [None, 1.5]}]


def first(consumer):
    return next(message for _ in range(5) if (message := next(consumer)) is not None)


@pytest.mark.parametrize("argument", AWKWARD, ids=repr)
def test_a_message_is_delivered_with_what_was_given(broker, argument):
    new_message.enqueue(broker.client, QUEUE, new_message.build(QUEUE, "command", [argument], AT))
    assert first(broker.consume(QUEUE, prefetch=1, timeout=0)).args == (argument,)


def test_its_id_in_redis_is_its_own_id_and_its_moment_the_one_given():
    message = new_message.build(QUEUE, "command", [], AT)
    body = json.loads(message.body)
    assert (body["message_id"], body["options"]) == (message.redis_id, {"redis_message_id": message.redis_id})
    assert body["message_timestamp"] == 1_773_135_000_250


def test_two_messages_have_two_ids():
    assert new_message.build(QUEUE, "command", [], AT).redis_id != new_message.build(QUEUE, "command", [], AT).redis_id


def test_a_renewed_message_has_no_tries_and_no_delay_and_runs(broker):
    options = {"redis_message_id": "old", "retries": 7, "eta": 1, "traceback": "…"}
    old = {**new_message.fields("lifecycle.DQ", "command", ["x"]), "options": options, "message_id": "m"}
    renewed = new_message.renew(json.dumps(old), QUEUE)
    fields = read(renewed.body.encode(), renewed.redis_id.encode(), QUEUE, broker.actors)
    assert (fields["args"], fields["options"]) == (("x",), {"redis_message_id": renewed.redis_id})
    assert fields["message_id"] == "m"


@pytest.mark.parametrize("body", ["{", "[]", "1", "", "[" * 100_000])
def test_a_body_that_is_no_message_is_renewed_as_it_is(body):
    assert new_message.renew(body, QUEUE).body == body


def test_a_worker_builds_the_same_message_for_an_effect(broker):
    ran = []
    dramatiq.actor(ran.append, actor_name="effects", queue_name="effects", broker=broker)
    broker.announce("effects", ["an effect's id"])
    message = first(broker.consume("effects", prefetch=1, timeout=0))
    assert (message.actor_name, message.args) == ("effects", ("an effect's id",))


def test_only_its_holder_releases_a_lock(own):
    own.set("lock", "mine")
    assert own.eval(RELEASE_LOCK, 1, "lock", "another's") == 0
    assert own.get("lock") == b"mine"
    assert own.eval(RELEASE_LOCK, 1, "lock", "mine") == 1
    assert own.eval(RELEASE_LOCK, 1, "lock", "mine") == 0


def test_a_lock_is_extended_by_its_holder_and_acquired_again_once_it_expired(own):
    assert own.eval(KEEP_LOCK, 1, "lock", "mine", 15) == 1
    assert 10 < own.ttl("lock") <= 15
    assert own.eval(KEEP_LOCK, 1, "lock", "another's", 60) == 0
    assert own.get("lock") == b"mine"
    assert own.eval(KEEP_LOCK, 1, "lock", "mine", 60) == 1
    assert own.ttl("lock") > 15
    own.delete("lock")
    assert own.eval(KEEP_LOCK, 1, "lock", "another's", 60) == 1


CLIENTS = {
    "queues": (clients.for_queues, 10),
    "events": (clients.for_events, 10),
    "quotas": (clients.for_quotas, 1),
    "checks": (clients.for_checks, 5),
    "startup": (clients.for_startup, 1),
}


@pytest.mark.parametrize("use", CLIENTS)
def test_every_client_sends_a_command_once_and_waits_as_long_as_its_use_can(shared_redis, use):
    make, seconds = CLIENTS[use]
    with make(shared_redis) as client:
        assert client.get_retry().get_retries() == 0
        assert client.get_connection_kwargs()["socket_timeout"] == seconds
        assert client.get_connection_kwargs()["socket_connect_timeout"] == seconds
        client.set(redis_keys.reply("x"), "y" * 100_000)
        assert client.getdel(redis_keys.reply("x")) == b"y" * 100_000
