import json
import threading
import time

import dramatiq
import pytest
import redis
from dramatiq.brokers import redis as stock
from dramatiq.errors import ConnectionClosed

from workers.queue import clients
from workers.queue import consumer as consumers
from workers.queue.broker import FETCHED_BYTES, limits, make_broker, mended_dispatch
from workers.queue.message import LONGEST

QUEUE = "lifecycle"


def lengths(broker):
    """How many messages wait, are stored, and are dead."""
    client = broker.client
    return (
        client.llen("dramatiq:lifecycle"),
        client.hlen("dramatiq:lifecycle.msgs"),
        client.zcard("dramatiq:lifecycle.XQ"),
    )


def calls(client):
    """How many commands Redis has been asked so far."""
    return client.info("stats")["total_commands_processed"]


def first(consumer, tries=5):
    return next((message for _ in range(tries) if (message := next(consumer)) is not None), None)


@pytest.fixture
def working():
    """Run a real Dramatiq worker on a broker, with threads in this process."""
    started = []

    def start(broker):
        worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=4)
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.stop()


POISON = {
    "not JSON": "{",
    "not UTF-8": b"\xff\xfe",
    "not an object": "[]",
    "nothing": "",
    "too deep": "[" * 100_000,
    "a number of a million digits": "1" * 1_000_000,
    "options null": {"options": None},
    "no options.redis_message_id": {"options": {}},
    "another's redis_message_id": {"options": {"redis_message_id": "someone else's"}},
    "a redis_message_id that is a list": {"options": {"redis_message_id": []}},
    "an extra field": {"surprise": 1},
    "args that are a string": {"args": "abc"},
    "args that do not fit": {"args": []},
    "too many args": {"args": [1, 2, 3]},
    "kwargs that do not fit": {"kwargs": {"nonsense": 1}},
    "kwargs that are a list": {"kwargs": []},
    "an unknown actor": {"actor_name": "rm"},
    "an actor that is a list": {"actor_name": []},
    "another queue": {"queue_name": "effects"},
    "a queue that is an object": {"queue_name": {}},
    "a message_id that is a list": {"message_id": []},
    "a delay in the wrong queue": {"options": {"redis_message_id": "given later", "eta": 1}},
    "retries that are a word": {"options": {"redis_message_id": "given later", "retries": "x"}},
}


@pytest.mark.parametrize("shape", POISON)
def test_poison_is_put_aside_and_its_neighbours_are_delivered(broker, tools, shape):
    told = []
    broker.on_dead_letters = lambda queue, letters: told.extend((queue, *letter) for letter in letters)
    poison = POISON[shape]
    tools.push(broker.client, QUEUE, tools.body(args=["before"]))
    bad = tools.push(broker.client, QUEUE, tools.body(**poison) if isinstance(poison, dict) else poison)
    tools.push(broker.client, QUEUE, tools.body(args=["after"]))
    consumer = broker.consume(QUEUE, prefetch=10, timeout=0)
    assert [first(consumer).args, first(consumer).args, first(consumer)] == [("before",), ("after",), None]
    assert broker.client.zrange("dramatiq:lifecycle.XQ", 0, -1) == [bad.encode()]
    assert [(queue, redis_id) for queue, redis_id, _, _ in told] == [(QUEUE, bad)]
    assert len(told[0][2]) <= LONGEST + 1


def test_a_huge_message_is_removed_unread_and_its_neighbours_are_delivered(broker, tools):
    told = []
    broker.on_dead_letters = lambda queue, letters: told.extend((queue, *letter) for letter in letters)
    tools.push(broker.client, QUEUE, tools.body(args=["before"]))
    bad = tools.push(broker.client, QUEUE, "x" * (LONGEST + 1))
    tools.push(broker.client, QUEUE, "x" * LONGEST)
    tools.push(broker.client, QUEUE, tools.body(args=["after"]))
    consumer = broker.consume(QUEUE, prefetch=10, timeout=0)
    assert [first(consumer).args, first(consumer).args, first(consumer)] == [("before",), ("after",), None]
    assert told[0] == (QUEUE, bad, b"", f"is longer than {LONGEST} bytes (it has {LONGEST + 1}): removed unread")
    assert len(told[1][2]) == LONGEST
    assert not broker.client.hexists("dramatiq:lifecycle.msgs", bad)
    assert broker.client.zcard("dramatiq:lifecycle.XQ") == 1


