"""Rows whose key is one of many, asked for with one value: the statement is the same for any number of them.

A few are asked for one by one: making such a statement takes longer than it saves then.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Select, Text, any_, bindparam, func, select, tuple_

from models.bulk import FEW
from models.columns import to_json


def among(tx: Connection, column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
    """Whether a column of text has one of these values."""
    if len(values) < FEW:
        return column.in_(list(values))
    if tx.dialect.name == "postgresql":
        return column == any_(_array(values))
    return column.in_(select(_listed(values).c.value))


def pairs_among(tx: Connection, columns: tuple[Any, Any], pairs: Collection[tuple[str, str]]) -> ColumnElement[bool]:
    """Whether two columns of text have one of these pairs."""
    return tuple_(*columns).in_(list(pairs) if len(pairs) < FEW else _rows(tx, pairs))


def _rows(tx: Connection, pairs: Collection[tuple[str, str]]) -> Select[Any]:
    if tx.dialect.name == "postgresql":
        firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
        listed = func.unnest(_array(firsts), _array(seconds)).table_valued("one", "two").render_derived()
        return select(listed.c.one, listed.c.two)
    pair = _listed(pairs).c.value
    return select(pair.op("->>")(0), pair.op("->>")(1))


def _array(values: Collection[str]) -> Any:
    return bindparam(None, list(values), type_=ARRAY(Text))


def _listed(values: Collection[Any]) -> Any:
    """The values as a table: SQLite has no arrays, and reads them from JSON."""
    return func.json_each(bindparam(None, to_json(list(values)))).table_valued("value")
