"""How one event becomes one line: for people, for machines, and for `grep`."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from structlog.typing import EventDict, WrappedLogger

from engine.printable import UNSAFE_CLASS
from engine.spelling import has_at_sign
from engine.words import masked
from models.timestamps import stamp
from workers.base.masking import hidden

KEYS = (
    *("ts", "level", "msg", "site", "site_id", "command", "command_id", "source", "correlation_id"),
    *("from", "to", "effect", "effect_id", "attempt", "due", "next", "outcome", "code", "error"),
    *("duration_ms", "worker"),
)
"""The keys in their fixed order (contract.md, section 6)."""

_TO_JSON = json.JSONEncoder(default=str, separators=(", ", ": ")).encode

UNSAFE = re.compile(f"[{UNSAFE_CLASS}\ud800-\udfff\\\\]")
"""What could forge a line or turn the reading direction, and the backslash, with which it is escaped."""

LONGEST_VALUE = 1_000
LONGEST_ERROR = 6_000
"""Characters of a value, and of an error with its traceback: its beginning and its end are kept."""

LOOKED_AT = 1 << 20
LONGEST_LINE = 16 << 10
"""Bytes of a line, whatever its values become when they are escaped."""

LEVELS = {"info": "info ", "warning": "WARN ", "error": "ERROR", "critical": "ERROR"}
COLOURS = {"info": "", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
PLAIN, DIM, BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"


def in_order(event: EventDict) -> dict[str, Any]:
    """Leave out what is None; the contract's keys come in its order, any other after them."""
    told = {key: event[key] for key in KEYS if event.get(key) is not None}
    if len(told) < len(event):
        told |= {key: value for key, value in event.items() if value is not None and key not in told}
    for key, value in told.items():
        if isinstance(value, datetime):
            told[key] = stamp(value)
        elif isinstance(value, str) and key == "error":
            told[key] = hidden(value)
    return told


Form = Callable[[WrappedLogger, str, EventDict], str]


@dataclass(frozen=True, slots=True)
class Bounded:
    """A form whose lines have no addresses and are never longer than `LONGEST_LINE`. An ordinary line is made once."""

    form: Form

    def __call__(self, logger: WrappedLogger, level: str, event: EventDict) -> str:
        """Render, and if the line is long or may name somebody, again from what may be said."""
        text = self.form(logger, level, event)
        if len(text) > LONGEST_VALUE or has_at_sign(text):
            return _fitted(self.form, {key: _clean(value) for key, value in event.items()})
        return text


def _clean(value: Any) -> Any:
    """A value without addresses, as text unless it is a number."""
    return value if isinstance(value, (int, float)) and abs(value) < 1 << 63 else masked(_cut(str(value), LOOKED_AT))


def _fitted(form: Form, event: EventDict) -> str:
    """The line with its values cut until it fits: escaped, a character may become ten."""
    most = LONGEST_ERROR
    while True:
        cut = {key: _cut(value, most if key == "error" else min(most, LONGEST_VALUE)) for key, value in event.items()}
        text = form(None, "", cut)
        if len(text.encode("utf-8", "replace")) <= LONGEST_LINE:
            return text
        most //= 2


def _cut(value: Any, most: int) -> Any:
    """The beginning and the end of a long text, and how much is left out between them."""
    if not isinstance(value, str) or len(value) <= most:
        return value
    half = most // 2
    return f"{value[:half]} … {len(value) - 2 * half} characters … {value[-half:] if half else ''}"


def json_line(_logger: WrappedLogger, _level: str, event: EventDict) -> str:
    """Render as JSON; ASCII only, so that no character can be taken for a line's end or half a pair."""
    return _TO_JSON(event)


def logfmt(_logger: WrappedLogger, _level: str, event: EventDict) -> str:
    """Render as `key=value` pairs, quoted where a value holds a space, a quote or an equals sign."""
    return " ".join(f"{key}={_quoted(value)}" for key, value in event.items())


def console(_logger: WrappedLogger, _level: str, event: EventDict) -> str:
    """Render for a person: time, level, word and site in columns, then the move, then what else is known."""
    return _columns(event, bold="", dim="", plain="")


def console_in_colour(_logger: WrappedLogger, _level: str, event: EventDict) -> str:
    """Render as `console` does, with the level's colour."""
    return COLOURS[event["level"]] + _columns(event, bold=BOLD, dim=DIM, plain=PLAIN)


def _columns(event: EventDict, *, bold: str, dim: str, plain: str) -> str:
    rest = dict(event)
    moment, level, word = rest.pop("ts"), rest.pop("level"), rest.pop("msg")
    site, error = safe(rest.pop("site", "")), rest.pop("error", None)
    move = _move(rest.pop("from", None), rest.pop("to", None))
    if "worker" in rest:  # the host stands in the other formats
        rest["worker"] = ".".join(str(rest["worker"]).split(".")[:2])
    head = (
        f"{moment[5:10]} {moment[11:23]}  {LEVELS[level]}  {word:<9}{plain}  {bold}{site:<28}{plain}  {move}".rstrip()
    )
    tail = " ".join(f"{key}={_quoted(value)}" for key, value in rest.items())
    line = f"{head}  {dim}{tail}{plain}" if tail else head
    return line if error is None else f"{line}  {_indented(str(error))}"


def _move(origin: str | None, target: str | None) -> str:
    if origin is None and target is None:
        return ""
    return safe(f"{origin or '·'} → {target or '·'}")


def _indented(error: str) -> str:
    """Keep a traceback readable: its lines are set back behind a bar, so that none looks like an event."""
    what, start, trace = error.partition("\nTraceback (most recent call last):\n")
    return "\n".join([f"error={_quoted(what)}", *(f"    | {safe(line)}" for line in trace.split("\n") if start)])


def _quoted(value: Any) -> str:
    text = safe(str(value).lower() if isinstance(value, bool) else str(value))
    if text and not re.search(r'[\s"=]', text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def safe(value: Any) -> str:
    """Escape what could forge another line, as Python writes it in a string."""
    text = str(value)
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
