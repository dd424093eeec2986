"""What a process remembers of a mail server that is away: one letter at a time asks for it, the others do not wait.

Without it a server that accepts connections and says nothing would keep every worker's thread for minutes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from workers.adapters.mailer import MailOutage


class MemoryOfOutage:
    """The last fault of the connection, greeting, TLS or login; none while the server works."""

    def __init__(self) -> None:
        self._what: str | None = None
        self._asking = Lock()

    def began(self, what: str) -> None:
        """The server is of no use."""
        self._what = what

    def is_over(self) -> None:
        """The server is ready for mail."""
        self._what = None

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Go on as long as the server works; else let one caller ask and raise the last fault for the others."""
        what = self._what
        if what is None:
            yield
        elif self._asking.acquire(blocking=False):
            try:
                yield
            finally:
                self._asking.release()
        else:
            raise MailOutage(what)
