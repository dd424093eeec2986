"""A storm: so many timers due at once, fired by the clock's own verb with the full law and all rows."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from itertools import count
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sqlalchemy import func, literal, select

from models.clock import engine_now
from models.database import reading, writing
from models.site import SITES
from models.timer import TIMERS
from tests.bench import commands, shapes
from tests.bench.latency import ask
from tests.bench.servers import environ, folder, process, redis_server, until, workplace
from workers.base import logs, process_memory
from workers.base.settings import load
from workers.context import Context
from workers.timers.fire import fire_due

HERE: dict[str, Any] = {}
"""What a process of the crew works with."""


def ours(size: int, clocks: int) -> float:
    """Trials whose reminder is due: one letter, one receipt and the next timer for each; fired by so many processes."""
    with folder() as where, redis_server(where) as url, workplace(where, url, None) as context:
        due(context, size)
        context.database.dispose()
        crew = get_context("spawn")
        with crew.Pool(clocks, _begin, (environ(where, url, None), where, crew.Barrier(clocks))) as pool:
            told = pool.map(_fire, range(clocks), chunksize=1)
        seconds = max(ended for _, _, ended in told) - min(started for _, started, _ in told)
        check(context, sum(fired for fired, _, _ in told), size)
        return size / seconds


def _begin(settings: dict[str, str], where: Path, all_ready: Barrier) -> None:
    """What a clock does before its first timer."""
    logs.configure("json", (where / f"clock.{os.getpid()}.log").open("w"))
    HERE["place"], HERE["all_ready"] = Context(load(settings)), all_ready
    process_memory.be_frugal()


def _fire(_number: int) -> tuple[int, float, float]:
    """How many this process fired, and when it began and ended."""
    context, fired = HERE["place"], 0
    HERE["all_ready"].wait(60)
    started = time.perf_counter()
    while batch := fire_due(context):
        fired += batch
    return fired, started, time.perf_counter()


def due(context: Context, size: int) -> None:
    """Sites in a trial with three days left, whose reminder was due an hour ago."""
    shapes.grow(context, size)
    with writing(context.database) as tx:
        now = engine_now(tx)
        ends = now + timedelta(days=3) - timedelta(hours=1)
        moments = {"ready_at": now - timedelta(days=27), "trial_ends_at": ends, "reminded_at": ends - timedelta(days=7)}
        tx.execute(SITES.update().values(state="trial", night_at=ends, plan_agents=None, **moments))  # no night is due
        tx.execute(TIMERS.delete())
        at = ends - timedelta(days=3)
        moment = literal(at, TIMERS.c.due_at.type)
        rows = select(SITES.c.id, literal("remind"), SITES.c.generation, moment.label("due"), moment.label("wakes"))
        tx.execute(TIMERS.insert().from_select(["site_id", "kind", "generation", "due_at", "wakes_at"], rows))


def check(context: Context, fired: int, size: int) -> None:
    """The figure counts only what was done: every site was reminded, once."""
    with reading(context.database) as tx:
        reminded = select(func.count()).select_from(SITES).where(SITES.c.reminded_at > SITES.c.ready_at)
        assert fired == size == tx.execute(reminded).scalar_one(), (fired, size)


def apscheduler(size: int) -> float:
    """Its own SQLAlchemy store on SQLite, as many date jobs that do nothing; in a process of its own."""
    with folder() as where:
        words = [sys.executable, "-m", "tests.bench.scheduler", str(where / "jobs.db"), str(size)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=900)
        return float(done.stdout)


def storm(size: int) -> dict[str, float]:
    """So many timers due while the clock runs: its memory, and how long commands of other sites wait meanwhile."""
    with folder() as where, redis_server(where) as url, workplace(where, url, None) as context:
        due(context, size)
        context.redis.delete("dramatiq:effects", "dramatiq:effects.msgs")
        settings = environ(where, url, None)
        with (
            process(["-m", "tests.bench.lifecycle"], settings, where / "worker.log"),
            process(["-m", "schedules"], settings, where / "clock.log") as clock,
        ):
            until(lambda: commands.hearts(context.redis) >= 1)
            return _watch(context, clock.pid, size)


def _watch(context: Context, clock: int, size: int) -> dict[str, float]:
    left, waits, sizes, ids = size, [], [], count(1)
    while left:
        waits.append(ask(context, f"c-storm-{next(ids)}", f"other{next(ids)}.example.com"))
        with reading(context.database) as tx:
            now = engine_now(tx)
            left = tx.execute(select(func.count()).select_from(TIMERS).where(TIMERS.c.wakes_at <= now)).scalar_one()
        sizes.append((size - left, memory_mb(clock)))
    tenth = next(mb for done, mb in sizes if done >= size / 10)
    return {
        "p99_ms": sorted(waits)[int(len(waits) * 0.99)] * 1000,
        "asked": len(waits),
        "mb_at_a_tenth": tenth,
        "mb_at_the_end": sizes[-1][1],
    }


def memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
