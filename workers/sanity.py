"""What one clock process remembers of its clocks, to see a jump."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock


def steady() -> float:
    """Seconds of a clock that nobody sets; it counts a sleeping machine's time too, where there is such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(slots=True)
class Sanity:
    """What one clock process remembers: the wall and the steady clock at its last look."""

    wall: datetime | None = None
    steady: float = 0.0
    lock: Lock = field(default_factory=Lock)

    def jump(self, wall: datetime, now: float) -> timedelta:
        """By how much the wall clock moved more than the steady one since the last look; nought at the first."""
        with self.lock:
            since = timedelta(0) if self.wall is None else (wall - self.wall) - timedelta(seconds=now - self.steady)
            self.wall, self.steady = wall, now
        return since
