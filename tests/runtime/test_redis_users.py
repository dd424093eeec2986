"""A producer's user of Redis: what it may do, and a table of what it may not, tried on a real server."""

import json

import pytest
import redis
from redis.exceptions import NoPermissionError

from tests.producers import signed
from workers.producers import redis_users
from workers.producers.entry import Producer, types_of
from workers.supervisor import embedded_valkey

PASSWORD = "geheim"
DIGEST = "addb0f5e7826c857d7376d1bd9bc33c0c544790a2eac96144a8af22b1298c940"
BILLING = Producer("billing", ("/billing",), types_of(["*"]), replyto="billing:*", redis_sha256=(DIGEST,))
WATCHER = Producer("watcher", ("/w",), types_of(["*"]), replyto="w:*", may_read_events=True, redis_sha256=(DIGEST,))
QUEUE, BODIES, OWN, EVENTS = "dramatiq:lifecycle", "dramatiq:lifecycle.msgs", "tenure:reply:billing:1", "tenure:events"

REFUSED = """
GET x | SET x 1 | DEL dramatiq:lifecycle | DEL dramatiq:lifecycle.msgs | DEL tenure:events
UNLINK tenure:reply:billing:1 | DEL tenure:reply:w:1 | DEL tenure:reply:billing | EXPIRE tenure:reply:billing:1 1
PERSIST tenure:events | RENAME x y | LRANGE dramatiq:lifecycle 0 -1 | LPOP dramatiq:lifecycle
RPOP dramatiq:lifecycle | LLEN dramatiq:lifecycle | LPUSH dramatiq:lifecycle x | LREM dramatiq:lifecycle 0 x
LTRIM dramatiq:lifecycle 1 0 | LSET dramatiq:lifecycle 0 x | HGETALL dramatiq:lifecycle.msgs
HGET dramatiq:lifecycle.msgs x | HKEYS dramatiq:lifecycle.msgs | HDEL dramatiq:lifecycle.msgs x
HLEN dramatiq:lifecycle.msgs | HSET dramatiq:lifecycle x y | HSET x y z | RPUSH dramatiq:lifecycle.msgs x
RPUSH dramatiq:effects x | HSET dramatiq:effects.msgs x y | RPUSH dramatiq:lifecycle.DQ x
RPUSH dramatiq:deletions x | HSET dramatiq:lifecycle.XQ.msgs x y | ZADD dramatiq:__heartbeats__ 1 x | RPUSH x y
XREAD STREAMS tenure:events 0 | XRANGE tenure:events - + | XADD tenure:events * event x | XLEN tenure:events
XTRIM tenure:events MAXLEN 0 | XREAD STREAMS tenure:reply:w:1 0 | XREAD STREAMS tenure:reply:billing 0
XREAD STREAMS tenure:reply:billing:1 tenure:events 0 0 | XADD tenure:reply:billing:1 * event x
XRANGE tenure:reply:billing:1 - + | XGROUP CREATE tenure:reply:billing:1 g 0 | SET tenure:witness 1
GET tenure:witness | DEL tenure:witness | SET tenure:publisher x | LPUSH tenure:bell 1 | DEL tenure:rate:x
SET tenure:rate:x 1 | LPUSH tenure:unknown-keys x | HSET tenure:rejected x 1 | KEYS * | SCAN 0 | RANDOMKEY | DBSIZE
TYPE dramatiq:lifecycle | EXISTS dramatiq:lifecycle | DUMP dramatiq:lifecycle | TOUCH x | FLUSHALL | FLUSHDB
SWAPDB 0 1 | MOVE x 1 | COPY x y | EVAL return 0 | SCRIPT FLUSH | FUNCTION LIST | EVALSHA x 0 | CONFIG GET *
CONFIG SET maxmemory 1 | ACL LIST | ACL WHOAMI | ACL SETUSER billing allcommands | ACL SAVE | INFO | MONITOR
CLIENT LIST | CLIENT KILL ID 1 | CLIENT PAUSE 1 | SHUTDOWN NOSAVE | SAVE | BGREWRITEAOF | REPLICAOF NO ONE
SLOWLOG GET | LATENCY RESET | MEMORY USAGE dramatiq:lifecycle | PUBLISH x y | SUBSCRIBE x | WAIT 0 1 | OBJECT FREQ x
SORT x
"""
TRIED = [words.strip() for line in REFUSED.strip().splitlines() for words in line.split("|")]


