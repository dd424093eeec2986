"""Many rows by one statement: their values are bound here, which takes a third of the time that SQLAlchemy takes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Executable, Table

from models import postgresql

FEW = 16
"""For so few rows preparing costs more than it saves."""

KEPT = 128
"""Statements that stay compiled."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as its driver takes it: the text, the names of its values, and how each is written (None: as it is).

    A driver that counts places gets the values as a tuple, one that names them as a dictionary.
    """

    text: str
    names: tuple[str, ...]
    binders: tuple[Callable[[Any], Any] | None, ...]
    counts: bool

    def bind(self, rows: list[Row]) -> list[Any]:
        """The rows' values as the driver takes them."""
        columns = [_bound([row[name] for row in rows], how) for name, how in zip(self.names, self.binders, strict=True)]
        values = zip(*columns, strict=True)
        return list(values) if self.counts else [dict(zip(self.names, one, strict=True)) for one in values]


def insert_many(tx: Connection, table: Table, rows: list[Row]) -> None:
    """Write new rows, of which none may be there already."""
    execute_many(tx, _insert(table), rows, {postgresql.COPY: (table.name, tuple(rows[0]))})


def execute_many(tx: Connection, statement: Executable, rows: list[Row], options: Row | None = None) -> int:
    """Run a statement of Core for each row, as `tx.execute(statement, rows)` does; how many rows it touched.

    A statement that is made once is compiled once.
    """
    prepared = _prepared(statement, tuple(rows[0]), tx.dialect) if len(rows) >= FEW else None
    if prepared is None:
        return tx.execute(statement, rows).rowcount
    return tx.exec_driver_sql(prepared.text, prepared.bind(rows), execution_options=options).rowcount


@lru_cache(KEPT)
def _insert(table: Table) -> Executable:
    return table.insert()


@lru_cache(KEPT)
def _prepared(statement: Executable, names: tuple[str, ...], dialect: Dialect) -> Prepared | None:
    """None where a column has a default: that is SQLAlchemy's to make."""
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))  # type: ignore[attr-defined]
    if compiled.insert_prefetch or compiled.update_prefetch:
        return None
    wanted = tuple(compiled.positiontup or compiled.binds)
    binders = [compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in wanted]
    return Prepared(compiled.string, wanted, tuple(binders), counts=compiled.positiontup is not None)


def _bound(values: list[Any], binder: Callable[[Any], Any] | None) -> list[Any]:
    if binder is None:
        return values
    last, bound, told = object(), None, []
    for value in values:
        if value is not last:  # most rows of one transaction have the same moment, or none
            last, bound = value, binder(value)
        told.append(bound)
    return told
