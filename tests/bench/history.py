"""What a quiet active site costs the database, year after year, and whether looking at it stays as cheap.

The engine is the real one and lives on the test clock; its outside only remembers. `python -m tests.bench history`.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from models.database import reading, writing
from models.event import EVENTS
from tests.quick import QuickWorld
from workers.cli import reports
from workers.timers.history import Removal

NOWHERE = "redis://127.0.0.1:1/0"
YEAR = 365
TIMES = 21


def two_years(sites: int, days: int = YEAR) -> dict[str, float]:
    """Two times `days` of so many active sites: KB for each site, ms of what is asked, seconds of 90 days."""
    with TemporaryDirectory() as folder:
        world = QuickWorld(Path(folder) / "data", NOWHERE)
        try:
            return _two_years(world, sites, days)
        finally:
            world.close()


def _two_years(world: QuickWorld, sites: int, days: int) -> dict[str, float]:
    hosts = [f"site{number}.example.com" for number in range(sites)]
    removal = Removal(world.context)
    empty = used_kb(world)
    for host in hosts:
        world.start_trial(host)
        world.send("subscribe", host, agents=7, payment_method="pm_visa")
    live(world, removal, 31)
    start = costs(world, hosts[0])
    began = time.monotonic()
    live(world, removal, days - 31)
    seconds = time.monotonic() - began
    first = used_kb(world)
    live(world, removal, days)
    second = used_kb(world)
    end = costs(world, hosts[0])
    return {
        "first_kb": (first - empty) / sites,
        "second_kb": (second - first) / sites,
        "seconds_90_days": seconds * 90 / (days - 31),
        "longest_batch_ms": removal.longest * 1000,
        **{f"{name}_ratio": end[name] / start[name] for name in start},
    }


def live(world: QuickWorld, removal: Removal, days: int) -> None:
    """Day by day: what is due, then what is old."""
    for _ in range(days):
        world.advance(days=1)
        with writing(world.context.database) as tx:  # there is no stream here: all of it is published
            tx.execute(EVENTS.update().where(~EVENTS.c.sent).values(sent=True))
        while removal.run():
            pass


def used_kb(world: QuickWorld) -> float:
    """The pages of the database that hold something, indexes included."""
    with reading(world.context.database) as tx:
        size, pages, free = (
            int(tx.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_size", "page_count", "freelist_count")
        )
    return size * (pages - free) / 1024


def costs(world: QuickWorld, host: str) -> dict[str, float]:
    """Seconds of what operators ask, and of a command: the median."""
    numbers = iter(range(TIMES))
    return {
        "show": median(lambda: reports.show(world.context, host)),
        "history": median(lambda: reports.history(world.context, host)),
        "due": median(lambda: reports.due(world.context, within=None, subject=None)),
        "command": median(lambda: world.say("keep", host, key=f"{time.monotonic_ns()} {next(numbers)}")),
    }


def median(verb: Callable[[], Any]) -> float:
    """Seconds of one call."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        verb()
        took.append(time.perf_counter() - began)
    return statistics.median(took)
