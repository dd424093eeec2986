"""The oldest code that may run on the schema as it is: it says so itself, for old code can't know what new code did."""

from sqlalchemy import Connection, select
from sqlmodel import Field, SQLModel

from models.upsert import upsert


class FloorRow(SQLModel, table=True):
    """One row; `oldest` is a number of a migration."""

    __tablename__ = "floor"

    id: int = Field(primary_key=True)
    oldest: str


FLOORS = FloorRow.__table__  # type: ignore[attr-defined]


def oldest(tx: Connection) -> str | None:
    """The oldest schema whose code may run here, None where nothing was said."""
    said: str | None = tx.execute(select(FLOORS.c.oldest)).scalar_one_or_none()
    return said


def say(tx: Connection, number: str) -> None:
    """Whoever has migrated says for whom the schema still serves."""
    upsert(tx, FLOORS, ("id",), [{"id": 1, "oldest": number}])
