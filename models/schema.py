"""The schema: migrations by Alembic, without an ini file."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlmodel import SQLModel

from models import backup, breaker, clock, counter, dead, deletion, effect, event, money, receipt, site, timer
from models.database import writing

ROOMS = (backup, breaker, clock, counter, dead, deletion, effect, event, money, receipt, site, timer)
METADATA = SQLModel.metadata


def migrate(engine: Engine) -> None:
    """Bring the database to the newest schema; running it twice changes nothing."""
    with writing(engine) as tx:
        if current(tx) != head():
            command.upgrade(_config(tx), "head")


def current(tx: Connection) -> str | None:
    """The schema that the database has."""
    return MigrationContext.configure(tx).get_current_revision()


def head() -> str | None:
    """The schema that this code needs."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def _config(tx: Connection | None) -> Config:
    config = Config(attributes={"connection": tx})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
