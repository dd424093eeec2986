"""How one event becomes one line: for people, for machines, and for `grep`."""

import json
import re
from datetime import datetime
from typing import Any

from structlog.typing import EventDict, WrappedLogger

from engine.words import masked
from models.moments import stamp

KEYS = (
    *("ts", "level", "msg", "site", "site_id", "command", "command_id", "source", "correlation_id"),
    *("from", "to", "effect", "effect_id", "attempt", "due", "next", "outcome", "code", "error"),
    *("duration_ms", "worker"),
)
"""The keys in their fixed order (contract, section 6)."""

_TO_JSON = json.JSONEncoder(default=str, separators=(", ", ": ")).encode

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\\\\]")
"""What could forge a line or turn the reading direction: controls, line and paragraph separators, halves of pairs."""

LEVELS = {"info": "info ", "warning": "WARN ", "error": "ERROR", "critical": "ERROR"}
COLOURS = {"info": "", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
PLAIN, DIM, BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"


def in_order(event: EventDict) -> dict[str, Any]:
    """Leave out what is None and e-mail addresses; the contract's keys come in its order, any other after them."""
    told = {key: event[key] for key in KEYS if event.get(key) is not None}
    if len(told) < len(event):
        told |= {key: value for key, value in event.items() if value is not None and key not in told}
    for key, value in told.items():
        if isinstance(value, str):
            if "@" in value:
                told[key] = masked(value)
        elif isinstance(value, datetime):
            told[key] = stamp(value)
    return told


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
    return UNSAFE.sub(_escape, str(value))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
