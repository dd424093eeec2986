"""`tenure migrate`: the newest schema, and the clock that this database lives by."""

import time

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models import schema
from models.clock import is_test, settle_mode
from models.database import is_for_now, reading, writing
from workers.base.backoff import jittered
from workers.base.logs import log
from workers.health import database_checks
from workers.health.check import must_be_safe, tell

PATIENCE_SECONDS = 30.0
"""A database may be started at the same moment as we are."""

PAUSE_SECONDS = 0.5


def migrate(database: Engine, *, test_clock: bool) -> None:
    """Bring the database up to date; twice changes nothing.

    Raises ValueError when it would lose data, has lived by the other clock, or does not answer.
    """
    wait_for(database)
    with reading(database) as tx:
        must_be_safe(database_checks.judge(tx, test_clock=test_clock))
    schema.migrate(database)
    with writing(database) as tx:
        settle_mode(tx, test_clock=test_clock)


def check(database: Engine, *, test_clock: bool) -> None:
    """Refuse a database that would lose data, is not brought up to date by `tenure migrate`, or lives by another clock.

    Raises ValueError with the remedy.
    """
    wait_for(database)
    with reading(database) as tx:
        tell(must_be_safe(database_checks.judge(tx, test_clock=test_clock)))
        unfit = schema.unfit(tx)
        if unfit is not None:
            raise ValueError(unfit)
        lives_by_test = is_test(tx)
    if lives_by_test != test_clock:
        remedy = "set TENURE_TEST_CLOCK=1" if lives_by_test else "unset TENURE_TEST_CLOCK"
        raise ValueError(f"this database lives by {'the test' if lives_by_test else 'the wall'} clock: {remedy}")


def wait_for(database: Engine) -> None:
    """Wait for a server that is not there yet, a while and no longer; one line says so.

    Raises ValueError with what it said last.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    reason = _why_not(database)
    if reason is not None:
        log.warning("failed", error=f"{reason}; it is asked again for {PATIENCE_SECONDS:.0f} s")
    while reason is not None:
        if time.monotonic() > deadline:
            raise ValueError(f"{reason}; start it, or correct DATABASE_URL")
        time.sleep(jittered(PAUSE_SECONDS))
        reason = _why_not(database)


def _why_not(database: Engine) -> str | None:
    """What keeps the database from answering now, None when it does; an error of another kind passes through."""
    try:
        with reading(database):
            return None
    except DBAPIError as wrong:
        if not is_for_now(wrong):
            raise
        said = str(wrong.orig).strip().splitlines()
        name = database.url.set(drivername="postgresql", query={}).render_as_string()
        return f"the database {name} does not answer: {said[0] if said else type(wrong.orig).__name__}"
