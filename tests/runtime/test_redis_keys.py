"""One module spells every key of Redis, and what it says of each is so."""

import ast
from pathlib import Path
from typing import Any

import pytest
from dramatiq.common import dq_name, xq_name

from tests.world import HOST, World
from workers.cli import sending
from workers.commands import dead_letters
from workers.health import liveness
from workers.health.redis_bounds import RedisBounds
from workers.outbox import clock_wake_up
from workers.queue import redis_keys
from workers.queue.broker import make_broker
from workers.queue.queue_names import QUEUES
from workers.safety import safe_mode

ROOT = Path(__file__).parents[2]
FILES = [
    path for floor in ("engine", "models", "workers", "schedules") for path in sorted((ROOT / floor).rglob("*.py"))
]
SOURCES = {"tenure:clock", "tenure:effect", "tenure:operator"}
"""How the engine names itself as the source of a command."""

NO_KEYS = SOURCES | {"tenure:", "tenure: "}


def texts(path):
    """Every text of a module and every beginning of an f-string, without the docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    formats: list[Any] = [node.values[0] for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) and node.values]
    nodes: list[Any] = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in notes]
    return [node.value for node in [*nodes, *formats] if isinstance(getattr(node, "value", None), str)]


def spelled(path):
    return {text for text in texts(path) if text.startswith(("tenure:", "dramatiq:"))} - NO_KEYS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_spells_a_key(path):
    if path != Path(redis_keys.__file__):
        assert spelled(path) == set()


def test_a_key_that_is_spelled_elsewhere_is_found(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""tenure:events"""\nA = f"tenure:rate:{1}"\nB = "tenure:clock"\nC = g("dramatiq:x")\n')
    assert spelled(path) == {"tenure:rate:", "dramatiq:x"}


@pytest.mark.parametrize("queue", QUEUES)
def test_the_queues_have_the_keys_that_dramatiq_gives_them(queue, redis_url):
    broker = make_broker(redis_url)
    assert redis_keys.delayed(queue) == dq_name(queue)
    assert redis_keys.dead_letters(queue) == f"{broker.namespace}:{xq_name(queue)}"
    assert redis_keys.messages(queue) == f"{broker.namespace}:{queue}"
    broker.close()


def test_every_key_says_what_it_holds_who_writes_it_and_how_long_it_lives():
    assert len({key.name for key in redis_keys.KEYS}) == len(redis_keys.KEYS)
    assert all(key.type in {"list", "hash", "zset", "set", "stream", "string"} for key in redis_keys.KEYS)
    assert all(key.holds and key.writer and key.lives for key in redis_keys.KEYS)


def test_a_key_of_ours_is_found_by_its_name_and_another_is_not():
    assert redis_keys.find("tenure:rate:abc:site_1").type == "string"
    assert redis_keys.find("dramatiq:lifecycle.XQ.msgs").type == "hash"
    assert redis_keys.find("dramatiq:other") is None
    assert redis_keys.find("tenure:aside:tenure:events") is None


def test_whatever_an_installation_writes_is_in_the_table_with_its_type(tmp_path, redis_url):
    world = World(tmp_path / "data", redis_url, SITE_COMMANDS_PER_MINUTE="5")
    client: Any = world.context.redis
    broker = make_broker(redis_url)
    live_a_little(world, broker)
    keys = {key.decode(): client.type(key).decode() for key in client.scan_iter()}
    known = {name: getattr(redis_keys.find(name), "type", "unknown") for name in keys}
    assert keys == known
    seen = {redis_keys.find(name).name for name in keys}
    assert {"tenure:rate:*", "tenure:reply:*", "tenure:named:*", "tenure:alive:*", "dramatiq:__acks__.*"} <= seen
    assert {"tenure:events", "tenure:bell", "tenure:witness", "dramatiq:lifecycle", "dramatiq:lifecycle.XQ"} <= seen
    broker.close()
    world.close()


def live_a_little(world, broker):
    """Everything that writes to Redis, once."""
    world.say(
        "start_trial",
        HOST,
        account="a",
        email="o@a.example",
        key="signup o@a.example",
        extra={"replyto": redis_keys.reply("me")},
    )
    world.rest()
    sending.enqueue(world.context, {"type": "site.show"})
    sending.enqueue(world.context, {"type": "site.show"})
    broker.declare_queue("lifecycle")
    consumer = broker.consume("lifecycle", 1, timeout=0)
    assert next(consumer) is None, "nobody has declared the actor"
    assert broker.fetch("lifecycle", 1, longest=1000)
    sending.enqueue(world.context, {"type": "site.show"})
    clock_wake_up.send(world.context)
    safe_mode.beat(world.context)
    liveness.beat(world.context.redis, "worker")
    dead_letters.keep_all(world.context, "effects", [("id", b"{}", "is no message")])
    RedisBounds(world.context).look()
    world.sweep()
