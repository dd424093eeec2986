"""`tenure migrate`: the release step. It loads nothing that only the other verbs need."""

import click
from sqlalchemy.exc import SQLAlchemyError

from models.database import connect
from workers.base import logs
from workers.cli.starting import end
from workers.cli.starting import settings as read_settings
from workers.health import open_modes, preflight
from workers.producers import loading
from workers.safety import adoption


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema. Run it once for each version."""
    settings = read_settings()
    logs.configure(settings.log_format)
    try:
        open_modes.close_where_alone(settings)
        database = connect(settings.database_url)
        preflight.migrate(database, test_clock=settings.test_clock)
        loading.begin(settings, database)
        adoption.take_over(settings, database)
    except (ValueError, OSError, SQLAlchemyError) as wrong:
        end(wrong)
