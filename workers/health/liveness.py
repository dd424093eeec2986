"""Proof of life, and its end: who answers, and that nobody outlives the process that started it.

Run as a script it is the launcher of `tenure up`: `alive.py <parent> <program> [arguments]` ties the program to its
parent and then becomes it. That needs nothing but the standard library, and about 20 ms.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis

RUN_VARIABLE = "TENURE_RUN"
EXPIRY_SECONDS = 15
EVEN_IF_FULL = """#!lua flags=allow-oom
return redis.call("set", KEYS[1], "1", "ex", ARGV[1])
"""
"""A full server takes this few bytes, where it knows how (Redis 7): who answers is not dead."""

PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 0.5


def beat(client: "redis.Redis", role: str) -> None:
    """Say that this process of `role` answers, for the next 15 s. Call it every 5 s, once the process can do its work.

    The key carries the id of the `tenure up` run, so that what an earlier run left behind does not count.
    """
    name = key(role, os.environ.get(RUN_VARIABLE, "-"), os.getpid())
    try:
        client.set(name, "1", ex=EXPIRY_SECONDS)
    except Exception as full:
        if type(full).__name__ != "OutOfMemoryError":  # the client is not imported here: see above
            raise
        client.eval(EVEN_IF_FULL, 1, name, EXPIRY_SECONDS)


def count(client: "redis.Redis", role: str, run: str = "*") -> int:
    """Count the processes of a role that answered within the last 15 s: of one run, or of all."""
    return len(_ages(client, role, run))


def ages(client: "redis.Redis", role: str) -> list[float]:
    """Say how many seconds ago each process of a role answered last, of those that did within the last 15 s."""
    return _ages(client, role, "*")


def _ages(client: "redis.Redis", role: str, run: str) -> list[float]:
    """A key that never ends, or ends later than one of ours could, is no process of ours."""
    pipeline = client.pipeline(transaction=False)
    for found in client.scan_iter(match=key(role, run, "*"), count=1000):
        pipeline.pttl(found)
    left = [int(str(one)) / 1000 for one in pipeline.execute()]
    return sorted(EXPIRY_SECONDS - one for one in left if 0 < one <= EXPIRY_SECONDS)


def key(role: str, run: str, pid: int | str) -> str:
    """Name the key of one living process."""
    return f"tenure:alive:{role}:{run}:{pid}"


def follow_forks() -> None:
    """Tie every process that this one will fork to it: a worker must not outlive Dramatiq's master."""
    os.register_at_fork(before=_remember_self, after_in_child=arm)


def arm() -> None:
    """Let this process be killed when its parent dies, however the parent dies. Calling it twice does no harm.

    Killed, not asked: whoever lost its supervisor has lost Redis as well, and work that is cut off is offered again.
    """
    die_with(_forked_by[-1] if _forked_by else os.getppid())


def die_with(parent: int) -> None:
    """Arrange for SIGKILL when the parent dies, at once if it is dead already. Without Linux a thread looks."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    if not _is_there(parent):
        os.kill(os.getpid(), signal.SIGKILL)


def launch(parent: int, command: list[str]) -> None:
    """Tie this process to its parent, undo what the parent did to its signals, and become `command`."""
    die_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execvp(command[0], command)  # noqa: S606 - a shell between would get the signals instead


def _remember_self() -> None:
    _forked_by[:] = [os.getpid()]


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


_forked_by: list[int] = []


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
