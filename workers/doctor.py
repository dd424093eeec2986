"""`tenure doctor`: what would lose data or stand still, each with its remedy."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import dramatiq.brokers.redis as stock
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from models import breaker, clock, effect, safety, schema, site_fault, waiting
from models.database import reading
from models.moments import stamp
from workers import alive, doctor_fleet, doctor_queues, modes, offsets, private, pulse, sound_database, sound_redis
from workers.finding import Finding, failure, warning, well
from workers.readiness import asked, clock_heartbeat, worker_heartbeats
from workers.redis_scripts import mended_dispatch
from workers.settings import Settings, masked
from workers.workplace import Workplace

LATE = timedelta(minutes=5)
"""So old nothing is on a machine that keeps up."""

NO_CLOCK = "no clock fires them: start `tenure up` or `python -m schedules`; if safe mode holds, that comes first"
NO_SWEEP = "nobody publishes them: start `tenure up` or `python -m schedules`; if Redis is away, that comes first"

VERIFIED = {
    "dramatiq": "2.2.1",
    "redis": "8.1.0",
    "APScheduler": "3.11.3",
    "transitions": "0.9.3",
    "SQLAlchemy": "2.1.9",
    "sqlmodel": "0.0.50",
}
"""The versions whose source was read and on which every fault was reproduced; others may differ where it hurts."""

NAMED = 5
"""Of things that are wrong in the same way so many are named."""

SCARCE, FULL = 1 << 30, 64 << 20
"""Bytes free in a store from which it is a warning and a failure."""


def examine_by(settings: Settings) -> list[Finding]:
    """Look at everything that these settings name."""
    place = Workplace(settings)
    try:
        return examine(place)
    finally:
        place.database.dispose()


def settings_of(settings: Settings) -> dict[str, str]:
    """Every setting, masked: as the running processes have them, else as this shell has."""
    place = Workplace(settings)
    try:
        rows = doctor_fleet.running(place)
    finally:
        place.database.dispose()
    told: dict[str, str] = rows[0].report["settings"] if rows else masked(settings)
    return told


def examine(place: Workplace) -> list[Finding]:
    """Look at everything, as the running processes have it; a part that can't be reached is a finding too."""
    looks: tuple[tuple[str, Callable[[Workplace], Iterator[Finding]]], ...] = (
        ("libraries", _libraries),
        ("database", _database),
        ("redis", _redis),
        ("queues", doctor_queues.judge),
        ("clocks", offsets.judge),
        ("privacy", _privacy),
        ("stores", _stores),
        ("processes", _processes),
    )
    return [finding for name, look in looks for finding in asked(name, look, place)]


def _libraries(_place: Workplace) -> Iterator[Finding]:
    for name, verified in VERIFIED.items():
        found = version(name)
        remedy = f"Tenure was verified on {verified}: install it as constraints.txt has it"
        yield well(name, found) if found == verified else warning(name, found, remedy)
    try:
        mended_dispatch(stock._scripts["dispatch"])  # noqa: SLF001 - what the broker will change
    except RuntimeError as wrong:
        yield failure("dispatch script", "unknown", str(wrong))


def _database(place: Workplace) -> Iterator[Finding]:
    settings = doctor_fleet.settings(place)
    with reading(place.database) as tx:
        yield from sound_database.judge(tx, test_clock=settings.test_clock)
        current, unfit = str(schema.current(tx)), schema.unfit(tx)
        if unfit is not None:
            yield failure("schema", current, unfit)
            return
        yield well("schema", current)
        yield _clock(tx, settings)
        yield from _guards(tx)
        yield from _waiting(tx)


def _clock(tx: Connection, settings: Settings) -> Finding:
    mode = "test" if clock.is_test(tx) else "wall"
    if (mode == "test") == settings.test_clock:
        return well("clock", mode)
    remedy = "set TENURE_TEST_CLOCK=1" if mode == "test" else "unset TENURE_TEST_CLOCK"
    return failure("clock", mode, f"the settings name the other one, and nothing starts: {remedy}")