@pytest.fixture
def users(own):
    redis_users.keep(own, [BILLING, WATCHER])
    own.xadd(OWN, {"event": "answer"})
    own.xadd(EVENTS, {"event": "one"})
    return own


@pytest.fixture
def log_in(users):
    made = []

    def log_in(name, password=PASSWORD):
        place = users.url.rpartition("@")[2]
        made.append(redis.Redis.from_url(f"redis://{name}:{password}@{place}"))
        return made[-1]

    yield log_in
    for client in made:
        client.close()


def enqueue(client):
    args = signed({"specversion": "1.0", "id": "1"})
    with client.pipeline(transaction=True) as together:
        together.hset(BODIES, "a", json.dumps({"args": args}))
        together.rpush(QUEUE, "a")
        return together.execute()


def test_it_may_enqueue_read_its_own_answers_and_remove_them(log_in):
    billing = log_in("billing")
    assert enqueue(billing) == [1, 1]
    ((_, ((_, fields),)),) = billing.xread({OWN: "0"}, block=10)
    assert fields == {b"event": b"answer"}
    assert billing.delete(OWN) == 1
    assert billing.ping()


@pytest.mark.parametrize("words", TRIED)
def test_it_may_do_nothing_else(log_in, users, words):
    client = log_in("billing")
    with pytest.raises(NoPermissionError):
        client.execute_command(*words.split())
    assert users.xlen(EVENTS) == 1


def test_the_table_has_more_than_sixty_of_them():
    assert len(TRIED) > 90
    assert len(set(TRIED)) == len(TRIED)


def test_in_a_transaction_it_may_not_either(log_in):
    with log_in("billing").pipeline(transaction=True) as together:
        together.rpush(QUEUE, "a").lrange(QUEUE, 0, -1)
        with pytest.raises(redis.ResponseError):
            together.execute()


def test_the_events_are_for_those_who_may_see_all_sites(log_in):
    assert log_in("watcher").xread({EVENTS: "0"})
    with pytest.raises(NoPermissionError):
        log_in("watcher").delete(EVENTS)


def test_another_password_is_none_and_a_producer_that_is_gone_gets_in_no_more(log_in, users):
    with pytest.raises(redis.AuthenticationError):
        log_in("billing", "other").ping()
    redis_users.keep(users, [WATCHER])
    with pytest.raises(redis.AuthenticationError):
        log_in("billing").ping()
    assert log_in("watcher").ping()
    assert users.ping()


def test_the_users_are_there_again_when_the_server_starts_again(server, tmp_path):
    folder = tmp_path / "data"
    url, process = server(folder)
    with redis.Redis.from_url(url) as client:
        embedded_valkey.save_users(folder, redis_users.keep(client, [BILLING]))
    process.terminate()
    process.wait()
    again, _ = server(folder)
    assert again == url
    with redis.Redis.from_url(bare(again), username="billing", password=PASSWORD) as client:
        assert client.ping()
    with redis.Redis.from_url(again) as client:
        assert sorted(client.acl_users()) == ["billing", "default"]
    assert (folder / "valkey" / "users.acl").stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in (folder / "valkey" / "users.acl").read_text()


def test_nobody_gets_in_without_the_engines_password(own):
    with redis.Redis.from_url(bare(own.url)) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def bare(url):
    return f"redis://{url.rpartition('@')[2]}"
