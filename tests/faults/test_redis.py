"""Redis loses replies, is full, is emptied: every command that was asked is done once, and nobody has to help."""

import json
from collections import Counter
from threading import Thread

import dramatiq
import pytest
import redis

from tests.chaos.proxy import Proxy
from tests.live_engine import until
from workers.cli import sending
from workers.cli.exit_codes import WaitOverError
from workers.queue.broker import make_broker

HOSTS = [f"site{number}.example.com" for number in range(8)]
TRIAL = ("account=acme", "email=owner@acme.example")


@pytest.fixture
def wire(redis_url):
    """A wire to the shared Valkey that can lose what it answers."""
    return Proxy(redis_url)


def ask_for_trials(live, hosts=HOSTS):
    for host in hosts:
        live.say("start_trial", *TRIAL, host=host, key=f"{host}:start")


def states(live, hosts=HOSTS):
    return [site["state"] for site in live.json("site", "list")["sites"] if site["site"] in hosts]


def each_was_done_once(live, hosts=HOSTS):
    """Each site was built once, welcomed once, and has one receipt of its beginning."""
    assert len(list((live.data_dir / "sites").glob("site_*"))) == len(hosts)
    assert len(list((live.data_dir / "outbox").glob("*.eml"))) == len(hosts)
    assert all([move["type"] for move in live.history(host)].count("site.start_trial") == 1 for host in hosts)
    done = Counter(line["effect_id"] for line in live.log() if line["msg"] == "done")
    assert set(done.values()) == {1}


def errors_of(live):
    return [str(line.get("error")) for line in live.log()]


def settled(live, hosts=HOSTS):
    return until(lambda: states(live, hosts) == ["trial"] * len(hosts), 60)


def test_replies_that_are_lost_between_workers_and_redis_cost_time_and_nothing_else(live, wire, redis_url):
    live.start(REDIS_URL=wire.url, LEASE_SECONDS="2")
    live.settings["TENURE_REDIS_URL"] = redis_url
    with redis.Redis.from_url(redis_url) as client:
        for part in (HOSTS[:4], HOSTS[4:]):
            ask_for_trials(live, part)
            wire.lose_replies(0.7)
        settled(live)
        live.advance("0s")
        answers = [json.loads(fields[b"event"]) for _, fields in client.xrange("tenure:events")]

    each_was_done_once(live)
    told = {answer["causationid"] for answer in answers if answer["type"] == "command.answered"}
    assert {f"{host}:start" for host in HOSTS} <= told
    assert live.json("dead", "list")["dead"] == []
    assert [error for error in errors_of(live) if "tried again" in error or "the sweep will do it" in error]


def test_a_retry_whose_enqueue_got_no_reply_is_made_all_the_same(wire, redis_url):
    tries, broker = [], make_broker(wire.url, threads=4)

    def shaky():
        """The reply to whatever is asked next is lost, and that is the retry's own enqueue."""
        tries.append(None)
        if len(tries) == 1:
            Thread(target=wire.lose_replies, args=(0.3,)).start()
            until(wire.is_deaf.is_set)
        if len(tries) <= 2:
            raise ArithmeticError

    actor = dramatiq.actor(shaky, actor_name="data", queue_name="data", broker=broker, min_backoff=1, max_backoff=50)
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=2)
    worker.start()
    actor.send()
    with redis.Redis.from_url(redis_url) as client:
        bodies = ("dramatiq:data.msgs", "dramatiq:data.DQ.msgs")
        until(lambda: len(tries) >= 3 and not sum(client.hlen(key) for key in bodies))
        assert not client.exists("dramatiq:data.XQ")
    worker.stop()
    broker.close()


def test_a_full_redis_refuses_loudly_and_everything_goes_on_when_there_is_room(live):
    live.start(LEASE_SECONDS="2")
    client = live.context.redis
    ask_for_trials(live)
    client.config_set("maxmemory", client.info("memory")["used_memory"] // 2)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        live.say("cancel", host=HOSTS[0])
    until(lambda: [error for error in errors_of(live) if "maxmemory" in error])
    client.config_set("maxmemory", 0)

    settled(live)
    live.advance("0s")
    each_was_done_once(live)
    assert live.json("dead", "list")["dead"] == []


def test_a_redis_that_is_emptied_under_work_loses_no_effect_and_a_command_is_asked_again(live):
    live.start()
    bodies = [
        sending.envelope("start_trial", host, TRIAL, source="tests", key=f"{host}:start", extra={}) for host in HOSTS
    ]
    for body in bodies:
        sending.enqueue(live.context, body)
    live.context.redis.flushall()
    for body in bodies:
        until_answered(live, body)

    settled(live)
    live.advance("0s")
    each_was_done_once(live)
    told = {json.loads(fields[b"event"])["causationid"] for _, fields in live.context.redis.xrange("tenure:events")}
    assert {body["id"] for body in bodies} <= told


def until_answered(live, body):
    """A producer that hears nothing asks again with the same id."""
    for _ in range(20):
        try:
            return sending.ask(live.context, body, 3)
        except WaitOverError:
            continue
    raise AssertionError(body)
