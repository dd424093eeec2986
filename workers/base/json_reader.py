"""JSON as other systems write it: numbers exact, and an object that has a member twice is marked, not guessed at."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

FAULT = "json fault"
"""The member that marks an object: what is wrong with it, and the members that stand twice. It outlives a retry, which
writes the message anew; whoever sends it marks a command of their own."""

DEEPEST = 100
"""Objects and lists within each other; no command has more than three."""

MOST_DIGITS = 4000
"""Of a whole number; Python reads no more than 4,300."""

HIDDEN_QUOTE = b"\\u0022"
ZEROES = bytes.maketrans(b"123456789", b"000000000")
LARGE = b"0" * 19
"""Digits of the first whole numbers that 64 bits can't hold."""

TOO_DEEP = json.dumps({FAULT: [f"it is nested more than {DEEPEST} deep; send it flat"]})
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|[^"\[\]{}]+|"', re.DOTALL)


class _TwiceError(ValueError):
    """An object has a member twice."""


def loads(raw: bytes) -> Any:
    """Read JSON in UTF-8. What can be read only in part is read and marked, so that its sender can be answered.

    Raises ValueError for what is no JSON at all.
    """
    try:
        found = orjson.loads(raw)
        if _is_exact(raw, found):
            return found
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass  # Python reads more: halves of pairs, numbers of any size
    return _read(raw.decode())


def _is_exact(raw: bytes, found: Any) -> bool:
    """Whether the fast reader read all of it: it takes a large number for a float, and the last of two members.

    A member that it left out would have brought quotes. Only a quote that is written as a number would count twice.
    """
    if HIDDEN_QUOTE in raw or LARGE in raw.translate(ZEROES):
        return False
    return orjson.dumps(found).count(b'"') == raw.count(b'"')


def _read(text: str) -> Any:
    try:
        return _read_once(text)
    except json.JSONDecodeError:
        raise
    except (_TwiceError, RecursionError, ValueError):
        return _read_marked(_shallow(text))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


_read_once = json.JSONDecoder(object_pairs_hook=_once).decode


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The last of each member, as most readers have it, and a mark if something is wrong in the object or within it."""
    found = dict(pairs)
    times = Counter(name for name, _ in pairs)
    twice = [name for name in found if times[name] > 1]
    if twice:
        found[FAULT] = [f"member {twice[0]!r} stands twice in one object; send it once", *twice]
    elif within := next(_marks(list(found.values())), None):
        found[FAULT] = within[:1]
    return found


def _marks(values: list[Any]) -> Iterator[list[str]]:
    """The marks of the objects in a list, which were read before it."""
    for value in values:
        if isinstance(value, dict) and FAULT in value:
            yield value[FAULT]
        elif isinstance(value, list):
            yield from _marks(value)


def _whole(digits: str) -> float:
    """A number that is too long to be any is as large as they get."""
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


_read_marked = json.JSONDecoder(object_pairs_hook=_marked, parse_int=_whole).decode


def _shallow(text: str) -> str:
    """The text with what is nested too deep put as a marked object."""
    kept, depth = [], 0
    for found in TOKEN.finditer(text):
        token = found[0]
        depth += token in {"[", "{"}
        if depth <= DEEPEST:
            kept.append(token)
        elif depth == DEEPEST + 1 and token in {"[", "{"}:
            kept.append(TOO_DEEP)
        depth -= token in {"]", "}"}
    return "".join(kept)
