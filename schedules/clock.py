"""The clock process: APScheduler wakes the engine when time makes something due. Dates live in the Timer table."""

import logging
import signal
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from models import safety, timer
from models.clock import beat, engine_now, machine_now
from models.database import checkpoint, reading, writing
from workers.base import logs, private_files, process_memory
from workers.base.away import AWAY
from workers.base.logs import log
from workers.base.settings import SettingsError, load, redis_url
from workers.base.terminal import take_over, warn
from workers.context import Context
from workers.health import fleet, heartbeats, liveness, open_modes, preflight, redis_checks
from workers.health.redis_bounds import RedisBounds
from workers.outbox import clock_wake_up
from workers.safety.safe_mode import beat as raise_marks
from workers.storage import customer_database
from workers.timers import audit, history
from workers.timers.fire import fire_due
from workers.timers.sweep import sweep

SOONEST = timedelta(milliseconds=5)
LATEST = timedelta(seconds=1)
"""Another process may insert an earlier timer at any time, so no wait is longer than this."""

HEARTBEAT = "clock"


class DueTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """Fires at the earliest due moment of the Timer table."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:  # noqa: ARG002 - APScheduler's signature
        """The machine's moment at which the next timer is due: never in the past, for that would loop for ever."""
        return now + min(max(self._until_due(), SOONEST), LATEST)

    def _until_due(self) -> timedelta:
        try:
            with reading(self.context.database) as tx:
                due, now = None if safety.holds(tx) else timer.earliest(tx), engine_now(tx)
        except AWAY as wrong:
            log.error("alarm", error=f"the timers could not be read, they are asked again in a second: {wrong}")
            return LATEST
        return LATEST if due is None else due - now


class Clock:
    """A handful of jobs in memory: due timers, sweeps, the heartbeat."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self.stopped = Event()
        self.audited: str | None = None
        self.bounds = RedisBounds(context)
        self.removal = history.Removal(context)
        self.fire = self._job(self.fire_all, DueTrigger(context))
        self.sweep = self._job(self.sweep_all, IntervalTrigger(seconds=1))
        self._job(self.beat, IntervalTrigger(seconds=5))
        self._job(self.audit, IntervalTrigger(seconds=10))
        self._job(fleet.Reporter(context, HEARTBEAT).report, IntervalTrigger(seconds=fleet.REPORT_SECONDS))
        self._job(self.look_again, IntervalTrigger(seconds=10))
        self._job(self.carry_over, IntervalTrigger(seconds=1))
        self._job(self.remove_history, IntervalTrigger(seconds=1))
        self._job(self.keep_bounds, IntervalTrigger(seconds=10))
        self._job(
            heartbeats.HeartbeatFile(context.settings.data_dir, "clock").beat,
            IntervalTrigger(seconds=heartbeats.BEAT_SECONDS),
        )

    def _job(self, verb: Any, trigger: Any) -> Job:
        return self.scheduler.add_job(verb, trigger, next_run_time=machine_now())

    def run(self) -> None:
        """Live until told to stop; a wake-up runs the jobs at once."""
        self.scheduler.start()
        while not self.stopped.is_set():
            try:
                if clock_wake_up.wait(self.context, 1):
                    self.wake()
            except AWAY:
                self.stopped.wait(1)
        self.scheduler.shutdown(wait=True)

    def stop(self, *_signal: Any) -> None:
        """Finish what runs, then end."""
        self.stopped.set()

    def wake(self) -> None:
        """Ask the table and the outbox now."""
        for job in (self.fire, self.sweep):
            job.modify(next_run_time=machine_now())

    def fire_all(self) -> None:
        """Fire until nothing is due."""
        try:
            while not self.stopped.is_set() and fire_due(self.context):
                pass
        except AWAY as wrong:
            log.error("alarm", error=f"due timers could not be fired, they are tried again in a second: {wrong}")

    def sweep_all(self) -> None:
        """Offer again what was not done."""
        try:
            sweep(self.context)
        except AWAY as wrong:
            log.error("alarm", error=f"the sweep could not be done, it is tried again in a second: {wrong}")

    def audit(self) -> None:
        """Look over the timers of the next sites, and begin again when all were looked over."""
        try:
            self.audited = audit.look_over(self.context, self.audited)
        except AWAY as wrong:
            log.error("alarm", error=f"the timers could not be looked over, it is tried again in 10 s: {wrong}")

    def look_again(self) -> None:
        """Ask the sites again that could not say how many agents are in use."""
        try:
            self.context.agents.look_again()
        except AWAY as wrong:
            log.error("alarm", error=f"sites with a fault could not be asked again, it is tried in 10 s: {wrong}")

    def carry_over(self) -> None:
        """Carry the database's log over before a command has to wait for it."""
        try:
            checkpoint(self.context.database)
        except AWAY as wrong:
            log.error("alarm", error=f"the database's log could not be carried over, it is tried again: {wrong}")

    def remove_history(self) -> None:
        """Remove what is kept no longer."""
        try:
            self.removal.run()
        except AWAY as wrong:
            log.error("alarm", error=f"the history could not be looked over, it is tried again: {wrong}")

    def keep_bounds(self) -> None:
        """Look after Redis: its memory, and what in it is nobody's."""
        try:
            self.bounds.look()
        except AWAY as wrong:
            log.error("alarm", error=f"Redis could not be looked after, it is tried again in 10 s: {wrong}")

    def beat(self) -> None:
        """Prove that the clock lives, to the database and to Redis."""
        try:
            with writing(self.context.database) as tx:
                beat(tx, HEARTBEAT)
            raise_marks(self.context)
            liveness.beat(self.context.redis, "clock")
        except AWAY as wrong:
            log.error("alarm", error=f"the heartbeat was not written: {wrong}")


def main() -> int:
    """`python -m schedules`: the clock process."""
    private_files.begin()
    take_over()
    try:
        settings = load()
        logs.configure(settings.log_format, role="clock")
        open_modes.close_where_alone(settings)
        context = Context(settings)
        context.open_adapters()
        redis_checks.check(redis_url(settings))
        preflight.check(context.database, test_clock=settings.test_clock)
    except (SettingsError, ValueError) as wrong:
        warn(f"clock: {wrong}")
        return 1
    logging.getLogger("apscheduler").setLevel(
        logging.ERROR
    )  # a wake-up during a firing is no news: it fires until nothing is due
    process_memory.be_frugal()
    customer_database.QUICK.start(1)
    clock = Clock(context)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, clock.stop)
    clock.run()
    return 0
