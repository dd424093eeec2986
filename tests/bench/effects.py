"""Effects a second, beside a bare actor of Dramatiq that does the same acts with the same adapters."""

import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import func, select

from models.database import reading
from models.effect import EFFECTS
from tests.bench.commands import TUNED, envelope, hearts, host, put_bodies
from tests.bench.servers import PROCESSES, THREADS, environ, folder, process, redis_server, until, workplace
from workers.commands import handler
from workers.context import Context

ACTS = 3
"""Of a trial that begins: it is provisioned, brought online and welcomed."""

QUEUE = "dramatiq:effects"
TICKS = os.sysconf("SC_CLK_TCK")


class Speed(NamedTuple):
    """Effects a second, and the processors' milliseconds for each, of all worker processes."""

    per_second: float
    cpu_ms: float


def ours(trials: int, database_url: str | None = None) -> Speed:
    """Through the workers of production, from the first wake-up until the last effect is settled and acknowledged."""
    with folder() as where, redis_server(where) as url, workplace(where, url, database_url) as context:
        begin(context, trials)
        waiting: Any = context.redis.lrange(QUEUE, 0, -1)
        context.redis.delete(QUEUE)
        settings = environ(where, url, database_url)
        with process(["-m", "workers"], settings, where / "worker.log") as worker:
            until(lambda: hearts(context.redis) >= PROCESSES)
            return measured(
                worker.pid, trials * ACTS, lambda: context.redis.rpush(QUEUE, *waiting), lambda: is_done(context)
            )


def begin(context: Context, trials: int) -> None:
    """Commands that start so many trials: their effects are announced, and nobody does them yet."""
    ids = count(1)
    asked = [envelope("start_trial", host(number), ids, account="a", email="o@a.example") for number in range(trials)]
    for first in range(0, trials, 500):
        answers: list[Any] = handler.take_each(context, asked[first : first + 500])
        assert {answer["outcome"] for answer in answers} == {"applied"}, answers[0]


def is_done(context: Context) -> bool:
    """Acknowledged, and settled."""
    if context.redis.exists(f"{QUEUE}.msgs"):
        return False
    with reading(context.database) as tx:
        return not tx.execute(select(func.count()).where(EFFECTS.c.status != "done")).scalar_one()


def bare(trials: int) -> Speed:
    """Through stock Dramatiq, tuned."""
    with folder() as where, redis_server(where) as url, workplace(where, url, None) as context:
        client = context.redis
        told = [("provision", f"site_{number:032x}", host(number), "o@a.example") for number in range(trials)]
        put_bodies(client, "bare", "act", told)
        words = ["-m", "dramatiq", "tests.bench.bare", "--processes", str(PROCESSES), "--threads", str(THREADS)]
        settings = {"BENCH_REDIS_URL": url, **environ(where, url, None), **TUNED}
        with process(words, settings, where / "bare.log") as worker:
            until(lambda: hearts(client) >= PROCESSES)
            all_of_them = [f"r{number}" for number in range(trials)]
            return measured(
                worker.pid,
                trials * ACTS,
                lambda: client.rpush("dramatiq:bare", *all_of_them),
                lambda: int(client.get("bench:done") or 0) >= trials * ACTS and not client.exists("dramatiq:bare.msgs"),
            )


def measured(pid: int, acts: int, start: Callable[[], Any], is_over: Callable[[], bool]) -> Speed:
    busy, started = cpu_seconds(pid), time.perf_counter()
    start()
    until(is_over, pause=0.02)
    seconds = time.perf_counter() - started
    return Speed(acts / seconds, (cpu_seconds(pid) - busy) * 1000 / acts)


def cpu_seconds(session: int) -> float:
    """The processors' time of all processes of a session, and of those of them that have ended."""
    return sum(_ticks(session)) / TICKS


def _ticks(session: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            yield sum(map(int, fields[11:15]))
