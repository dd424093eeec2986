"""How much of a site one act copies, and for how long: what is over is left out and named."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workers.base.errors import Temporary
from workers.storage.site_content import LeftOutError


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """The limits for one site and one act: entries, bytes of content, seconds."""

    files: int = 5_000_000
    bytes: int = 1_000_000_000_000
    seconds: float = 7200.0

    def deadline(self, doing: str, clock: Callable[[], float] = time.monotonic) -> Callable[[], None]:
        """Make a check that raises `Temporary` when the time for an act is over; `doing` says what takes so long."""
        return partial(self._check, doing, clock, clock() + self.seconds)

    def _check(self, doing: str, clock: Callable[[], float], until: float) -> None:
        if clock() > until:
            raise Temporary(f"{doing} took longer than {self.seconds:g} s; raise TENURE_SITE_SECONDS if it may")


DEFAULT_LIMITS = SiteLimits()


class Allowance:
    """What is left of the limits while an act runs. `clock` is monotonic, in seconds."""

    def __init__(self, limits: SiteLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._until = clock() + limits.seconds
        self._files = 0
        self._bytes = 0

    def check_time(self) -> None:
        """Raise `LeftOutError` when the time is over."""
        if self._clock() > self._until:
            raise LeftOutError(f"the time limit of {self._limits.seconds:g} s was over (TENURE_SITE_SECONDS)")

    def take_entry(self) -> None:
        """Count one more entry; raises `LeftOutError` when there are too many, or the time is over."""
        self.check_time()
        self._files += 1
        if self._files > self._limits.files:
            raise LeftOutError(f"the site has more than {self._limits.files} entries (TENURE_SITE_MAX_FILES)")

    def take_bytes(self, size: int) -> None:
        """Count the bytes of a file before it is read; raises `LeftOutError` when they don't fit any more."""
        if self._bytes + size > self._limits.bytes:
            raise LeftOutError(f"its {size} bytes are over the limit of {self._limits.bytes} (TENURE_SITE_MAX_BYTES)")
        self._bytes += size

    def seconds_left(self) -> float:
        """Say how long the act may still run; 0 at the end."""
        return max(self._until - self._clock(), 0.0)

    def bytes_left(self) -> int:
        """Say how many more bytes fit."""
        return max(self._limits.bytes - self._bytes, 0)
