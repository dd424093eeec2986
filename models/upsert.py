"""Insert or replace by key, in the words of both databases."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from models.many import execute_many


def upsert(tx: Connection, table: Table, key: Sequence[str], rows: list[dict[str, Any]]) -> None:
    """Write rows; where the key exists already, its other columns take the new values."""
    insert = (postgresql if tx.dialect.name == "postgresql" else sqlite).insert(table)
    others = {name: insert.excluded[name] for name in rows[0] if name not in key}
    statement = insert.on_conflict_do_update(index_elements=list(key), set_=others)
    execute_many(tx, statement, rows)


def insert_once(tx: Connection, table: Table, key: Sequence[str], rows: list[dict[str, Any]]) -> None:
    """Write rows; where the key exists already, nothing happens."""
    insert = (postgresql if tx.dialect.name == "postgresql" else sqlite).insert(table)
    execute_many(tx, insert.on_conflict_do_nothing(index_elements=list(key)), rows)