def test_poison_does_not_stop_a_real_worker(broker, tools, working):
    for poison in POISON.values():
        tools.push(broker.client, QUEUE, tools.body(**poison) if isinstance(poison, dict) else poison)
        tools.push(broker.client, QUEUE, tools.body(args=["good"]))
    working(broker)
    tools.until(lambda: broker.ran == ["good"] * len(POISON))
    tools.until(lambda: lengths(broker) == (0, 0, len(POISON)))


def test_a_message_cannot_steer_the_worker_by_its_options(broker, tools):
    options = {"redis_message_id": "given later", "throws": "x", "max_retries": 0, "pipe_target": {}, "retries": 2}
    tools.push(broker.client, QUEUE, tools.body(options=options))
    message = first(broker.consume(QUEUE, prefetch=1, timeout=0))
    assert set(message.options) == {"redis_message_id", "retries"}


def test_whoever_is_told_of_poison_may_fail_without_stopping_the_queue(broker, tools):
    broker.on_dead_letters = lambda *_: 1 / 0
    tools.push(broker.client, QUEUE, "{")
    tools.push(broker.client, QUEUE, tools.body(args=["good"]))
    assert first(broker.consume(QUEUE, prefetch=10, timeout=0)).args == ("good",)


def test_an_id_without_a_body_is_forgotten(broker):
    broker.client.rpush("dramatiq:lifecycle", "nobody")
    assert first(broker.consume(QUEUE, prefetch=10, timeout=0)) is None
    assert not broker.fetched_ids(QUEUE)


def test_a_message_that_is_pushed_twice_runs_once_at_a_time(broker, tools):
    redis_id = tools.push(broker.client, QUEUE, tools.body())
    broker.client.rpush("dramatiq:lifecycle", redis_id)
    consumer = broker.consume(QUEUE, prefetch=10, timeout=0)
    assert first(consumer) is not None
    assert first(consumer) is None


def test_a_retry_that_cannot_be_enqueued_does_not_lose_the_message(broker, tools, working, monkeypatch):
    enqueue, failures = broker.enqueue, iter([redis.ConnectionError("gone"), redis.TimeoutError("slow")])

    def fail_twice(message, **more):
        for failure in failures:
            raise failure
        return enqueue(message, **more)

    def fail_three_times(name):
        broker.ran.append(name)
        if len(broker.ran) <= 3:
            raise ArithmeticError(name)

    dramatiq.actor(fail_three_times, actor_name="shaky", queue_name=QUEUE, broker=broker, min_backoff=1)
    monkeypatch.setattr(broker, "enqueue", fail_twice)
    tools.push(broker.client, QUEUE, tools.body(actor="shaky"))
    working(broker)
    tools.until(lambda: len(broker.ran) == 4)
    tools.until(lambda: lengths(broker) == (0, 0, 0))


def test_a_message_that_failed_for_good_is_kept_and_told(broker, tools, working):
    told = []
    broker.on_dead_letters = lambda queue, letters: told.extend((queue, *letter) for letter in letters)
    dramatiq.actor(lambda name: name / 2, actor_name="broken", queue_name=QUEUE, broker=broker, max_retries=0)
    redis_id = tools.push(broker.client, QUEUE, tools.body(actor="broken"))
    working(broker)
    queue, told_id, raw, reason = tools.until(lambda: told)[0]
    assert (queue, told_id) == (QUEUE, redis_id)
    assert json.loads(raw)["args"] == ["x"]
    assert reason.startswith("failed for good: TypeError")
    tools.until(lambda: lengths(broker) == (0, 0, 1))


