"""How a command of the command line fails: one sentence on stderr, and an exit code of the contract."""

from typing import IO, Any

import click

from workers.base.terminal import warn


class NotFoundError(Exception):
    """There is no such site, backup or dead letter; exits 4."""


class WaitOverError(Exception):
    """The answer or the effects did not come in time; what was sent stays in the queue all the same. Exits 5."""


class Failure(click.ClickException):
    """An expected failure."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """One sentence."""
        warn(f"tenure: {self.message}", file)


class Missing(Failure):
    """There is no such thing."""

    exit_code = 4


class Late(Failure):
    """The wait ran out."""

    exit_code = 5


def expected() -> tuple[type[Exception], ...]:
    """What is expected to go wrong; anything else is a fault of ours and keeps its traceback.

    Asked when something has failed: most verbs run without Redis, and its client takes long to import.
    """
    from redis.exceptions import RedisError  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    return (ValueError, RedisError, SQLAlchemyError, OSError)
