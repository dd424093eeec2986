"""`tenure doctor --ready`: whether work that comes now is done now, by this `tenure up` or this fleet."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from sqlalchemy import Engine

from models import clock, schema
from models.database import connect, reading
from workers.base.away import AWAY
from workers.base.settings import Settings, SettingsError, redis_url
from workers.health import database_checks, heartbeats, liveness, redis_checks
from workers.health.check import Finding, failure, well
from workers.queue import clients

SILENCE_SECONDS = 30.0
"""So long a clock may be silent: it beats every 5 s."""

T = TypeVar("T")
OUT_OF_REACH = (*AWAY, SettingsError, ValueError)
"""A part is away, or its address or its answer can't be understood."""


def ready(settings: Settings) -> list[Finding]:
    """All that work needs; a part that does not answer is a failure."""
    database = connect(settings.database_url)
    try:
        return [
            *_drain(settings),
            *asked("database", partial(_database, database), settings),
            *asked("redis", _redis, settings),
        ]
    finally:
        database.dispose()


def asked(name: str, look: Callable[[T], Iterator[Finding]], at: T) -> Iterator[Finding]:
    """What a look finds; when its part is away, that."""
    try:
        yield from look(at)
    except OUT_OF_REACH as wrong:
        said = str(wrong).strip().splitlines()
        yield failure(name, "out of reach", said[0] if said else type(wrong).__name__)


def _drain(settings: Settings) -> Iterator[Finding]:
    draining = heartbeats.draining(settings.data_dir)
    if draining is not None:
        yield failure("tenure up", "draining", f"process {draining} takes no new work: start another when it has ended")


def _database(database: Engine, settings: Settings) -> Iterator[Finding]:
    with reading(database) as tx:
        yield from (one for one in database_checks.judge(tx, test_clock=settings.test_clock) if one.level == "refuse")
        current, unfit = str(schema.current(tx)), schema.unfit(tx)
        if unfit is not None:
            yield failure("schema", current, unfit)
            return
        yield well("schema", current)
        beat = clock.last_beat(tx, "clock")
    yield clock_heartbeat(None if beat is None else beat.total_seconds())


def clock_heartbeat(silent_seconds: float | None) -> Finding:
    """Judge how long the clock has been silent; it may run anywhere."""
    shown = "never" if silent_seconds is None else f"{max(0.0, silent_seconds):.0f} s ago"
    if silent_seconds is not None and silent_seconds < SILENCE_SECONDS:
        return well("clock heartbeat", shown)
    return failure(
        "clock heartbeat", shown, "nothing is fired and nothing swept: start `tenure up` or `python -m schedules`"
    )


def _redis(settings: Settings) -> Iterator[Finding]:
    with clients.for_checks(redis_url(settings)) as client:
        said = redis_checks.ask(client)
        # What is lost at a restart of Redis keeps nobody from working now.
        yield from (one for one in redis_checks.judge(said) if one.level == "refuse" or one.what in redis_checks.NOW)
        ages = liveness.ages(client, "worker")
    yield worker_heartbeats(ages)


def worker_heartbeats(ages: list[float]) -> Finding:
    """Judge the workers that answer, anywhere, by the seconds since each did."""
    if ages:
        return well("workers", f"{len(ages)} answering, within {max(ages):.0f} s")
    return failure("workers", "none answering", "nothing is done: start `tenure up` or `python -m workers`")
