"""`tenure`: the command line of contract.md section 3, each verb loaded only when it is used."""

import sys
from importlib import import_module
from typing import NoReturn

import click

from workers import private
from workers.settings import Settings, SettingsError, load
from workers.terminal import take_over, warn
from workers.up import run

take_over()

VERBS = {
    "backup": "keeping.backup_group",
    "clock": "keeping.clock",
    "contract": "asking.contract",
    "dead": "keeping.dead",
    "deletion": "keeping.deletion_group",
    "diagram": "looking.diagram",
    "doctor": "examining.doctor",
    "due": "looking.due",
    "safe-mode": "keeping.safe_mode",
    "send": "asking.send",
    "simulate": "looking.simulate",
    "site": "looking.site_group",
    "stats": "looking.stats",
    "tail": "asking.tail",
}
"""The verbs besides `up` and `migrate`: each a click command in one of the rooms of `workers/verbs/`."""


class Verbs(click.Group):
    """Finds a verb when it is asked for: the supervisor must not wait for the imports of all the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, for `--help`."""
        return sorted([*super().list_commands(ctx), *VERBS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One verb by its name."""
        if cmd_name not in VERBS:
            return super().get_command(ctx, cmd_name)
        room, _, attribute = VERBS[cmd_name].partition(".")
        found: click.Command = getattr(import_module(f"workers.verbs.{room}"), attribute)
        return found


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The engine for the life of hosted sites."""
    private.begin()


@main.command()
def up() -> None:
    """Everything on this machine: Valkey, workers, clock (Ctrl-C drains)."""
    sys.exit(run(_settings()))


@main.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    # The supervisor starts without these, and the release without the rest of the verbs.
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from models.database import connect  # noqa: PLC0415
    from workers import adoption, logs, modes, release  # noqa: PLC0415

    settings = _settings()
    logs.configure(settings.log_format)
    try:
        modes.close_where_alone(settings)
        database = connect(settings.database_url)
        release.migrate(database, test_clock=settings.test_clock)
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
