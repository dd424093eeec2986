"""Forgetting a customer: no row of a deleted site, and no other row that names its addresses, keeps one."""

import json
import time
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

from sqlalchemy import Column, Connection, Engine, String, Table, Text, and_, bindparam, func, or_, select, type_coerce
from sqlmodel import SQLModel

from engine.words import addresses_in, masked
from models.columns import to_json
from models.database import checkpoint
from models.dead import DEAD
from models.site import SITES

FREE = ("dead", "event", "receipt")
"""Tables with rows of no site: what was refused before there was one, and what nobody could read."""

PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.05

AT_ONCE = 50
"""Addresses in one question, each asked of every column that has text."""


def addresses(tx: Connection, site_id: str) -> frozenset[str]:
    """Every e-mail address that any row of the site holds, the present one first of all."""
    found: set[str] = set()
    for table in _tables():
        for row in tx.execute(_rows(table, _belongs(table, site_id))).mappings():
            found |= {address for value in row.values() for address in addresses_in(str(value))}
    return frozenset(found)


def forget(tx: Connection, site_id: str, known: frozenset[str]) -> None:
    """Mask every address in the rows of the site, its own one excepted, and the known ones in rows of nobody.

    The address itself goes last (`forget_address`), because the last letter needs it.
    """
    for table in _tables():
        _mask(tx, table, _belongs(table, site_id), keep="email" if table is SITES else None)
        for some in _few_at_once(known) if table.name in FREE else ():
            _mask(tx, table, and_(_is_nobodys(table), _names(table, some)), keep=None)


def forget_address(tx: Connection, site_id: str) -> None:
    """The site's own address."""
    tx.execute(SITES.update().where(SITES.c.id == site_id).values(email=""))


def erase(engine: Engine) -> bool:
    """Write what was freed with zeroes and empty SQLite's log; False when a long reader or another stands in the way.

    `secure_delete` is on for every connection, so freed cells and pages are zeroes already; the log still has older
    pages. On PostgreSQL dead rows go with its own vacuum, and its log with its retention: both are the operator's.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (done := checkpoint(engine, "TRUNCATE")) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)  # SQLite waits for readers, but not for another that carries the log over
    return done


def _tables() -> Iterator[Table]:
    """The tables whose rows belong to a site, or to nobody."""
    for table in SQLModel.metadata.sorted_tables:
        if "site_id" in table.c or table in {SITES, DEAD}:
            yield table


def _few_at_once(known: frozenset[str]) -> Iterator[list[str]]:
    """Addresses in parts: a database has a depth that it understands a question to, SQLite one of 1,000."""
    ordered = sorted(known)
    return (ordered[first : first + AT_ONCE] for first in range(0, len(ordered), AT_ONCE))


def _texts(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if isinstance(getattr(column.type, "impl", column.type), String)]


def _belongs(table: Table, site_id: str) -> Any:
    if table is DEAD:
        return DEAD.c.id.is_(None)
    return (table.c.id if table is SITES else table.c.site_id) == site_id


def _is_nobodys(table: Table) -> Any:
    return table.c.id.is_not(None) if table is DEAD else table.c.site_id.is_(None)


def _names(table: Table, known: Iterable[str]) -> Any:
    """Whether some text of a row has one of the addresses, in whatever case."""
    texts = [func.lower(type_coerce(column, Text)) for column in _texts(table)]
    return or_(*(text.contains(address.lower(), autoescape=True) for text in texts for address in known))


def _rows(table: Table, where: Any) -> Any:
    """The raw texts of rows that hold an address, with their key."""
    texts = [type_coerce(column, Text).label(column.name) for column in _texts(table)]
    keys = [column.label(f"key_{column.name}") for column in table.primary_key]
    return select(*keys, *texts).where(where, or_(*(text.contains("@") for text in texts)))


def _mask(tx: Connection, table: Table, where: Any, *, keep: str | None) -> None:
    for row in tx.execute(_rows(table, where)).mappings().all():
        changed = {
            column.name: _without(table, column.name, row[column.name])
            for column in _texts(table)
            if column.name != keep and row[column.name] and "@" in row[column.name]
        }
        if changed:
            same = [column == row[f"key_{column.name}"] for column in table.primary_key]
            values = {table.c[name]: bindparam(f"new_{name}", type_=Text) for name in changed}
            tx.execute(table.update().where(*same).values(values), {f"new_{name}": v for name, v in changed.items()})


def _without(table: Table, name: str, text: str) -> str:
    """The text without addresses; a caller's key stays a key of its own."""
    if table.name == "receipt" and name in {"source", "id"}:
        return f"forgotten:{blake2b(text.encode(), digest_size=12).hexdigest()}"
    return _masked(text)


def _masked(text: str) -> str:
    """A JSON document is masked value by value, so that it stays one."""
    try:
        document = json.loads(text)
    except ValueError:
        return masked(text)
    return to_json(_each(document)) if isinstance(document, (dict, list)) else masked(text)


def _each(value: Any) -> Any:
    if isinstance(value, dict):
        return {masked(name): _each(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_each(inner) for inner in value]
    return masked(value) if isinstance(value, str) else value
