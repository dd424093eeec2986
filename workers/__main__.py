"""`python -m workers [module:boot]`: the worker processes of this host."""

import importlib
import os
import sys
from functools import partial

from workers.base import logs, parent_death, private_files
from workers.base.settings import Settings, SettingsError, load, redis_url
from workers.base.terminal import take_over, warn
from workers.supervisor.worker_processes import WorkerProcesses, run_worker

BOOT = "workers.boot:boot"


def main() -> int:
    """Read the settings, refuse what is unsafe, and keep the worker processes alive. Errors of settings exit 1."""
    private_files.begin()
    take_over()
    boot = sys.argv[1] if len(sys.argv) > 1 else BOOT
    try:
        settings = load()
        logs.configure(settings.log_format, role="workers")
        if boot == BOOT:
            check(settings)
    except (SettingsError, ValueError) as wrong:
        warn(f"worker: {wrong}")
        return 1
    os.environ.setdefault("dramatiq_restart_delay", "500")  # ms; a consumer that lost Redis looks again
    parent_death.follow_forks()
    # Imported once here, the worker processes that are forked have it already: half a second each.
    importlib.import_module(boot.partition(":")[0])
    work = partial(run_worker, boot, settings.worker_threads)
    return WorkerProcesses(settings.worker_processes, work).run()


def check(settings: Settings) -> None:
    """Refuse adapters that do not exist, and a database and a Redis that would lose data.

    The connections end here: none is carried over a fork.
    """
    importlib.import_module("workers.context").Context(settings).open_adapters()
    importlib.import_module("workers.effects.letter_overrides").wording_of(settings.letters_dir)
    importlib.import_module("workers.health.open_modes").close_where_alone(settings)
    importlib.import_module("workers.health.redis_checks").check(redis_url(settings))
    database = importlib.import_module("models.database").connect(settings.database_url)
    importlib.import_module("workers.health.preflight").check(database, test_clock=settings.test_clock)
    importlib.import_module("workers.safety.adoption").take_over(settings, database)
    database.dispose()


if __name__ == "__main__":
    sys.exit(main())
