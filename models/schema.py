"""The schema: migrations by Alembic, without an ini file."""

import time
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from models import (
    backup,
    breaker,
    clock,
    dead,
    deletion,
    effect,
    event,
    history,
    invoices,
    letter,
    process,
    receipt,
    safety,
    schema_compat,
    sequence,
    site,
    site_fault,
    timer,
)
from models.database import is_for_now, one_at_a_time, writing

ROOMS = (
    backup,
    breaker,
    clock,
    sequence,
    dead,
    deletion,
    effect,
    event,
    schema_compat,
    history,
    invoices,
    letter,
    process,
    receipt,
    safety,
    site,
    site_fault,
    timer,
)
METADATA = SQLModel.metadata


MIGRATIONS = Path(__file__).parent / "migrations"

OLDEST = "0005"
"""The oldest code that can live with this schema: while hosts are replaced one by one, it runs beside the new.

A migration therefore only adds, and gives what it adds a default. One that takes away or changes what the code before
it needs must raise this number; then older code refuses to start, and everything has to be stopped for the migration.
"""


TRIES, PAUSE_SECONDS = 5, 1.0


def migrate(engine: Engine) -> None:
    """Bring the database to the newest schema; running it twice changes nothing.

    Raises ValueError for a schema that is newer than this code understands. Where it stands in the way of those who
    write, and they in its way, it begins again a few times.
    """
    for _ in range(TRIES):
        try:
            return _migrate(engine)
        except DBAPIError as wrong:
            if not is_for_now(wrong):
                raise
        time.sleep(PAUSE_SECONDS)
    return _migrate(engine)


def _migrate(engine: Engine) -> None:
    with writing(engine) as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SET LOCAL statement_timeout = 0"))  # a large table takes as long as it takes
        one_at_a_time(tx, "migrate")
        found = current(tx)
        if found is None or found < head():
            _upgrade(tx)
            schema_compat.say(tx, OLDEST)
        elif (why := unfit(tx)) is not None:
            raise ValueError(why)


def unfit(tx: Connection) -> str | None:
    """Why this code can't run on the schema that is there, with the remedy; None when it can."""
    found, ours = current(tx), head()
    if found is None or found < ours:
        return f"the database has schema {found}, this code needs {ours}: run `tenure migrate`"
    if found > ours and (schema_compat.oldest(tx) or found) > ours:
        return f"the database has schema {found}, which code of {ours} does not understand: install the newer version"
    return None


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
