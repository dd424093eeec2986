"""`tenure migrate`: the newest schema, and the clock that this database lives by."""

from sqlalchemy import Engine

from models import schema
from models.clock import is_test, settle_mode
from models.database import reading, writing


def migrate(database: Engine, *, test_clock: bool) -> None:
    """Bring the database up to date; twice changes nothing.

    Raises ValueError when it has lived by the other clock.
    """
    schema.migrate(database)
    with writing(database) as tx:
        settle_mode(tx, test_clock=test_clock)


def check(database: Engine, *, test_clock: bool) -> None:
    """Refuse to work on a database that `tenure migrate` has not brought up to date, or that lives by another clock.

    Raises ValueError with the remedy.
    """
    with reading(database) as tx:
        current, head = schema.current(tx), schema.head()
        if current != head:
            raise ValueError(f"the database has schema {current} and this code needs {head}: run `tenure migrate`")
        lives_by_test = is_test(tx)
    if lives_by_test != test_clock:
        remedy = "set TENURE_TEST_CLOCK=1" if lives_by_test else "unset TENURE_TEST_CLOCK"
        raise ValueError(f"this database lives by {'the test' if lives_by_test else 'the wall'} clock: {remedy}")
