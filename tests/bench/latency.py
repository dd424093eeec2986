"""A real `tenure up` with nothing to do: how soon it answers, what it costs, how soon it is ready, how large it is."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from models import receipt
from models.database import reading
from tests.bench.commands import SOURCE
from tests.bench.servers import folder, until
from workers.base import process_memory
from workers.base.settings import load
from workers.context import Context

ASKED = 200
PAUSE_SECONDS = 0.2
"""Long enough for what a new site leads to: it is over before the next is asked for."""
IDLE_SECONDS = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


def ask(context: Context, key: str, subject: str) -> float:
    """Seconds from enqueue to the committed receipt, seen by looking again and again."""
    body = {"specversion": "1.0", "source": SOURCE, "id": key, "type": "site.start_trial", "subject": subject}
    redis_id = str(uuid4())
    message: dict[str, Any] = {"queue_name": "lifecycle", "actor_name": "command", "kwargs": {}, "message_id": redis_id}
    message |= {"args": [body | {"data": {"account": "a", "email": "o@a.example"}}], "message_timestamp": 0}
    message |= {"options": {"redis_message_id": redis_id}}
    started = time.perf_counter()
    enqueue(context, redis_id, message)
    until(lambda: is_answered(context, key), pause=0.0005)
    return time.perf_counter() - started


def enqueue(context: Context, redis_id: str, message) -> None:
    pipeline = context.redis.pipeline(transaction=True)
    pipeline.hset("dramatiq:lifecycle.msgs", redis_id, json.dumps(message))
    pipeline.rpush("dramatiq:lifecycle", redis_id)
    pipeline.execute()


def is_answered(context: Context, key: str) -> bool:
    with reading(context.database) as tx:
        return bool(receipt.find_all(tx, [(SOURCE, key)]))


def at_rest() -> dict[str, float]:
    """Start it, look at it, ask it, stop it."""
    with folder() as where:
        settings = {**os.environ, "TENURE_DATA_DIR": str(where / "data")}
        tenure = Path(sys.executable).parent / "tenure"
        subprocess.run([tenure, "--help"], env=settings, check=True, capture_output=True)
        started = time.perf_counter()
        with (where / "up.log").open("wb") as log:
            up = subprocess.Popen([tenure, "up"], env=settings, stdout=log, stderr=log, start_new_session=True)
        try:
            until((where / "data" / "up.json").exists)
            ready = time.perf_counter() - started
            return {"ready_seconds": ready, **_look(where, up.pid)}
        finally:
            up.terminate()
            up.wait(60)


def _look(where: Path, up: int) -> dict[str, float]:
    context = Context(load({"TENURE_DATA_DIR": str(where / "data")}))
    assert not is_answered(context, "c-0")  # whoever looks is warm before the clock runs
    assert context.redis.ping()
    process_memory.spare_the_collector()  # a look at everything this process has would take longer than a command
    waits = []
    for number in range(ASKED):
        waits.append(ask(context, f"c-{number}", f"quiet{number}.example.com"))
        time.sleep(PAUSE_SECONDS)
    time.sleep(5)  # what the new sites led to has ended
    family = processes_of(up)
    before, began = cpu_seconds(family), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    busy = (cpu_seconds(family) - before) / (time.perf_counter() - began)
    waits.sort()
    return {
        "p50_ms": waits[len(waits) // 2] * 1000,
        "p99_ms": waits[int(len(waits) * 0.99)] * 1000,
        "idle_share_of_a_core": busy,
        "memory_mb": sum(pss_mb(pid) for pid in family),
        "processes": len(family),
    }


def processes_of(parent: int) -> list[int]:
    children = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return [parent, *(pid for child in children for pid in processes_of(child))]


def cpu_seconds(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(words[11]) + int(words[12])
    return total / TICKS


def pss_mb(pid: int) -> float:
    """Its own memory, and its share of what it has in common with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))
