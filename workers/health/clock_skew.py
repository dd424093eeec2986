"""How far our clock is from the database's and from Redis's: leases and heartbeats are compared with them."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from models import clock, safety
from models.database import reading
from workers.context import Context
from workers.health.check import Finding, failure, warning, well
from workers.safety.safe_mode import redis_now

DRIFT, APART = timedelta(seconds=1), timedelta(seconds=30)
"""From here a warning, and a failure: at 60 s everything that time makes due stops, in safe mode."""


def judge(context: Context) -> Iterator[Finding]:
    """The database's clock and Redis's, each against ours."""
    with reading(context.database) as tx:
        offset = ahead(lambda: safety.server_now(tx))
    if offset is None:
        yield well("clock of the database", "this machine's own: SQLite has none")
    else:
        yield of("the database", offset)
    offset = ahead(lambda: redis_now(context))
    if offset is not None:
        yield of("Redis", offset)


def ahead(ask: Callable[[], datetime | None]) -> timedelta | None:
    """How far another clock is ahead of ours: it is taken to have answered halfway between question and reply."""
    before = clock.machine_now()
    theirs = ask()
    after = clock.machine_now()
    return None if theirs is None else theirs - (before + (after - before) / 2)


def of(name: str, offset: timedelta) -> Finding:
    """Judge an offset in either direction."""
    what, shown = f"clock of {name}", f"{offset.total_seconds():+.3f} s from ours"
    if abs(offset) <= DRIFT:
        return well(what, shown)
    remedy = "let both machines follow the same time server (chrony, systemd-timesyncd)"
    return (failure if abs(offset) > APART else warning)(what, shown, remedy)
