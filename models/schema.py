"""The schema: migrations by Alembic, without an ini file."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlmodel import SQLModel

from models import backup, breaker, clock, counter, dead, deletion, effect, event, money, receipt, safety, site, timer
from models.database import one_at_a_time, writing

ROOMS = (backup, breaker, clock, counter, dead, deletion, effect, event, money, receipt, safety, site, timer)
METADATA = SQLModel.metadata


MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(engine: Engine) -> None:
    """Bring the database to the newest schema; running it twice changes nothing."""
    with writing(engine) as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SET LOCAL statement_timeout = 0"))  # a large table takes as long as it takes
        one_at_a_time(tx, "migrate")
        if current(tx) != head():
            _upgrade(tx)


def current(tx: Connection) -> str | None:
    """The schema that the database has, None for an empty one."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def head() -> str:
    """The schema that this code needs: the highest number among the migrations."""
    return max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _upgrade(tx: Connection) -> None:
    # Alembic takes a quarter of a second to import, and most starts have nothing to migrate.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": tx})
    config.set_main_option("script_location", str(MIGRATIONS))
    command.upgrade(config, "head")
