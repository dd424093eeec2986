"""The process that opens customers' SQLite files: nothing that such a file holds may harm the one that asks.

It is run as a script, needs the standard library and pysqlite3 only, and never meets a customer's folder: the parent
puts what is to be read at a private place first. Each line of standard input is a request, and has one answer on
standard output, both JSON; a copy says between them how far it is. The parent holds the deadline and kills this process
at it. Should it fail to, SIGALRM ends the request. CPU time and file sizes are limited for each request, memory by
SQLite's heap limit and the address space, and SQLite's own limits are lowered.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pysqlite3._sqlite3
import pysqlite3.dbapi2 as sqlite

Document = dict[str, Any]

PR_SET_PDEATHSIG = 1
ADDRESS_SPACE = 1 << 30
"""Bytes; most of it is what Python and the C library map and never touch."""

HEAP = 48 << 20
"""Bytes that SQLite may hold: a whole check needs little, an index over huge values would take gigabytes."""

DESCRIPTORS = 64
SPARE_SECONDS = 2
"""The parent ends a request first; this much later the system does."""

LOWERED = {
    0: 64 << 20,  # a value, in bytes
    1: 1 << 20,  # a statement, in bytes
    2: 2_000,  # columns
    3: 100,  # depth of an expression
    4: 5,  # parts of a compound SELECT
    5: 2_000_000,  # instructions of a program: a check of thousands of tables is one program
    6: 8,  # arguments of a function
    7: 0,  # attached databases
    8: 100,  # bytes of a LIKE pattern
    9: 100,  # variables
    10: 1,  # depth of triggers
    11: 0,  # helper threads
}
"""`sqlite3_limit`, by its numbers."""

SWITCHED = {
    1003: 0,  # triggers
    1005: 0,  # loading of extensions
    1006: 1,  # no checkpoint at the close
    1010: 1,  # defensive: shadow tables and the schema can't be written
    1015: 0,  # views
    1017: 0,  # a schema that is trusted
}
"""`sqlite3_db_config`, by its numbers."""

PRAGMAS = ("cell_size_check=ON", "mmap_size=0", "trusted_schema=OFF", "temp_store=MEMORY", "cache_size=-4096")
OPCODES = 200
"""Instructions between two looks at the time: one of them may already take long."""

PAGES = 256
"""Pages of a copy between two words of progress."""

TELLING_SECONDS = 0.1
GOING_ON_SECONDS = 1.0
LOOK_SECONDS = 0.002
MAY_READ = {19, 20, 21, 22, 31}
"""Authorizer's numbers: PRAGMA, read, SELECT, transaction and function. Not: recursion, ATTACH, any writing."""

INTERRUPT = 9
LOCKED = {5, 6}  # BUSY, LOCKED
TOO_MUCH = {7, 18}  # NOMEM, TOOBIG
DAMAGED = {11, 26}  # CORRUPT, NOTADB
ODD = {23}  # AUTH: the table is more than a table
UNFINISHED = {8}  # READONLY: a reader that would have to put the database in order first
"""SQLite's result codes; pysqlite3 has no names for all of them."""

KINDS = {
    "slow": {INTERRUPT},
    "locked": LOCKED,
    "too_much": TOO_MUCH,
    "damaged": DAMAGED,
    "shape": ODD,
    "unfinished": UNFINISHED,
}
WORDS = {
    "file is not a database": "damaged",
    "database disk image is malformed": "damaged",
    "out of memory": "too_much",
    "interrupted": "slow",
}
"""The online backup raises one error for everything, without a code."""


class SlowError(Exception):
    """The request has used up its time."""


class ShapeError(Exception):
    """The table is not what a site must have."""


