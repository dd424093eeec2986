"""How long to wait before the next try: longer each time, with jitter so that many do not come at once."""

import random


def pause_seconds(attempt: int, *, first: float, longest: float) -> float:
    """Seconds before the try after `attempt` (1, 2, …): doubled each time up to `longest`, then jittered."""
    return jittered(min(first * 2 ** min(attempt - 1, 30), longest))


def jittered(seconds: float) -> float:
    """Between half of the time and all of it."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
