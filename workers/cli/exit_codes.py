"""How a command of the command line fails: one sentence on stderr, and an exit code of the contract."""

from typing import IO, Any

import click
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from workers.base.settings import SettingsError
from workers.base.terminal import warn

FAILURES = (SettingsError, ValueError, RedisError, SQLAlchemyError, OSError)
"""What is expected to go wrong; anything else is a fault of ours and keeps its traceback."""


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
