"""Which errors of the libraries mean that a part is away. `errors` has those of adapters, without the libraries."""

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

AWAY = (RedisError, SQLAlchemyError, OSError)
"""Redis, the database or a disk can't do it now: nothing is lost, it is tried again."""

REDIS_AWAY = (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError)
"""Redis can't do anything now. Its other errors are about one command, and trying that again would not help."""

OWN = (IntegrityError, DataError)
"""The database is there, and refuses what one of the rows holds."""


def is_away(error: BaseException) -> bool:
    """Whether an error keeps everybody from being served: not only whoever has the row that the database refuses."""
    return isinstance(error, AWAY) and not isinstance(error, OWN)