def test_what_a_dead_process_held_is_offered_again(brokers, tools):
    dead, alive = brokers(), brokers()
    tools.push(dead.client, QUEUE, tools.body())
    assert first(dead.consume(QUEUE, prefetch=10, timeout=0)) is not None
    alive.heartbeat_timeout = 100
    consumer = alive.consume(QUEUE, prefetch=10, timeout=0)

    def look():
        consumer.keep_up_at = 0
        return next(consumer)

    assert tools.until(look).args == ("x",)


def test_a_host_whose_clock_is_ahead_does_not_take_the_living_for_dead(brokers, tools, monkeypatch):
    living, ahead = brokers(), brokers()
    tools.push(living.client, QUEUE, tools.body())
    assert first(living.consume(QUEUE, prefetch=10, timeout=0)) is not None
    monkeypatch.setattr(stock, "current_millis", lambda: int(time.time() * 1000) + 400 * 86_400_000)
    assert first(ahead.consume(QUEUE, prefetch=10, timeout=0)) is None


def test_a_dispatch_script_that_is_not_the_known_one_is_refused():
    with pytest.raises(RuntimeError, match="not the one we know"):
        mended_dispatch(b"return 1")


def test_a_fetch_stops_at_so_many_bytes_and_the_next_one_goes_on(broker):
    large, count = "x" * (1 << 20), 40
    for number in range(count):
        broker.client.hset("dramatiq:lifecycle.msgs", f"r{number}", large)
        broker.client.rpush("dramatiq:lifecycle", f"r{number}")
    sizes, ids = [], []
    while found := broker.fetch(QUEUE, 1000, longest=LONGEST + 1):
        sizes.append(sum(len(raw) for _, raw in found))
        ids += [redis_id.decode() for redis_id, _ in found]
    assert ids == [f"r{number}" for number in range(count)]
    assert len(sizes) == count * len(large) // FETCHED_BYTES + 1
    assert max(sizes) < FETCHED_BYTES + LONGEST


def test_a_fetch_whose_reply_was_lost_strands_nothing(broker, tools):
    tools.push(broker.client, QUEUE, tools.body())
    assert broker.fetch(QUEUE, 10, longest=1000)
    assert first(broker.consume(QUEUE, prefetch=10, timeout=0)).args == ("x",)


def test_a_delayed_message_survives_the_consumer_that_held_it(broker, tools):
    delayed = tools.body(queue="lifecycle.DQ", options={"redis_message_id": "given later", "eta": 1})
    tools.push(broker.client, "lifecycle.DQ", delayed)
    assert first(broker.consume("lifecycle.DQ", prefetch=10, timeout=0)) is not None
    assert first(broker.consume("lifecycle.DQ", prefetch=10, timeout=0)) is not None


def test_what_a_stopping_consumer_has_not_handed_out_goes_back(broker, tools):
    for _ in range(3):
        tools.push(broker.client, QUEUE, tools.body())
    consumer = broker.consume(QUEUE, prefetch=10, timeout=0)
    assert first(consumer) is not None
    consumer.close()
    assert lengths(broker) == (2, 3, 0)


def test_an_acknowledgement_that_redis_did_not_get_is_asked_for_again(broker, tools, monkeypatch):
    tools.push(broker.client, QUEUE, tools.body())
    consumer = broker.consume(QUEUE, prefetch=10, timeout=0)
    message = first(consumer)
    with monkeypatch.context() as patch:
        patch.setattr(broker, "do_ack", lambda *_: (_ for _ in ()).throw(redis.TimeoutError()), raising=False)
        with pytest.raises(ConnectionClosed):
            consumer.ack(message)
    consumer.keep_up_at = 0
    assert next(consumer) is None
    consumer.ack(message)
    assert lengths(broker) == (0, 0, 0)


def test_no_command_is_ever_sent_twice_by_the_client(shared_redis):
    with clients.for_queues(shared_redis) as client:
        assert client.get_retry().get_retries() == 0