def _guards(tx: Connection) -> Iterator[Finding]:
    """What has stopped time or deletions until somebody looks."""
    known = safety.state(tx)
    why = None if known is None else known.why
    remedy = "no timer fires: look at it, then `tenure safe-mode leave`"
    yield failure("safe mode", f"on ({why})", remedy) if why else well("safe mode", "off")
    state, why, budget = breaker.look(tx)
    if state == "tripped":
        remedy = "no site is deleted: `tenure deletion preview`, then `tenure deletion resume --confirm N`"
        yield failure("deletions", f"stopped ({why})", remedy)
    elif state == "paused":
        remedy = "no site is deleted: `tenure deletion preview`, then `tenure deletion resume --confirm N`"
        yield warning("deletions", f"paused ({why})", remedy)
    else:
        yield well("deletions", f"released for {budget} more" if state == "released" else "allowed")


def _waiting(tx: Connection) -> Iterator[Finding]:
    """What nobody does, or not in time."""
    now = clock.engine_now(tx)
    yield _queue("timers", waiting.timers(tx, now - LATE), failure, "overdue", NO_CLOCK)
    yield _queue("events", waiting.events(tx, now - LATE), failure, "unsent", NO_SWEEP)
    yield doctor_queues.effects(tx, now)
    yield from _still(tx)
    yield doctor_queues.given_up(tx)


def _still(tx: Connection) -> Iterator[Finding]:
    """Work that moves nothing, and sites whose content keeps us from working on it."""
    rows = effect.stuck(tx)
    if rows:
        named = ", ".join(f"{row.kind} of {row.site_id} since {stamp(row.stuck_since)}" for row in rows[:NAMED])
        remedy = "look at these sites' content and at the disk: it is tried again by itself"
        yield failure("stuck work", f"{len(rows)} effects: {named}", remedy)
    else:
        yield well("stuck work", "none")
    for row in site_fault.by_code(tx):
        value = f"{row.code} in {row.count}, the first since {stamp(row.since)}"
        yield warning("sites' content", value, f"`tenure site show {row.site_id}` says what is wrong and what helps")


def _queue(
    what: str, found: waiting.Queue, level: Callable[[str, str, str], Finding], how: str, remedy: str
) -> Finding:
    if found.since is None:
        return well(what, "on time")
    return level(what, f"{found.count} {how}, the first since {stamp(found.since)}", remedy)


def _redis(place: Workplace) -> Iterator[Finding]:
    yield from sound_redis.judge(sound_redis.ask(place.redis))


def _privacy(place: Workplace) -> Iterator[Finding]:
    """Whether other users of this machine could read what is ours; what was open is closed."""
    closed = modes.close(place.settings)
    if closed.mended.count:
        remedy = "who could enter them could read them until now: renew the passwords that stand there"
        yield warning("privacy", f"closed to other users: {closed.mended}", remedy)
    if closed.foreign.count:
        yield warning("privacy", str(closed.foreign), modes.theirs())
    if not closed.mended.count and not closed.foreign.count:
        yield well("privacy", "closed to other users")
    runs = pulse.supervisor(place.settings.data_dir)
    name = private.user(os.geteuid() if runs is None else _owner(runs))
    yield warning("user", name, modes.AS_ROOT) if name == "root" else well("user", name)


def _owner(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return os.geteuid()


def _stores(place: Workplace) -> Iterator[Finding]:
    yield from doctor_fleet.judge(place)
    for folder in sorted(_folders(doctor_fleet.settings(place))):
        yield _room(folder, shutil.disk_usage(folder).free)


def _folders(settings: Settings) -> set[Path]:
    """The folders of ours that can run full: what the settings name, where it is there already."""
    urls = (settings.host_url, settings.backups_url, settings.payments_url, settings.mail_url)
    named = {Path(url.removeprefix("file:").removeprefix("//")) for url in urls if url.startswith("file:/")}
    if settings.database_url.startswith("sqlite"):
        named.add(Path(make_url(settings.database_url).database or "").parent)
    return {folder for folder in {settings.data_dir, *named} if folder.is_dir()}


def _room(folder: Path, free: int) -> Finding:
    what, shown = f"space in {folder}", f"{free >> 20} MiB free"
    if free >= SCARCE:
        return well(what, shown)
    return (failure if free < FULL else warning)(what, shown, "a full disk stops all work: make room")


def _processes(place: Workplace) -> Iterator[Finding]:
    yield worker_heartbeats(alive.ages(place.redis, "worker"))
    with reading(place.database) as tx:
        beat = clock.last_beat(tx, "clock")
    yield clock_heartbeat(None if beat is None else beat.total_seconds())
