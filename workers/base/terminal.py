"""What people read on a terminal: everything that is printed goes through here, and nothing in it can act on it."""

import json
import re
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any

import click

from engine.printable import UNSAFE, escaped, escaped_lines
from workers.base.masking import hidden


def out(document: Any, text: Callable[[Any], str], *, as_json: bool) -> None:
    """Print a document as one line of JSON, or the same for people."""
    click.echo(json_line(document) if as_json else text(printable(document)))


def say(text: str) -> None:
    """Print lines of ours that hold nothing from outside but what is escaped here."""
    click.echo(escaped_lines(text))


def warn(text: str, file: IO[Any] | None = None) -> None:
    """Print a sentence on stderr (or into another file), without line breaks and secrets."""
    click.echo(escaped(hidden(text)), err=True, file=file)


def printable(value: Any) -> Any:
    """A document with every text escaped, so that only our own line breaks break lines."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {printable(name): printable(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(inner) for inner in value]
    return value


def json_line(document: Any) -> str:
    """A document as JSON in one line: readable letters stay, what may harm is escaped as JSON escapes it."""
    return UNSAFE.sub(_in_json, json.dumps(document, ensure_ascii=False))


def take_over() -> None:
    """Let nothing be printed in this process but by the rules of this room, not even a crash."""
    sys.excepthook = show_crash
    threading.excepthook = _show_end_of_thread


def _show_end_of_thread(end: threading.ExceptHookArgs) -> None:
    if end.exc_value is not None:
        warn(f"the thread {end.thread.name if end.thread else 'without a name'} ended:")
        show_crash(end.exc_type, end.exc_value, end.exc_traceback)


def show_crash(kind: type[BaseException], wrong: BaseException, trace: TracebackType | None) -> None:
    """Take the place of `sys.excepthook`: the same traceback, without secrets and what would act on a terminal."""
    sys.stderr.write(escaped_lines(hidden("".join(traceback.format_exception(kind, wrong, trace)))))


def _in_json(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f"  # which needs no escaping in JSON
