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


REMEDIES = {
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "send a whole number"),
    "greater_than_equal": "send at least {ge}",
    "less_than_equal": "send at most {le}",
    "string_type": "send a text",
    "string_too_short": "send at least {min_length} character",
    "string_too_long": "send at most {max_length} characters",
    "string_pattern_mismatch": "send previous_day, 7_day, 30_day or the id of a backup",
    "literal_error": "send {expected}",
    "bool_type": "send true or false",
    "dict_type": "send a JSON object",
}
"""What to send instead, by the kind of fault that the validator names; one field alone has a pattern, `from`."""

OTHERWISE = "send what `tenure contract` says"


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
    remedy = REMEDIES.get(error["type"], OTHERWISE).format(**error.get("ctx", {}))
    return f"{field} {value!r} is not accepted: {remedy}"


def unprintable(code: str, members: Mapping[str, Any], where: str = "") -> Refused:
    """The refusal of the first text that would harm its reader."""
    wrong = {name: text for name, text in members.items() if isinstance(text, str) and not is_printable(text)}
    name, text = next(iter(wrong.items()))
    why = "it holds control, format or bidirectional characters, or a line break; leave them out"
    return Refused(code, f"{where}{name} {short(text)!r} is not accepted: {why}")
