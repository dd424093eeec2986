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

from models import backlog, breaker, clock, effect, safety, schema, site_fault
from models.database import reading
from models.timestamps import stamp
from workers.base import private_files
from workers.base.settings import Settings, masked
from workers.context import Context
from workers.health import (
    clock_skew,
    database_checks,
    doctor_fleet,
    doctor_history,
    doctor_queues,
    heartbeats,
    liveness,
    open_modes,
    redis_checks,
)
from workers.health.check import Finding, failure, warning, well
from workers.health.readiness import asked, clock_heartbeat, worker_heartbeats
from workers.queue.scripts import mended_dispatch

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
    context = Context(settings)
    try:
        return examine(context)
    finally:
        context.database.dispose()


def settings_of(settings: Settings) -> dict[str, str]:
    """Every setting, masked: as the running processes have them, else as this shell has."""
    context = Context(settings)
    try:
        rows = doctor_fleet.running(context)
    finally:
        context.database.dispose()
    told: dict[str, str] = rows[0].report["settings"] if rows else masked(settings)
    return told


def examine(context: Context) -> list[Finding]:
    """Look at everything, as the running processes have it; a part that can't be reached is a finding too."""
    looks: tuple[tuple[str, Callable[[Context], Iterator[Finding]]], ...] = (
        ("libraries", _libraries),
        ("database", _database),
        ("redis", _redis),
        ("queues", doctor_queues.judge),
        ("clocks", clock_skew.judge),
        ("privacy", _privacy),
        ("stores", _stores),
        ("processes", _processes),
    )
    return [finding for name, look in looks for finding in asked(name, look, context)]


def _libraries(_place: Context) -> Iterator[Finding]:
    for name, verified in VERIFIED.items():
        found = version(name)
        remedy = f"Tenure was verified on {verified}: install it as constraints.txt has it"
        yield well(name, found) if found == verified else warning(name, found, remedy)
    try:
        mended_dispatch(stock._scripts["dispatch"])  # noqa: SLF001 - what the broker will change
    except RuntimeError as wrong:
        yield failure("dispatch script", "unknown", str(wrong))


def _database(context: Context) -> Iterator[Finding]:
    settings = doctor_fleet.settings(context)
    with reading(context.database) as tx:
        yield from database_checks.judge(tx, test_clock=settings.test_clock)
        current, unfit = str(schema.current(tx)), schema.unfit(tx)
        if unfit is not None:
            yield failure("schema", current, unfit)
            return
        yield well("schema", current)
        yield _clock(tx, settings)
        yield from _guards(tx)
        yield from _waiting(tx)
        yield doctor_history.history(tx)


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
    yield _queue("timers", backlog.timers(tx, now - LATE), failure, "overdue", NO_CLOCK)
    yield _queue("events", backlog.events(tx, now - LATE), failure, "unsent", NO_SWEEP)
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
    what: str, found: backlog.Queue, level: Callable[[str, str, str], Finding], how: str, remedy: str
) -> Finding:
    if found.since is None:
        return well(what, "on time")
    return level(what, f"{found.count} {how}, the first since {stamp(found.since)}", remedy)


def _redis(context: Context) -> Iterator[Finding]:
    yield from redis_checks.judge(redis_checks.ask(context.redis))


def _privacy(context: Context) -> Iterator[Finding]:
    """Whether other users of this machine could read what is ours; what was open is closed."""
    closed = open_modes.close(context.settings)
    if closed.mended.count:
        remedy = "who could enter them could read them until now: renew the passwords that stand there"
        yield warning("privacy", f"closed to other users: {closed.mended}", remedy)
    if closed.foreign.count:
        yield warning("privacy", str(closed.foreign), open_modes.theirs())
    if not closed.mended.count and not closed.foreign.count:
        yield well("privacy", "closed to other users")
    runs = heartbeats.supervisor(context.settings.data_dir)
    name = private_files.user(os.geteuid() if runs is None else _owner(runs))
    yield warning("user", name, open_modes.AS_ROOT) if name == "root" else well("user", name)


def _owner(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return os.geteuid()


def _stores(context: Context) -> Iterator[Finding]:
    yield from doctor_fleet.judge(context)
    for folder in sorted(_folders(doctor_fleet.settings(context))):
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


def _processes(context: Context) -> Iterator[Finding]:
    yield worker_heartbeats(liveness.ages(context.redis, "worker"))
    with reading(context.database) as tx:
        beat = clock.last_beat(tx, "clock")
    yield clock_heartbeat(None if beat is None else beat.total_seconds())