def test_only_the_middleware_that_is_needed_is_there(broker):
    assert [type(one).__name__ for one in broker.middleware] == ["PatientRetries"]


@pytest.mark.parametrize("threads", range(4, 65))
def test_slow_queues_always_leave_a_thread_for_commands(threads):
    assert sum(limits(threads).values()) < threads


def test_a_slow_queue_holds_only_its_share(shared_redis, brokers, tools):
    brokers()
    broker = make_broker(shared_redis, threads=8)
    dramatiq.actor(print, actor_name="back_up", queue_name="data", broker=broker)
    for _ in range(5):
        tools.push(broker.client, "data", tools.body(queue="data", actor="back_up"))
    consumer = broker.consume("data", prefetch=16, timeout=0)
    assert [first(consumer) is not None for _ in range(3)] == [True, True, False]
    broker.close()


def test_an_idle_consumer_wakes_at_the_bell_and_leaves_the_list_as_it_was(broker, tools):
    consumer = broker.consume(QUEUE, prefetch=1, timeout=10_000)
    assert next(consumer) is None  # the fetch that finds nothing
    timer = threading.Timer(0.05, tools.push, (broker.client, QUEUE, tools.body()))
    began = time.monotonic()
    timer.start()
    message = first(consumer)
    timer.join()
    assert message.args == ("x",)
    assert time.monotonic() - began < 0.5


def test_idle_consumers_on_one_list_sleep_and_one_of_them_gets_the_message(brokers, tools):
    listening = [brokers().consume(QUEUE, prefetch=5, timeout=400) for _ in range(4)]
    got, client = [], brokers().client

    def listen(consumer):
        deadline = time.monotonic() + 1.2
        while time.monotonic() < deadline:
            if (message := next(consumer)) is not None:
                got.append(message)

    threads = [threading.Thread(target=listen, args=(consumer,)) for consumer in listening]
    before = calls(client)
    for thread in threads:
        thread.start()
    tools.push(client, QUEUE, tools.body())
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert calls(client) - before < 200


def test_a_consumer_that_holds_all_it_may_sleeps_until_one_is_done(broker, tools):
    tools.push(broker.client, QUEUE, tools.body(args=["one"]))
    tools.push(broker.client, QUEUE, tools.body(args=["two"]))
    consumer = broker.consume(QUEUE, prefetch=1, timeout=500)
    held = first(consumer)
    began, before = time.monotonic(), calls(broker.client)
    assert next(consumer) is None
    assert time.monotonic() - began > 0.4
    assert calls(broker.client) - before <= 1
    timer = threading.Timer(0.05, consumer.ack, (held,))
    timer.start()
    assert first(consumer).args == ("two",)
    timer.join()
    assert time.monotonic() - began < 0.8


def test_a_consumer_without_a_timeout_never_waits(broker):
    consumer = broker.consume(QUEUE, prefetch=1, timeout=0)
    began = time.monotonic()
    assert [next(consumer) for _ in range(20)] == [None] * 20
    assert time.monotonic() - began < consumers.BLOCK_SECONDS / 2


def test_an_idle_process_keeps_beating(broker, monkeypatch):
    monkeypatch.setattr(consumers, "KEEP_UP_SECONDS", 0.0)
    consumer = broker.consume(QUEUE, prefetch=1, timeout=10)
    next(consumer)
    before = broker.client.zscore("dramatiq:__heartbeats__", broker.broker_id)
    next(consumer)
    next(consumer)
    assert broker.client.zscore("dramatiq:__heartbeats__", broker.broker_id) > before


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, 2**63, 2**64, 2**64 + 1, -(2**63) - 1, 10**300 + 1])
def test_a_number_is_read_as_it_was_written(broker, tools, number):
    tools.push(broker.client, QUEUE, tools.body(args=(number,)))
    assert first(broker.consume(QUEUE, prefetch=10, timeout=0)).args == (number,)
