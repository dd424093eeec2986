"""What one clock process remembers of its clocks and marks, to see a jump or an older database."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta


def steady() -> float:
    """Seconds of a clock that nobody sets; it counts a sleeping machine's time too, where there is such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class Outside:
    """What Redis said: how far its clock is ahead of ours, and the latest mark of the database that it has seen."""

    ahead: timedelta
    high_water_mark: datetime | None


@dataclass(slots=True)
class ClockMemory:
    """What one clock process has accepted.

    `epoch` is the wall's moment at which the steady clock stood at nought, so a jump moves it; `mark` is the highest
    mark of the database. Nothing is accepted while there is a doubt: if its transaction fails, it is found again.
    """

    epoch: datetime | None = None
    mark: datetime | None = None
    outside: Outside | None = None

    def jump(self, wall: datetime, steady_seconds: float) -> timedelta:
        """By how much the wall clock moved more than the steady one since the last look; nought at the first."""
        return timedelta(0) if self.epoch is None else _epoch(wall, steady_seconds) - self.epoch

    def accept(self, wall: datetime, steady_seconds: float, mark: datetime | None) -> None:
        """There is no doubt: the next look is compared with this one."""
        self.epoch, self.mark = _epoch(wall, steady_seconds), mark

    def begin_anew(self, wall: datetime, steady_seconds: float) -> None:
        """Safe mode holds: what an operator finds right afterwards is right."""
        self.epoch, self.mark, self.outside = _epoch(wall, steady_seconds), None, None


def _epoch(wall: datetime, steady_seconds: float) -> datetime:
    return wall - timedelta(seconds=steady_seconds)
