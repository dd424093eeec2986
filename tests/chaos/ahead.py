"""The worker of production on a host whose clock is 61 s ahead."""

import sys
import time
from datetime import timedelta

from models import clock

AHEAD = timedelta(seconds=61)
_now, _time = clock.machine_now, time.time

clock.machine_now = lambda: _now() + AHEAD
time.time = lambda: _time() + AHEAD.total_seconds()

from workers.__main__ import main  # noqa: E402 - the clock is set before anybody has read it

if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    sys.exit(main())
