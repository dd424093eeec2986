"""A moment as text, the one form of it everywhere outside the engine: RFC 3339, UTC, `Z`, six digits."""

from datetime import UTC, datetime

import orjson


def stamp(at: datetime) -> str:
    """Write it, at a third of the time of `isoformat`: a command has ten of them."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    text = orjson.dumps(at, option=orjson.OPT_UTC_Z)[1:-1].decode()
    return text if at.microsecond else f"{text[:-1]}.000000Z"


def unstamp(text: str) -> datetime:
    """The moment that `stamp` wrote."""
    return datetime.fromisoformat(text).astimezone(UTC)
