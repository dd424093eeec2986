"""Commands a second: from the first id in the queue to the last receipt, event and acknowledgement."""

import json
import random
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

from models import event
from models.clock import engine_now
from models.database import reading, writing
from models.site import SITES
from tests.bench.servers import PROCESSES, THREADS, environ, folder, process, redis_server, until, workplace
from workers.commands import handler
from workers.context import Context

SITES_READY = 2_000
SOURCE = "bench"
TUNED = {"dramatiq_queue_prefetch": "1000"}


def ours(size: int, database_url: str | None = None) -> float:
    """Commands a second through the workers of production."""
    with folder() as where, redis_server(where) as url, workplace(where, url, database_url) as context:
        ids = count(1)
        prepare(context, SITES_READY, ids)
        put_bodies(context.redis, "lifecycle", "command", list(mix(size, SITES_READY, ids)))
        settings = environ(where, url, database_url)
        with process(["-m", "tests.bench.lifecycle"], settings, where / "worker.log"):
            until(lambda: hearts(context.redis) >= PROCESSES)
            seconds = run(context.redis, "lifecycle", size, lambda: is_done(context))
        return size / seconds


def noop(size: int, settings: dict[str, str]) -> float:
    """Messages a second through a no-op actor of stock Dramatiq with these settings."""
    with folder() as where, redis_server(where) as url, workplace(where, url, None) as context:
        client = context.redis
        put_bodies(client, "noop", "noop", list(mix(size, SITES_READY, count(1))))
        words = ["-m", "dramatiq", "tests.bench.noop", "--processes", str(PROCESSES), "--threads", str(THREADS)]
        with process(words, {"BENCH_REDIS_URL": url, **settings}, where / "noop.log"):
            until(lambda: hearts(client) >= PROCESSES)
            return size / run(client, "noop", size, lambda: not client.exists("dramatiq:noop.msgs"))


def hearts(client: Any) -> int:
    """How many worker processes read from this Redis."""
    return client.zcard("dramatiq:__heartbeats__")


def prepare(context: Context, sites: int, ids: Iterator[int]) -> None:
    """Sites in a subscribed trial: started by real commands, made ready by hand."""
    asked = [envelope("start_trial", host(number), ids, account="a", email="o@a.example") for number in range(sites)]
    for first in range(0, sites, 500):
        handler.take_each(context, asked[first : first + 500])
    with writing(context.database) as tx:
        now = engine_now(tx)
        facts = {
            "state": "trial_subscribed",
            "ready_at": now,
            "night_at": now,
            "trial_ends_at": now + timedelta(days=30),
            "agents_allowed": 5,
            "used_agents": 1,
            "plan_agents": 3,
            "price_cents": 2000,
            "currency": "USD",
            "payment_method": "pm_visa",
        }
        tx.execute(SITES.update().values(facts))
    context.redis.delete("dramatiq:effects", "dramatiq:effects.msgs")


def mix(size: int, sites: int, ids: Iterator[int]) -> Iterator[tuple[Any, ...]]:
    """60 % change_plan, 20 % refused, 10 % said before, 10 % start_trial."""
    chance, said = random.Random(7), []
    for _ in range(size):
        draw, where = chance.random(), host(chance.randrange(sites))
        if draw < 0.6:
            one = envelope("change_plan", where, ids, agents=chance.randrange(1, 50))
        elif draw < 0.8:
            one = envelope("resume", where, ids)
        elif draw < 0.9 and said:
            one = chance.choice(said)
        else:
            one = envelope("start_trial", f"new{next(ids)}.example.com", ids, account="a", email="o@a.example")
        said.append(one)
        yield one


def host(number: int) -> str:
    return f"site{number}.example.com"


def envelope(kind: str, subject: str, ids: Iterator[int], **data: Any) -> tuple[Any, ...]:
    body = {"specversion": "1.0", "source": SOURCE, "id": f"c-{next(ids)}", "type": f"site.{kind}", "subject": subject}
    return ({**body, "data": data},)


def put_bodies(client: Any, queue: str, actor: str, messages: list[tuple[Any, ...]]) -> None:
    """Everything but the ids in the list: the clock runs from when those are there."""
    for first in range(0, len(messages), 1000):
        pipeline = client.pipeline(transaction=False)
        for number, args in enumerate(messages[first : first + 1000], first):
            redis_id = f"r{number}"
            body = {"queue_name": queue, "actor_name": actor, "args": list(args), "kwargs": {}, "message_id": redis_id}
            body |= {"options": {"redis_message_id": redis_id}, "message_timestamp": 0}
            pipeline.hset(f"dramatiq:{queue}.msgs", redis_id, json.dumps(body))
        pipeline.execute()


def run(client: Any, queue: str, size: int, is_over) -> float:
    """Seconds from the first id in the queue to the end."""
    started = time.perf_counter()
    for first in range(0, size, 10_000):
        client.rpush(f"dramatiq:{queue}", *(f"r{number}" for number in range(first, min(first + 10_000, size))))
    until(is_over)
    return time.perf_counter() - started


def is_done(context: Context) -> bool:
    """Acknowledged, and every event is published."""
    if context.redis.exists("dramatiq:lifecycle.msgs"):
        return False
    with reading(context.database) as tx:
        return event.count_unsent(tx) == 0
