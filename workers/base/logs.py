"""The log: one line per event, a word from a closed list, the same keys in the same order, three formats."""

import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Protocol, TypeAlias

import structlog
from structlog.typing import EventDict, WrappedLogger

from models.timestamps import stamp
from workers.base import log_formats

WORDS = frozenset(
    {
        *("ready", "moved", "refused", "no_op", "duplicate", "previewed", "done", "failed", "gave_up"),
        *("fired", "rescued", "held", "tripped", "started", "restarted", "paused", "alarm", "drained"),
    }
)
"""Every `msg` there is (contract.md, section 6): an operator may grep for a word and miss nothing."""

NOISY = ("Consumer encountered a connection error", "Failed to post_process_message")
"""What every thread of a worker says again and again while Redis is away: once in `NOISE_SECONDS` is enough."""

NOISE_SECONDS = 10.0

ATOMIC_BYTES = 4096
"""Linux's PIPE_BUF: writes to a pipe up to this size are never mixed with those of another process."""

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_HERE = threading.local()

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class LogStream(Protocol):
    """What a log is written to: stderr, or the pipe that Dramatiq puts in its place."""

    def write(self, text: str, /) -> object:
        """Take one whole line."""

    def flush(self) -> None:
        """Hand it on."""

    def isatty(self) -> bool:
        """Whether a person reads along."""


def configure(settings_log_format: str, stream: LogStream | None = None, *, role: str = "tenure") -> None:
    """Send every event, and the libraries' warnings, to `stream` (stderr) as `console`, `json` or `logfmt` lines.

    `auto` means console on a terminal and JSON otherwise. Each line names this process as `role.pid.host`. Call it
    again after a fork.
    """
    out: LogStream = sys.stderr if stream is None else stream
    structlog.configure(
        processors=[partial(_stamp, name_of_process(role)), renderer(settings_log_format, out)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=Lines(out),
        cache_logger_on_first_use=False,
    )
    logging.getLogger().handlers = [Bridge(logging.WARNING)]
    logging.getLogger().setLevel(logging.WARNING)
    # Some switch INFO on below the root: then libraries tell each of their steps.
    for name in ("transitions", "apscheduler", "dramatiq", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def renderer(log_format: str, stream: LogStream) -> Callable[[WrappedLogger, str, EventDict], str]:
    """Choose how an event becomes a line on this stream."""
    if log_format == "auto":
        log_format = "console" if stream.isatty() else "json"
    if log_format == "console":
        return log_formats.Bounded(log_formats.console_in_colour if _wants_colour(stream) else log_formats.console)
    return log_formats.Bounded({"json": log_formats.json_line, "logfmt": log_formats.logfmt}[log_format])


def _wants_colour(stream: LogStream) -> bool:
    """Colour on a terminal only; `tenure up` says `FORCE_COLOR` to workers whose pipe ends at one."""
    return not os.environ.get("NO_COLOR") and (stream.isatty() or bool(os.environ.get("FORCE_COLOR")))


def name_of_process(role: str) -> str:
    """Name this process among all hosts: `worker.4711.host-1`."""
    return f"{role}.{os.getpid()}.{socket.gethostname()}"


def _stamp(worker: str, _logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """Put `ts`, `level` and `msg` first, check the word, fold an exception into `error`, leave nothings out."""
    word = event.pop("event")
    if word not in WORDS:
        raise ValueError(f"{word!r} is not a log word: use one of {', '.join(sorted(WORDS))}")
    failure = exception_text(event.pop("exc_info", None))
    if failure:
        event["error"] = f"{event.get('error') or failure.splitlines()[-1]}\n{failure}"
    now = stamp(datetime.fromtimestamp(time.time(), UTC))
    level = "error" if level == "exception" else level
    event.setdefault("worker", worker)
    return {"ts": now, "level": level, "msg": word, **log_formats.in_order(event)}


def exception_text(info: Any) -> str:
    """Format a plain traceback without local variables: they may hold what must not be logged."""
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if not info or info[0] is None:
        return ""
    return "".join(traceback.format_exception(*info)).rstrip()


class Lines:
    """Makes structlog loggers that write each line in one piece, and never fail the work that is logged.

    One thread writes at a time.
    """

    def __init__(self, stream: LogStream) -> None:
        self.stream = stream
        self.turn = threading.Lock()

    def __call__(self, *_names: Any) -> "Lines":
        """Hand out the one writer there is."""
        return self

    def msg(self, line: str) -> None:
        """Write a line; a log that nobody reads any more (a closed pipe, a full disk) is no reason to stop."""
        gathered: list[str] | None = getattr(_HERE, "lines", None)
        if gathered is None:
            self.write(line + "\n")
        else:
            gathered.append(line + "\n")

    def write(self, lines: str) -> None:
        """Hand whole lines on, in pieces that a pipe takes in one: other processes write to it as well."""
        try:
            with self.turn:
                for piece in _pieces(lines):
                    self.stream.write(piece)
                    self.stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = msg


def _pieces(lines: str) -> Iterator[str]:
    """Cut whole lines into pieces of at most `ATOMIC_BYTES`; one longer line is a piece of its own."""
    if len(lines) <= ATOMIC_BYTES and lines.isascii():
        yield lines
        return
    piece, size = "", 0
    for line in lines.splitlines(keepends=True):
        length = len(line.encode("utf-8", "surrogatepass"))
        if piece and size + length > ATOMIC_BYTES:
            yield piece
            piece, size = "", 0
        piece, size = piece + line, size + length
    yield piece


@contextmanager
def batched() -> Iterator[None]:
    """Write the lines of this thread in one piece at the end: a batch has hundreds, and each write has its price."""
    _HERE.lines = []
    try:
        yield
    finally:
        lines, _HERE.lines = _HERE.lines, None
        if lines:
            structlog.get_config()["logger_factory"].write("".join(lines))


class Bridge(logging.Handler):
    """Renders what libraries log at WARNING and above as an `alarm` in the same format."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.heard: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write a library's warning as one line of ours."""
        if self._is_repetition(record):
            return
        say = log.warning if record.levelno < logging.ERROR else log.error
        say("alarm", error=f"{record.name}: {self._text(record)}", exc_info=record.exc_info)

    def _is_repetition(self, record: logging.LogRecord) -> bool:
        start = next((noise for noise in NOISY if str(record.msg).startswith(noise)), None)
        if start is None:
            return False
        before, now = self.heard.get(start), time.monotonic()
        if before is not None and now - before < NOISE_SECONDS:
            return True
        self.heard[start] = now
        return False

    def _text(self, record: logging.LogRecord) -> str:
        """Format the record; of a Dramatiq message only its actor and id are shown, its arguments may be private."""
        if isinstance(record.args, tuple):
            record.args = tuple(_named(record.args))
        try:
            return record.getMessage()
        except (TypeError, ValueError):
            return str(record.msg)


def _named(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        is_message = hasattr(value, "message_id") and hasattr(value, "actor_name")
        yield f"{value.actor_name} {value.message_id}" if is_message else value
