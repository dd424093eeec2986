"""`python -m workers [module:boot]`: the worker processes, run by Dramatiq's own command line."""

import importlib
import os
import sys

from workers import alive, private
from workers.settings import Settings, SettingsError, load, redis_url

BOOT = "workers.boot:boot"
DRAIN_MS = 3_600_000
"""A worker that was told to stop finishes what it runs, however large the backup; a second TERM ends it at once."""


def main() -> int:
    """Read the settings, tie the worker processes to this one, and become `dramatiq`. Errors of settings exit 1."""
    private.begin()
    boot = sys.argv[1] if len(sys.argv) > 1 else BOOT
    try:
        settings = load()
        if boot == BOOT:
            check(settings)
    except (SettingsError, ValueError) as wrong:
        sys.stderr.write(f"worker: {wrong}\n")
        return 1
    sys.argv = ["dramatiq", *arguments(settings, boot)]
    os.environ.setdefault("dramatiq_restart_delay", "500")  # ms; a consumer that lost Redis looks again
    alive.follow_forks()
    # Imported once here, the worker processes that are forked have it already: half a second each.
    importlib.import_module(boot.partition(":")[0])
    # Dramatiq reads its environment when it is imported, so not before this point.
    status: int = importlib.import_module("dramatiq.cli").main()
    return status


def check(settings: Settings) -> None:
    """Refuse a database and a Redis that would lose data. The connections end here: none is carried over a fork."""
    importlib.import_module("workers.logs").configure(settings.log_format)
    importlib.import_module("workers.modes").close_where_alone(settings)
    importlib.import_module("workers.sound_redis").check(redis_url(settings))
    database = importlib.import_module("models.database").connect(settings.database_url)
    importlib.import_module("workers.release").check(database, test_clock=settings.test_clock)
    database.dispose()


def arguments(settings: Settings, boot: str) -> list[str]:
    """Say to Dramatiq what our settings mean. `--path` without a value: a folder `models` nearby is not ours."""
    return [
        boot,
        *("--processes", str(settings.worker_processes)),
        *("--threads", str(settings.worker_threads)),
        *("--worker-shutdown-timeout", str(DRAIN_MS)),
        "--skip-logging",
        "--path",
    ]


if __name__ == "__main__":
    sys.exit(main())
