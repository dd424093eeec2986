"""Signals as values: what has arrived, read at a place that is ready for it."""

import select
import signal
import socket
from types import FrameType, TracebackType
from typing import Any, Self

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """While it is entered, INT, TERM, HUP and CHLD end nothing and are read with `wait`.

    INT and TERM count even if they were ignored or blocked before; HUP stays ignored if it was (`nohup`).
    """

    def __enter__(self) -> Self:
        """Take the signals over; in the main thread only."""
        self.reader, self.writer = socket.socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)
        self.fd_before = signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        self.before: dict[signal.Signals, Any] = {}
        for number in (*STOPS, signal.SIGCHLD):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self.before[number] = signal.signal(number, _noted)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.before)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _what: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Give them back."""
        for number, action in self.before.items():
            signal.signal(number, signal.SIG_DFL if action is None else action)
        signal.set_wakeup_fd(self.fd_before)
        self.reader.close()
        self.writer.close()

    def wait(self, seconds: float | None) -> list[int]:
        """Return the numbers of the signals that came, at the latest after so many seconds (None: however long)."""
        select.select([self.reader], [], [], seconds)
        try:
            return list(self.reader.recv(4096))
        except BlockingIOError:
            return []


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the number is in the socket."""
