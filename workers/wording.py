"""What a refusal says of a value from outside: the field, the value (escaped, at most 80 characters) and the remedy."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from engine import Refused
from engine.printable import escaped, is_printable
from engine.words import masked

LONGEST_VALUE = 80
LONGEST_LOOK = 2000
"""Characters that are looked at: an address that begins far behind what is shown is cut away with it."""


def short(value: object, most: int = LONGEST_VALUE) -> str:
    """A value from outside, without e-mail addresses, escaped and cut."""
    text = value if isinstance(value, str) else repr(value)
    return escaped(masked(text[:LONGEST_LOOK]))[:most]


def sentence(wrong: ValidationError, where: str = "") -> str:
    """The first fault as field, value and remedy."""
    error = min(wrong.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    field = where + short(".".join(str(part) for part in error["loc"]))
    value = short(error["input"])
    match error["type"]:
        case "missing":
            return f"{field} is missing; add it"
        case "extra_forbidden":
            return f"{field} {value!r} is not a field of this command; leave it out"
        case "string_unicode":
            return f"{field} {value!r} is not accepted: it holds half a character (a lone surrogate); send whole ones"
        case "value_error":
            return f"{field} {value!r} is not accepted: {escaped(str(error['ctx']['error']))}"
    return f"{field} {value!r} is not accepted: {error['msg']}"


def unprintable(code: str, members: Mapping[str, Any], where: str = "") -> Refused:
    """The refusal of the first text that would harm its reader."""
    wrong = {name: text for name, text in members.items() if isinstance(text, str) and not is_printable(text)}
    name, text = next(iter(wrong.items()))
    why = "it holds control, format or bidirectional characters, or a line break; leave them out"
    return Refused(code, f"{where}{name} {short(text)!r} is not accepted: {why}")
