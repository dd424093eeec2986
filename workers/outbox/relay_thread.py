"""The thread of a worker process that publishes events, so that the next commands need not wait for it."""

from collections.abc import Callable
from threading import Event, Thread

from workers.base.logs import log

END_SECONDS = 10.0
"""How long `end` waits. What is not published by then is published by the clock's sweep."""


class RelayThread:
    """Publishes when it is notified; a notification during a round leads to another round."""

    def __init__(self) -> None:
        self.is_notified = Event()
        self.is_over = False
        self.thread: Thread | None = None

    def start(self, publish: Callable[[], None]) -> None:
        """Start the thread; it calls `publish` for each round."""
        self.thread = Thread(target=self._run, args=(publish,), daemon=True, name="publisher")
        self.thread.start()

    def notify(self) -> None:
        """Say that there are events to publish."""
        self.is_notified.set()

    def end(self) -> None:
        """Publish what is left, and stop."""
        self.is_over = True
        self.is_notified.set()
        if self.thread is not None:
            self.thread.join(END_SECONDS)

    def _run(self, publish: Callable[[], None]) -> None:
        while self.is_notified.is_set() or not self.is_over:
            self.is_notified.wait()
            self.is_notified.clear()
            try:
                publish()
            except Exception:  # noqa: BLE001 - the thread must survive any error; the sweep publishes as well
                log.exception("alarm", error="events were not published, the sweep will do it")
