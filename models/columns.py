"""Column types that carry the engine's values to the database and back."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel.sql.sqltypes import UTCDateTime

from models.timestamps import stamp, unstamp

Document = dict[str, Any]


def to_json(value: Any) -> str:
    """Compact JSON; moments become stamps, tuples lists."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    raise TypeError(f"{type(value).__name__} {value!r} has no JSON form here")


class SerializedJson(str):
    """JSON that is text already: it is stored as it stands."""

    __slots__ = ()


class Moment(UTCDateTime):
    """SQLModel's own type for a moment, read from SQLite and written to it at a quarter of the time; same columns."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        """Write."""
        return _to_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Read."""
        return _to_moment if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _to_text(at: datetime | None) -> str | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError(f"the moment {at} has no time zone; give it one")
    text = stamp(at)
    return f"{text[:10]} {text[11:-1]}"


def _to_moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


def with_moments(table: Any) -> Any:
    """The table of a hot path, its moments read and written by `Moment`."""
    for column in table.columns:
        if isinstance(column.type, UTCDateTime):
            column.type = Moment()
    return table


class Big(TypeDecorator[int]):
    """A whole number of 64 bits: what is counted for ever, and money times seconds. SQLite has no smaller ones."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        """Only a key of the type INTEGER numbers itself on SQLite."""
        return Integer() if dialect.name == "sqlite" else BigInteger()


class Json(TypeDecorator[Any]):
    """A JSON document as text, the same on SQLite and PostgreSQL."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002 - the library's signature
        """Write."""
        return _to_document

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002 - see above
        """Read."""
        return _from_document


def _to_document(value: Any) -> str | None:
    return None if value is None else str(value) if isinstance(value, SerializedJson) else to_json(value)


def _from_document(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


class Words(TypeDecorator[tuple[str, ...]]):
    """A tuple of words, separated by spaces."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002 - see above
        """Write."""
        return _to_line

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002 - see above
        """Read."""
        return _from_line


def _to_line(words: tuple[str, ...] | None) -> str:
    return " ".join(words or ())


def _from_line(line: str | None) -> tuple[str, ...]:
    return tuple(line.split()) if line else ()


class Frozen(TypeDecorator[Any]):
    """One of the engine's frozen dataclasses as JSON; fields of type datetime come back as moments.

    Fields that a newer version has added are left out: while hosts are replaced one by one, this one reads its rows.
    """

    impl = Text
    cache_ok = True

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.kind = kind
        self._names = frozenset(field.name for field in fields(kind))
        self._moments = frozenset(field.name for field in fields(kind) if "datetime" in str(field.type))

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002 - see above
        """Write."""
        return _to_fields

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002 - see above
        """Read."""
        return self._from_fields

    def _from_fields(self, text: str | None) -> Any:
        if text is None:
            return None
        return self.from_fields(orjson.loads(text))

    def from_fields(self, told: Document) -> Any:
        """The value from its fields as JSON has them."""
        return self.kind(**{name: self._read(name, given) for name, given in told.items() if name in self._names})

    def _read(self, name: str, given: Any) -> Any:
        if name in self._moments and given is not None:
            return unstamp(given)
        return tuple(given) if isinstance(given, list) else given


class Several(TypeDecorator[tuple[Any, ...]]):
    """A tuple of one of the engine's frozen dataclasses, as a JSON list; none is an empty text."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.kind = kind
        self._one = Frozen(kind)

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002 - see above
        """Write."""
        return _to_list

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002 - see above
        """Read."""
        return self._from_list

    def _from_list(self, text: str | None) -> tuple[Any, ...]:
        return tuple(map(self._one.from_fields, orjson.loads(text))) if text else ()


def _to_list(values: tuple[Any, ...] | None) -> str:
    return to_json([asdict(value) for value in values]) if values else ""


def _to_fields(value: Any) -> str | None:
    return None if value is None else to_json(asdict(value))
