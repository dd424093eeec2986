"""Forgetting a customer: no row of a deleted site, and no other row that names its addresses, keeps one."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, Connection, Engine, RowMapping, String, Table, Text, bindparam, or_, select, type_coerce
from sqlmodel import SQLModel

from engine.command import is_operators
from engine.spelling import has_at_sign, names, plain
from engine.words import addresses_in, without
from models import receipt
from models.clock import review_secret
from models.columns import to_json
from models.database import checkpoint
from models.dead import DEAD
from models.site import SITES

FREE = ("dead", "event", "receipt")
"""Tables with rows of no site: what was refused before there was one, and what nobody could read."""

PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.05

PAGE = 500
"""Rows of nobody that are looked at in one go."""

MARKS = ("@", "\uff20", "\ufe6b", "%", "=", "\\", "&")
"""One of these is in every spelling of an at sign: a database finds no more than that."""

KEY = {"source", "id"}
ASKED_BY = {"source", "cause_source"}


def addresses(tx: Connection, site_id: str) -> frozenset[str]:
    """Every e-mail address that any row of the site holds, the present one first of all; operators' are not its own."""
    found: set[str] = set()
    for table in _tables():
        for row in _rows(tx, table, _belongs(table, site_id)):
            for column in _texts(table):
                if not _is_operators(column.name, row[column.name]):
                    found |= addresses_in(row[column.name] or "")
    return frozenset(address for address in found if not is_operators(address))


def forget(tx: Connection, site_id: str, known: frozenset[str]) -> None:
    """Mask every address in the rows of the site, its own one excepted, and the known ones in rows of nobody.

    They are found in whatever spelling (`engine.spelling`). The address itself goes last (`forget_address`), because
    the last letter needs it.
    """
    masking = Masking(review_secret(tx), frozenset(map(plain, known)))
    for table in _tables():
        keep = "email" if table is SITES else None
        for row in _rows(tx, table, _belongs(table, site_id)):
            masking.clean(tx, table, row, keep)
        for row in _rows_of_nobody(tx, table) if known and table.name in FREE else ():
            if masking.is_named_in(row):
                masking.clean(tx, table, row, None)


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


def _texts(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if isinstance(getattr(column.type, "impl", column.type), String)]


def _belongs(table: Table, site_id: str) -> Any:
    if table is DEAD:
        return DEAD.c.id.is_(None)
    return (table.c.id if table is SITES else table.c.site_id) == site_id


def _is_nobodys(table: Table) -> Any:
    return table.c.id.is_not(None) if table is DEAD else table.c.site_id.is_(None)


def _rows(tx: Connection, table: Table, where: Any, limit: int | None = None) -> list[RowMapping]:
    """The raw texts of rows that may hold an address, with their key, in the order of it."""
    texts = [type_coerce(column, Text).label(column.name) for column in _texts(table)]
    keys = [column.label(f"key_{column.name}") for column in table.primary_key]
    may_hold = or_(*(text.contains(mark, autoescape=True) for text in texts for mark in MARKS))
    query = select(*keys, *texts).where(where, may_hold).order_by(*table.primary_key).limit(limit)
    return list(tx.execute(query).mappings())


def _rows_of_nobody(tx: Connection, table: Table) -> Iterator[RowMapping]:
    """Page by page: strangers may have left many."""
    (key,) = table.primary_key
    where = _is_nobodys(table)
    while page := _rows(tx, table, where, PAGE):
        yield from page
        where = _is_nobodys(table) & (key > page[-1][f"key_{key.name}"])


def _is_operators(column: str, text: str | None) -> bool:
    """Whether it says which operator asked: that is history, and no customer's."""
    return column in ASKED_BY and is_operators(text or "")


class Masking:
    """Takes addresses out of rows: any that reads as one, and the known ones in every spelling."""

    def __init__(self, secret: bytes, known: frozenset[str]) -> None:
        self.secret = secret
        self.known = known

    def is_named_in(self, row: RowMapping) -> bool:
        """Whether some text of a row has one of the known addresses."""
        return any(isinstance(text, str) and names(text, self.known) for text in row.values())

    def clean(self, tx: Connection, table: Table, row: RowMapping, keep: str | None) -> None:
        """Write a row's texts without addresses, where that is a change."""
        changed = {
            column.name: cleaned
            for column in _texts(table)
            if column.name != keep and (text := row[column.name]) and has_at_sign(text)
            if (cleaned := self._without(table, column.name, text)) != text
        }
        if changed:
            same = [column == row[f"key_{column.name}"] for column in table.primary_key]
            values = {table.c[name]: bindparam(f"new_{name}", type_=Text) for name in changed}
            tx.execute(table.update().where(*same).values(values), {f"new_{name}": v for name, v in changed.items()})

    def _without(self, table: Table, name: str, text: str) -> str:
        """The text without addresses; a caller's key stays a key of its own."""
        if _is_operators(name, text):
            return text
        if table.name == "receipt" and name in KEY:
            is_named = bool(addresses_in(text)) or names(text, self.known)
            return receipt.forgotten(self.secret, text) if is_named else text
        return self._in_document(text)

    def _in_document(self, text: str) -> str:
        """A JSON document is masked value by value, so that it stays one."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return without(text, self.known)
        if not isinstance(document, (dict, list)):
            return without(text, self.known)
        cleaned = self._each(document)
        return to_json(cleaned) if cleaned != document else text

    def _each(self, value: Any, name: str = "") -> Any:
        if isinstance(value, Mapping):
            return {without(one, self.known): self._each(inner, one) for one, inner in value.items()}
        if isinstance(value, list):
            return [self._each(inner) for inner in value]
        return without(value, self.known) if isinstance(value, str) and not _is_operators(name, value) else value
