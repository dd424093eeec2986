"""Two times: the engine's, which customers were promised, and the machine's, which never stands still."""

from datetime import UTC, datetime, timedelta
from secrets import token_hex

from sqlalchemy import Connection, select, update
from sqlmodel import Field, SQLModel

from models import safety
from models.database import is_reading
from models.upsert import insert_once, upsert


class ClockRow(SQLModel, table=True):
    """One row: whether this database lives by the wall clock or under the test clock, and where that one stands."""

    __tablename__ = "clock"

    id: int = Field(primary_key=True)
    mode: str
    now: datetime
    secret: str = Field(default_factory=token_hex)


class HeartbeatRow(SQLModel, table=True):
    """Proof that a process lives, in machine time."""

    __tablename__ = "heartbeat"

    name: str = Field(primary_key=True)
    at: datetime


CLOCK = ClockRow.__table__  # type: ignore[attr-defined]
HEARTBEATS = HeartbeatRow.__table__  # type: ignore[attr-defined]
_TEST_NOW = select(CLOCK.c.now).where(CLOCK.c.mode == "test")
_TEST_NOW_HELD = _TEST_NOW.with_for_update(read=True)


def machine_now() -> datetime:
    """The machine's wall clock, aware UTC: the only place that reads it."""
    return datetime.now(UTC)


def engine_now(tx: Connection) -> datetime:
    """The time of promises: the test clock's where it rules, else the machine's.

    The test clock stands still until a transaction that writes and has read it is over. The machine's counts from the
    latest moment that was seen: a clock that was set back would date what is promised now into the past.
    """
    held: datetime | None = tx.execute(_TEST_NOW if is_reading(tx) else _TEST_NOW_HELD).scalar_one_or_none()
    if held is not None:
        return held
    seen = safety.mark(tx)
    return machine_now() if seen is None else max(machine_now(), seen)


def settle_mode(tx: Connection, *, test_clock: bool) -> None:
    """Decide once which clock a database lives by.

    Raises ValueError when it has lived by the other one.
    """
    mode = "test" if test_clock else "wall"
    insert_once(tx, CLOCK, ("id",), [{"id": 1, "mode": mode, "now": machine_now(), "secret": token_hex()}])
    lived = tx.execute(select(CLOCK.c.mode).where(CLOCK.c.id == 1)).scalar_one()
    if lived != mode:
        raise ValueError(
            f"this database has lived by the {lived} clock and can't change to the {mode} clock: "
            f"{'unset TENURE_TEST_CLOCK' if test_clock else 'set TENURE_TEST_CLOCK=1'}, or use another data folder"
        )


def review_secret(tx: Connection) -> bytes:
    """The key that signs this database's review tokens."""
    return str(tx.execute(select(CLOCK.c.secret).where(CLOCK.c.id == 1)).scalar_one()).encode()


def is_test(tx: Connection) -> bool:
    """Whether the test clock rules."""
    return tx.execute(select(CLOCK.c.mode).where(CLOCK.c.id == 1)).scalar_one_or_none() == "test"


def move(tx: Connection, now: datetime) -> None:
    """Set the test clock; it only ever moves forward."""
    tx.execute(update(CLOCK).where(CLOCK.c.id == 1, CLOCK.c.mode == "test", CLOCK.c.now <= now).values(now=now))


def beat(tx: Connection, name: str) -> None:
    """Say that a process lives."""
    upsert(tx, HEARTBEATS, ("name",), [{"name": name, "at": machine_now()}])


def last_beat(tx: Connection, name: str) -> timedelta | None:
    """How long ago a process last said that it lives."""
    at = tx.execute(select(HEARTBEATS.c.at).where(HEARTBEATS.c.name == name)).scalar_one_or_none()
    return None if at is None else machine_now() - at
