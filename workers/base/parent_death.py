"""Let no process outlive the one that started it.

Run as a script it is the launcher of `tenure up`: `parent_death.py <parent> <program> [arguments]` ties the program to
its parent and then becomes it. That takes about 20 ms, because it imports only the standard library.
"""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 0.5


def follow_forks() -> None:
    """Tie every process that this one will fork to it: a worker must not outlive Dramatiq's master."""
    os.register_at_fork(before=_remember_self, after_in_child=arm)


def arm() -> None:
    """Let this process be killed when its parent dies, however the parent dies. Calling it twice does no harm.

    Killed, not asked: a process that lost its supervisor has lost Redis too, and work that is cut off is offered again.
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
