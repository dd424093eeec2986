"""The worker processes of one host: forked from one parent, started anew when one ends, drained together.

Dramatiq's own parent stops every process as soon as one of them ends, so an operator could not replace a single one.
Here TERM to one process drains that one, quietly; the others go on and a new one takes its place. Each process runs
Dramatiq's `Worker` unchanged.
"""

import importlib
import mmap
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers.base.logs import log
from workers.supervisor.signals import STOPS, Signals

DRAIN_MS = 3_600_000
"""A worker that was told to stop finishes what it runs, however large the backup; a second TERM ends it at once."""

KILLED = 3
"""The exit code after a second TERM, as Dramatiq has it."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
STEADY_SECONDS = 30.0
"""A process that lived so long has recovered: its next death is a first one again."""


@dataclass
class Slot:
    """One of the processes: who fills it now, and when (monotonic) it is filled again."""

    number: int
    pid: int | None = None
    started_at: float = 0.0
    due_at: float | None = 0.0
    attempt: int = 0


class WorkerProcesses:
    """So many processes that run `work`, until this process gets INT, TERM or HUP."""

    def __init__(self, count: int, work: Callable[[Callable[[], None]], int]) -> None:
        self.work = work
        self.slots = [Slot(number) for number in range(count)]
        self.has_booted = mmap.mmap(-1, count)
        """Shared with the processes: a byte each, 1 once it could do its work."""
        self.is_draining = False
        self.status = 0

    def run(self) -> int:
        """Start, watch, drain. Returns 0, or the exit code of a process that could not even start."""
        with Signals() as signals:
            self._start_due(signals)
            while any(slot.pid is not None or slot.due_at is not None for slot in self.slots):
                if any(number in STOPS for number in signals.wait(self._next_start())):
                    self._drain()
                for slot in self.slots:
                    self._look_at(slot)
                self._start_due(signals)
        return self.status

    def _start_due(self, signals: Signals) -> None:
        for slot in self.slots:
            if slot.due_at is not None and time.monotonic() >= slot.due_at:
                self._start(slot, signals)

    def _start(self, slot: Slot, signals: Signals) -> None:
        slot.due_at, slot.started_at = None, time.monotonic()
        self.has_booted[slot.number] = 0
        pid = os.fork()
        if pid == 0:
            _become(self.work, signals, lambda: self._note_boot(slot))
        slot.pid = pid

    def _note_boot(self, slot: Slot) -> None:
        self.has_booted[slot.number] = 1

    def _look_at(self, slot: Slot) -> None:
        """Plan the next start of a process that has ended; one that never booted with an error ends all."""
        if slot.pid is None:
            return
        pid, waited = os.waitpid(slot.pid, os.WNOHANG)
        if pid == 0:
            return
        slot.pid, status = None, os.waitstatus_to_exitcode(waited)
        if self.is_draining:
            self.status = self.status or (KILLED if status < 0 else status)
        elif status > 0 and not self.has_booted[slot.number]:
            self.status = status
            self._drain()
        else:
            self._plan_restart(slot, status)

    def _plan_restart(self, slot: Slot, status: int) -> None:
        if status == 0:
            slot.attempt, slot.due_at = 0, time.monotonic()  # it was told to end, and somebody is to take its place
            return
        if time.monotonic() - slot.started_at > STEADY_SECONDS:
            slot.attempt = 0
        slot.due_at = time.monotonic() + min(FIRST_PAUSE * 2**slot.attempt, LONGEST_PAUSE)
        slot.attempt += 1
        how = f"exited with {status}" if status > 0 else f"was ended by {signal.Signals(-status).name}"
        log.warning("restarted", worker="worker", attempt=slot.attempt, error=f"it {how}")

    def _next_start(self) -> float | None:
        due = [slot.due_at for slot in self.slots if slot.due_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _drain(self) -> None:
        """Pass the order on, each time that it comes: a second one ends what runs."""
        self.is_draining = True
        for slot in self.slots:
            slot.due_at = None
            if slot.pid is not None:
                os.kill(slot.pid, signal.SIGTERM)


def _become(work: Callable[[Callable[[], None]], int], signals: Signals, booted: Callable[[], None]) -> None:
    """Be the new process: the parent's way of reading signals ends here, and so does this process."""
    status = 1
    try:
        signals.__exit__(None, None, None)
        status = work(booted)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException as wrong:  # noqa: BLE001 - whatever it is, the parent must learn that this process ended
        log.error("failed", worker="worker", error="a worker process could not start, or broke", exc_info=wrong)
    finally:
        os._exit(status)


def run_worker(boot: str, threads: int, booted: Callable[[], None]) -> int:
    """One worker process: call `module:function`, consume with so many threads, and drain at TERM or HUP.

    INT is not for a worker: a terminal's Ctrl-C reaches its parent too, which passes it on as TERM.
    """
    dramatiq: Any = importlib.import_module("dramatiq")  # reads its environment when it is imported
    with Signals() as signals:
        module, _, function = boot.partition(":")
        getattr(importlib.import_module(module), function)()
        broker = dramatiq.get_broker()
        broker.emit_after("process_boot")
        worker = dramatiq.Worker(broker, worker_threads=threads)
        worker.start()
        booted()
        while not {signal.SIGTERM, signal.SIGHUP} & set(signals.wait(None)):
            continue
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end_at_once)
        worker.stop(timeout=DRAIN_MS)
        broker.close()
    return 0


def _end_at_once(_number: int, _frame: Any) -> None:
    os._exit(KILLED)
