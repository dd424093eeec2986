"""The publisher of a worker process: a thread, so that the next commands need not wait until the last are told."""

from threading import Event, Thread
from typing import TYPE_CHECKING

from workers.base.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable

END_SECONDS = 10.0
"""What is not published by then is published by the sweep of a clock."""


class RelayThread:
    """Publishes when somebody rings; a ring during a round leads to another round."""

    def __init__(self) -> None:
        self.rung = Event()
        self.is_over = False
        self.thread: Thread | None = None

    def start(self, publish: "Callable[[], None]") -> None:
        """Begin to listen."""
        self.thread = Thread(target=self._go_on, args=(publish,), daemon=True, name="publisher")
        self.thread.start()

    def ring(self) -> None:
        """Say that there are events to be published."""
        self.rung.set()

    def end(self) -> None:
        """Publish what is left, and stop."""
        self.is_over = True
        self.rung.set()
        if self.thread is not None:
            self.thread.join(END_SECONDS)

    def _go_on(self, publish: "Callable[[], None]") -> None:
        while self.rung.is_set() or not self.is_over:
            self.rung.wait()
            self.rung.clear()
            try:
                publish()
            except Exception:  # noqa: BLE001 - the thread must outlive whatever it is; the sweep publishes as well
                log.exception("alarm", error="events were not published, the sweep will do it")
