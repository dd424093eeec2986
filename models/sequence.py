"""Numbers without gaps: taken inside the transaction that uses them, so an undone one gives its number back."""

from sqlalchemy import Connection, update
from sqlmodel import Field, SQLModel

from models.columns import Big
from models.upsert import insert_once


class CounterRow(SQLModel, table=True):
    """The last number given, by name."""

    __tablename__ = "counter"

    name: str = Field(primary_key=True)
    value: int = Field(default=0, sa_type=Big)


COUNTERS = CounterRow.__table__  # type: ignore[attr-defined]


def count(tx: Connection, name: str, by: int = 1) -> int:
    """The next number; of several, the last."""
    insert_once(tx, COUNTERS, ("name",), [{"name": name, "value": 0}])
    taken = update(COUNTERS).where(COUNTERS.c.name == name).values(value=COUNTERS.c.value + by)
    return int(tx.execute(taken.returning(COUNTERS.c.value)).scalar_one())
