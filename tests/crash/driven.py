"""A real `tenure up` that is told to live the same lives as a world in one process."""

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from models.clock import engine_now
from models.database import reading
from tests.crash.mortal import BEGIN, Mortal
from tests.live_engine import until
from tests.world import World
from workers.cli import sending, test_clock
from workers.context import Context

PATIENCE_SECONDS = 120
"""Longer than any recovery: a dead process's messages come back when its heart has been silent for ten seconds."""


class Driven:
    """What a life asks of its world, done by other processes; what its end is asked for is read as a world does."""

    charges, mails, events, unsent, open_effects = (
        *(World.charges, World.mails, World.events),
        *(World.unsent, World.open_effects),
    )
    is_marked: Any
    mark: Any
    envelope: Any
    left_in_queues: Any
    is_marked, mark, envelope, left_in_queues = Mortal.is_marked, Mortal.mark, Mortal.envelope, Mortal.left_in_queues

    def __init__(self, live):
        self.live = live
        self.data_dir = live.data_dir

    @cached_property
    def context(self) -> Context:
        return self.live.context

    @property
    def now(self):
        with reading(self.context.database) as tx:
            return engine_now(tx)

    def go_to(self, day):
        length = BEGIN + timedelta(days=day) - self.now
        test_clock.advance(self.context, length, PATIENCE_SECONDS)

    def ask(self, kind, key=None, /, **data):
        body = self.envelope(kind, key, **data)
        sending.ask(self.context, body, PATIENCE_SECONDS)
        sending.settle(self.context, body, PATIENCE_SECONDS)

    def finish(self):
        """At rest, and no message left of those that a dead process held."""
        test_clock.advance(self.context, timedelta(0), PATIENCE_SECONDS)
        until(lambda: not self.left_in_queues(), PATIENCE_SECONDS)

    def show(self):
        return self.live.show()

    def state(self):
        return self.show()["state"]

    def site_folder(self) -> Path:
        return self.data_dir / "sites" / self.show()["id"]

    def close(self):
        self.context.database.dispose()
        self.context.redis.close()


def reached_by_driving(point: str) -> bool:
    """Whether a worker or the clock passes it at ordinary settings, and not whoever drives."""
    return not point.startswith(("advance.", "lease."))
