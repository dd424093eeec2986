"""`tenure migrate`: the newest schema, and the clock that this database lives by."""

from models import schema
from models.clock import settle_mode
from models.database import writing
from workers.workplace import Workplace


def migrate(place: Workplace) -> None:
    """Bring the database up to date; twice changes nothing.

    Raises ValueError when it has lived by the other clock.
    """
    schema.migrate(place.database)
    with writing(place.database) as tx:
        settle_mode(tx, test_clock=place.settings.test_clock)
