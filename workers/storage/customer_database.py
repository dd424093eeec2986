"""Processes that open customers' databases, started before they are needed; this process only waits for them, not long.

One that does not answer in time, that dies or that had to refuse for its memory is killed and replaced. They die with
this process, however it ends.
"""

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread

from workers.base import progress
from workers.base.documents import Document

CHILD = Path(__file__).with_name("customer_database_child.py")
ENVIRON = {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}

STARTING_SECONDS = 10.0
GRACE_SECONDS = 0.25
"""So much longer than its own deadline a request may take before its process is killed."""

STILL_SECONDS = 30.0
"""A copy that says nothing for so long has come to a halt."""

MOST_REQUESTS = 1_000
"""What one process answers: then a new one takes its place, with the memory of a new one."""

LONGEST_LINE = 1 << 20
IDLE = 2
"""Processes of a kind that are kept waiting for work."""

ROUGH = {"slow", "died", "too_much"}
"""After such an answer the process is not used again."""


class Helper:
    """One process, ready when it is made. `ask` belongs to one thread at a time."""

    def __init__(self, niceness: int) -> None:
        command = [sys.executable, "-I", str(CHILD), str(os.getpid()), str(niceness)]
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRON,
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
        self.pid = self._process.pid
        self.requests = 0
        self._unread = b""
        self._line(time.monotonic() + STARTING_SECONDS)  # it says that it is ready

    def ask(self, asked: Document, still_seconds: float) -> Document:
        """Wait for one answer; `{"wrong": "slow" | "died", …}` when it was not to be had, and then the process is dead.

        Words of progress are passed on to whoever watches this thread, and let a request go on until its own deadline.
        """
        self.requests += 1
        until = time.monotonic() + asked["seconds"] + GRACE_SECONDS
        try:
            self._send(asked)
            said = self._line(min(until, time.monotonic() + still_seconds))
            while "moved" in said:
                progress.moved(said["moved"])
                said = self._line(min(until, time.monotonic() + still_seconds))
        except TimeoutError:
            said = {"wrong": "slow", "error": f"it was not done within {asked['seconds']:g} s"}
        except (EOFError, OSError, ValueError):
            late = time.monotonic() >= until - GRACE_SECONDS
            said = {"wrong": "slow" if late else "died", "error": "the process that read it was ended by it"}
        if said.get("wrong") in ROUGH:
            self.end()
        return said

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def end(self) -> None:
        """Kill it and wait for its end: nothing that it had is held any more."""
        with contextlib.suppress(OSError):
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STARTING_SECONDS)

    def _send(self, asked: Document) -> None:
        pipe = self._process.stdin
        if pipe is None:
            raise EOFError
        pipe.write(json.dumps(asked).encode() + b"\n")  # far under the room of a pipe: it never blocks

    def _line(self, until: float) -> Document:
        """Read the next line. Raises TimeoutError, and EOFError when the process is gone."""
        while b"\n" not in self._unread:
            self._unread += self._some(until)
            if len(self._unread) > LONGEST_LINE:
                raise EOFError
        line, _, self._unread = self._unread.partition(b"\n")
        said = json.loads(line)
        return said if isinstance(said, dict) else {"wrong": "died", "error": "it gave no answer"}

    def _some(self, until: float) -> bytes:
        pipe = self._process.stdout
        if pipe is None:
            raise EOFError
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            raise TimeoutError
        some = os.read(pipe.fileno(), 1 << 16)
        if not some:
            raise EOFError
        return some


@dataclass(slots=True)
class _Order:
    """A process that somebody waits for."""

    done: Event = field(default_factory=Event)
    helper: Helper | None = None
    wrong: BaseException | None = None


class Helpers:
    """The processes of one kind that this process has."""

    def __init__(self, niceness: int) -> None:
        self._niceness = niceness
        self._idle: list[Helper] = []
        self._all: set[Helper] = set()
        self._lock = Lock()
        self._orders: SimpleQueue[_Order] = SimpleQueue()
        self._starter: Thread | None = None

    def start(self, number: int) -> None:
        """Start so many before anybody needs them."""
        for _ in range(number - len(self._idle)):
            self._put_back(self._new())

    def ask(self, asked: Document, still_seconds: float = STILL_SECONDS) -> Document:
        """Let one of them answer. One that was found dead says nothing about the request: another is asked then."""
        for _ in range(2):
            with self._lent() as helper:
                is_used = helper.requests > 0
                said = helper.ask(asked, still_seconds)
            if said.get("wrong") != "died" or not is_used:
                break
        return said

    def pids(self) -> list[int]:
        """The processes that live."""
        with self._lock:
            return sorted(helper.pid for helper in self._all if helper.is_alive)

    def end(self) -> None:
        """End all of them."""
        with self._lock:
            ended, self._all, self._idle = self._all, set(), []
        for helper in ended:
            helper.end()

    def forget(self) -> None:
        """In a process that was forked: what the parent has stays the parent's, and is not even closed here."""
        _of_the_parent.update(self._all)
        self._idle, self._all = [], set()
        self._lock, self._orders, self._starter = Lock(), SimpleQueue(), None

    @contextlib.contextmanager
    def _lent(self) -> Iterator[Helper]:
        helper = self._take()
        try:
            yield helper
        except BaseException:  # whatever was asked is still under way
            helper.end()
            raise
        finally:
            self._put_back(helper)

    def _take(self) -> Helper:
        with self._lock:
            helper = self._idle.pop() if self._idle else None
        return helper if helper is not None and helper.is_alive else self._replaced(helper)

    def _replaced(self, helper: Helper | None) -> Helper:
        if helper is not None:
            self._drop(helper)
        return self._new()

    def _put_back(self, helper: Helper) -> None:
        with self._lock:
            is_kept = helper.requests < MOST_REQUESTS and len(self._idle) < IDLE and helper.is_alive
            if is_kept:
                self._idle.append(helper)
        if not is_kept:
            self._drop(helper)

    def _drop(self, helper: Helper) -> None:
        helper.end()
        with self._lock:
            self._all.discard(helper)

    def _new(self) -> Helper:
        """Have one started by a thread that never ends: the system ties a process to the thread that started it."""
        order = _Order()
        self._orders.put(order)
        with self._lock:
            if self._starter is None:
                self._starter = Thread(target=self._start_ordered, daemon=True, name="databases")
                self._starter.start()
        order.done.wait()
        if order.helper is None:
            raise OSError(f"no process can be started to read a customer's database: {order.wrong}")
        return order.helper

    def _start_ordered(self) -> None:
        while True:
            order = self._orders.get()
            try:
                order.helper = Helper(self._niceness)
                with self._lock:
                    self._all.add(order.helper)
            except (OSError, EOFError) as wrong:
                order.wrong = wrong
            order.done.set()


QUICK = Helpers(0)
"""For questions that somebody waits for."""

PATIENT = Helpers(5)
"""For copies and checks: customers' commands come before them."""


_of_the_parent: set[Helper] = set()


def _forget() -> None:
    QUICK.forget()
    PATIENT.forget()


def _end() -> None:
    QUICK.end()
    PATIENT.end()


os.register_at_fork(after_in_child=_forget)
atexit.register(_end)
