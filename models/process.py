"""What each process of the fleet says of itself: its settings, and which adapters are out of reach. Machine time."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Row, delete, select
from sqlmodel import Field, SQLModel

from models.columns import Json
from models.upsert import upsert

LIVING = timedelta(seconds=60)
"""A process that said nothing for so long counts as gone; it reports every 10 s."""

FORGOTTEN = timedelta(days=1)


class ProcessRow(SQLModel, table=True):
    """One process, named `role.pid.host`; `report` is `{"settings": {…}, "test_clock": bool, "adapters": {…}}`."""

    __tablename__ = "process"

    name: str = Field(primary_key=True)
    role: str
    at: datetime = Field(index=True)
    report: Any = Field(default=None, sa_column=Column(Json))


PROCESSES = ProcessRow.__table__  # type: ignore[attr-defined]


def note(tx: Connection, name: str, role: str, report: dict[str, Any], machine_now: datetime) -> None:
    """Write down what a process says; rows of those that ended long ago go."""
    upsert(tx, PROCESSES, ("name",), [{"name": name, "role": role, "at": machine_now, "report": report}])
    tx.execute(delete(PROCESSES).where(PROCESSES.c.at < machine_now - FORGOTTEN))


def living(tx: Connection, machine_now: datetime) -> list[Row[Any]]:
    """The processes that reported within the last minute, by name."""
    query = select(PROCESSES).where(PROCESSES.c.at > machine_now - LIVING)
    return list(tx.execute(query.order_by(PROCESSES.c.name)))


def end(tx: Connection, name: str) -> None:
    """A process has ended by itself: it is not waited for."""
    tx.execute(delete(PROCESSES).where(PROCESSES.c.name == name))
