"""`tenure`: the command line of contract.md section 3, each verb loaded only when it is used."""

import sys
from importlib import import_module
from typing import NoReturn

import click

from workers.base import private_files
from workers.base.settings import Settings, SettingsError, load
from workers.base.terminal import take_over, warn
from workers.supervisor.up import run

take_over()

VERBS = {
    "backup": "backup.backup_group",
    "clock": "clock.clock",
    "contract": "contract.contract",
    "dead": "dead.dead",
    "deletion": "deletion.deletion_group",
    "diagram": "diagram.diagram",
    "doctor": "doctor.doctor",
    "due": "due.due",
    "safe-mode": "safe_mode.safe_mode",
    "send": "send.send",
    "simulate": "simulate.simulate",
    "site": "site.site_group",
    "stats": "stats.stats",
    "tail": "tail.tail",
}
"""The verbs besides `up` and `migrate`: each a click command in a module of `workers/cli/`."""


class Verbs(click.Group):
    """Finds a verb when it is asked for: the supervisor must not wait for the imports of all the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, for `--help`."""
        return sorted([*super().list_commands(ctx), *VERBS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One verb by its name."""
        if cmd_name not in VERBS:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = VERBS[cmd_name].partition(".")
        found: click.Command = getattr(import_module(f"workers.cli.{module}"), attribute)
        return found


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tenure", message="%(prog)s %(version)s")
def main() -> None:
    """Run the life of hosted sites, from a free trial to a proved deletion.

    Start with `tenure up`; in another terminal the other verbs find it through the data folder.
    Data goes to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused,
    4 not found, 5 the wait ran out.
    """
    private_files.begin()


@main.command()
def up() -> None:
    """Run everything on this machine: Valkey, workers and clock.

    Ctrl-C (or TERM) drains: what runs is finished, then everything stops. A second one kills what still runs.
    """
    sys.exit(run(_settings()))


@main.command()
def migrate() -> None:
    """Bring the database to the newest schema. Run it once for each version."""
    # The supervisor starts without these, and the release without the rest of the verbs.
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from models.database import connect  # noqa: PLC0415
    from workers.base import logs  # noqa: PLC0415
    from workers.health import open_modes, preflight  # noqa: PLC0415
    from workers.safety import adoption  # noqa: PLC0415

    settings = _settings()
    logs.configure(settings.log_format)
    try:
        open_modes.close_where_alone(settings)
        database = connect(settings.database_url)
        preflight.migrate(database, test_clock=settings.test_clock)
        adoption.take_over(settings, database)
    except (ValueError, OSError, SQLAlchemyError) as wrong:
        _end(wrong)


def _settings() -> Settings:
    try:
        return load()
    except SettingsError as wrong:
        _end(wrong)


def _end(wrong: Exception) -> NoReturn:
    warn(f"tenure: {wrong}")
    sys.exit(1)
