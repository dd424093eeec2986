"""Breaks one part after the other, in an order that its seed decides, and looks how soon the engine goes on."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from sqlalchemy import func, select

from models.database import reading
from models.event import EVENTS
from tests.chaos.stage import Stage

PAUSE_SECONDS = (1.0, 4.0)
PATIENCE_SECONDS = 120.0


class Monkey(threading.Thread):
    """One fault at a time; the rarest kind so far comes next, so that each comes about equally often."""

    def __init__(self, stage: Stage, seed: int) -> None:
        super().__init__(daemon=True)
        self.stage = stage
        self.chance = random.Random(seed)
        self.is_over = threading.Event()
        self.faults: Counter[str] = Counter()
        self.recoveries: list[float] = []
        self.failures: list[str] = []
        self.kinds = {
            "worker killed": self.kill_worker,
            "clock killed": self.kill_clock,
            "Valkey killed": self.kill_valkey,
            "worker stopped for longer than a lease": self.stop_worker,
            "clock stopped for longer than a lease": self.stop_clock,
            "Valkey stopped for longer than a lease": self.stop_valkey,
            "Redis emptied": self.empty_redis,
            "replies lost": self.lose_replies,
            "disk of the backups full": self.fill_disk,
            "a worker 61 s ahead": self.run_ahead,
        }

    def run(self) -> None:
        while not self.is_over.wait(self.chance.uniform(*PAUSE_SECONDS)):
            fewest = min(self.faults[kind] for kind in self.kinds)
            kind = self.chance.choice([kind for kind in self.kinds if self.faults[kind] == fewest])
            try:
                self.kinds[kind]()
            except Exception as wrong:  # noqa: BLE001 - a fault that could not be made is told, and the run fails
                self.failures.append(f"{kind}: {type(wrong).__name__}: {wrong}")
                continue
            self.faults[kind] += 1
            self._await_progress()

    def _await_progress(self) -> None:
        """Seconds until the engine has done something again, which is until a new event is committed."""
        before, began = self._progress(), time.monotonic()
        while time.monotonic() - began < PATIENCE_SECONDS:
            if self._progress() > before:
                self.recoveries.append(time.monotonic() - began)
                return
            if self.stage.is_resting.is_set() or self.is_over.is_set():
                return
            time.sleep(0.02)
        self.failures.append(f"nothing happened for {PATIENCE_SECONDS:.0f} s")

    def _progress(self) -> int:
        with reading(self.stage.context.database) as tx:
            return tx.execute(select(func.coalesce(func.max(EVENTS.c.seq), 0))).scalar_one()

    def kill_worker(self) -> None:
        os.kill(self.chance.choice(self._pids("-m workers")), signal.SIGKILL)

    def kill_clock(self) -> None:
        os.kill(self.chance.choice(self._pids("-m schedules")), signal.SIGKILL)

    def kill_valkey(self) -> None:
        self.stage.valkey.kill()
        self.stage.valkey.wait()
        time.sleep(self.chance.uniform(0.2, 2.0))
        self.stage.start_valkey()

    def stop_worker(self) -> None:
        self._stop_for_a_while(self.chance.choice(self._pids("-m workers")))

    def stop_clock(self) -> None:
        self._stop_for_a_while(self.chance.choice(self._pids("-m schedules")))

    def stop_valkey(self) -> None:
        self._stop_for_a_while(self.stage.valkey.pid)

    def _stop_for_a_while(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.stage.lease_seconds * 1.5)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def empty_redis(self) -> None:
        self.stage.context.redis.flushall()

    def lose_replies(self) -> None:
        self.stage.proxy.lose_replies(self.chance.uniform(0.2, 1.5))

    def fill_disk(self) -> None:
        free = shutil.disk_usage(self.stage.backups).free
        ballast = self.stage.backups / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            for _ in range(free // 4096 + 1):
                file.write(bytes(4096))
        time.sleep(self.chance.uniform(1.0, 3.0))
        ballast.unlink(missing_ok=True)

    def run_ahead(self) -> None:
        settings = {**self.stage.live.environ, "TENURE_WORKER_PROCESSES": "1"}
        words = [sys.executable, "-m", "tests.chaos.ahead"]
        with Path(self.stage.folder / "ahead.log").open("ab") as log:
            ahead = subprocess.Popen(words, env=settings, stdout=log, stderr=log, start_new_session=True)
        time.sleep(6)
        if ahead.poll() is not None:
            raise RuntimeError(f"it ended with {ahead.returncode}")
        ahead.terminate()
        ahead.wait(60)

    def _pids(self, word: str) -> list[int]:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if found := self.stage.live.find(word):
                return found
            time.sleep(0.05)
        raise RuntimeError(f"no process {word!r} came back")