def main(parent: int, niceness: int) -> None:
    """Say that it is ready, then answer requests until the parent closes the pipe."""
    tie_to(parent)
    confine(niceness)
    tell({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        with limited(asked):
            said = answer(asked)
        tell(said)


def tie_to(parent: int) -> None:
    """Die with the parent, at once if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def confine(niceness: int) -> None:
    """Set the limits that hold for the whole life of this process."""
    os.umask(0o077)
    os.nice(niceness)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails then, and SQLite says so
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if LIBRARY.sqlite3_auto_extension(LOWER) != 0:
        raise RuntimeError("SQLite takes no extension: its limits can't be lowered")
    with closing(sqlite.connect(":memory:")) as any_database:
        any_database.execute(f"PRAGMA hard_heap_limit={HEAP}")
        any_database.execute(f"PRAGMA soft_heap_limit={HEAP * 3 // 4}")


@contextmanager
def limited(asked: Document) -> Iterator[None]:
    """Hold one request to its seconds of CPU and of time, and to the bytes that it may write."""
    seconds = int(asked["seconds"]) + SPARE_SECONDS
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(asked.get("most_bytes", 1 << 24)), resource.RLIM_INFINITY))
    signal.alarm(seconds)
    yield
    signal.alarm(0)


def answer(asked: Document) -> Document:
    """Do what is asked; whatever goes wrong is an answer with the kind of it and SQLite's words."""
    try:
        return VERBS[asked["verb"]](asked)
    except SlowError:
        return wrong("slow", "interrupted")
    except ShapeError as odd:
        return wrong("shape", str(odd))
    except MemoryError:
        return wrong("too_much", "out of memory")
    except sqlite.Error as failed:
        return wrong(kind_of(failed), str(failed))


def wrong(kind: str, error: str) -> Document:
    """Say what went wrong."""
    return {"wrong": kind, "error": error[:300]}


def kind_of(failed: Exception) -> str:
    """Which kind of fault SQLite's code means."""
    code = getattr(failed, "sqlite_errorcode", None)
    if code is None:
        return WORDS.get(str(failed), "failed")
    for kind, codes in KINDS.items():
        if code & 0xFF in codes:
            return kind
    return "failed"


def count(asked: Document) -> Document:
    """Count the active agents. `agents` must be a table: a view or a virtual table is a program of the customer's."""
    with opened(asked) as database:
        database.set_authorizer(may_only_read)
        kinds = [str(row[2]) for row in database.execute("PRAGMA main.table_list('agents')") if row[0] == "main"]
        if kinds != ["table"]:
            raise ShapeError(f"agents is {'missing' if not kinds else f'a {kinds[0]}'}, not a table")
        (found,) = database.execute("SELECT count(*) FROM main.agents WHERE active").fetchone()
    return {"agents": int(found)}


def may_only_read(action: int, *_about: Any) -> int:
    """Decide, as SQLite's authorizer, about one step of a statement."""
    return 0 if action in MAY_READ else 1


def copy(asked: Document) -> Document:
    """Copy a database as it is at one moment: one read transaction for all of it, so that no writer starts it anew."""
    target = sqlite.connect(asked["target"], isolation_level=None)
    with opened(asked) as live, closing(target):
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (page_bytes,) = live.execute("PRAGMA page_size").fetchone()
        live.backup(target, pages=PAGES, progress=ChildProgress(asked["seconds"], page_bytes))
        live.execute("COMMIT")
    return {"copied": os.stat(asked["target"]).st_size}  # noqa: PTH116 - a start-up without pathlib is a third shorter


class ChildProgress:
    """Says how many bytes are copied, now and then, and stops a copy whose time is over."""

    def __init__(self, seconds: float, page_bytes: int) -> None:
        self.page_bytes = page_bytes
        self.until = time.monotonic() + seconds
        self.told_at = 0.0

    def __call__(self, status: int, remaining: int, total: int) -> None:
        """Be told by SQLite after each step. Raises SlowError, and OperationalError while the database is locked."""
        now = time.monotonic()
        if now > self.until:
            raise SlowError
        if status in LOCKED:
            raise sqlite.OperationalError("database is locked")
        if now - self.told_at > TELLING_SECONDS:
            self.told_at = now
            tell({"moved": (total - remaining) * self.page_bytes})


def check(asked: Document) -> Document:
    """Check a copy that nobody writes to, whole or quickly; no fault means that it is intact."""
    with opened(asked) as database:
        rows = [str(row[0])[:300] for row in database.execute(f"PRAGMA {asked['how']}(5)")]
    return {"faults": [] if rows == ["ok"] else rows}


@contextmanager
def opened(asked: Document) -> Iterator[Any]:
    """Open a file at the private place; what runs on it is interrupted at the request's end."""
    uri = f"file:{asked['path'].replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?{asked['mode']}"
    with closing(sqlite.connect(uri, uri=True, isolation_level=None)) as database:
        database.set_busy_handler(StillWaiting(asked["wait"]))
        watch = Watch(asked["seconds"], asked.get("cpu_seconds") or asked["seconds"])
        database.set_progress_handler(watch, OPCODES)
        for pragma in PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        yield database


class StillWaiting:
    """Looks for a lock every few milliseconds: SQLite's own waiters sleep longer than a busy help desk's pauses are."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.until = 0.0

    def __call__(self, tries: int) -> bool:
        """Whether to look again; called with 0 when a new wait begins."""
        now = time.monotonic()
        if tries == 0:
            self.until = now + self.seconds
        time.sleep(LOOK_SECONDS)
        return now < self.until


class Watch:
    """Asked between steps of a statement whether its time is over; says now and then that it goes on.

    Time is measured by the clock, and by the processor's, which a busy machine makes no faster.
    """

    def __init__(self, seconds: float, cpu_seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.busy_until = time.process_time() + cpu_seconds
        self.told_at = time.monotonic()

    def __call__(self) -> bool:
        """Whether SQLite is to interrupt it."""
        now = time.monotonic()
        if now - self.told_at > GOING_ON_SECONDS:
            self.told_at = now
            tell({"moved": 1})
        return now > self.until or time.process_time() > self.busy_until


def tell(said: Document) -> None:
    """Write one line to the parent."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def lower(database: int, _error: Any, _routines: Any) -> int:
    """Called by SQLite for every connection that opens."""
    for number, value in LOWERED.items():
        LIBRARY.sqlite3_limit(ctypes.c_void_p(database), number, value)
    for number, value in SWITCHED.items():
        LIBRARY.sqlite3_db_config(ctypes.c_void_p(database), number, value, None)
    return 0


VERBS: dict[str, Callable[[Document], Document]] = {"count": count, "copy": copy, "check": check}
LIBRARY = ctypes.CDLL(pysqlite3._sqlite3.__file__)  # noqa: SLF001 - the very SQLite that pysqlite3 uses, not another
LOWER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(lower)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
