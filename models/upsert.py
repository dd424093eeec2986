"""Insert or replace by key, in the words of both databases."""

from functools import lru_cache
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Executable, Table

from models.bulk import KEPT, execute_many


def upsert(tx: Connection, table: Table, key: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Write rows; where the key exists already, its other columns take the new values."""
    execute_many(tx, _upsert(tx.dialect.name, table, key, tuple(rows[0])), rows)


def insert_once(tx: Connection, table: Table, key: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Write rows; where the key exists already, nothing happens."""
    execute_many(tx, _insert_once(tx.dialect.name, table, key), rows)


@lru_cache(KEPT)
def _upsert(database: str, table: Table, key: tuple[str, ...], names: tuple[str, ...]) -> Executable:
    insert = _insert(database, table)
    others = {name: insert.excluded[name] for name in names if name not in key}
    changed: Executable = insert.on_conflict_do_update(index_elements=list(key), set_=others)
    return changed


@lru_cache(KEPT)
def _insert_once(database: str, table: Table, key: tuple[str, ...]) -> Executable:
    once: Executable = _insert(database, table).on_conflict_do_nothing(index_elements=list(key))
    return once


def _insert(database: str, table: Table) -> Any:
    """The dialects load slowly, and a process needs one of them."""
    return import_module(f"sqlalchemy.dialects.{database}").insert(table)
