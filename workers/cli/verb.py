"""What every verb has: a workplace, a document to print, and failures that become exit codes."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from workers.base import logs
from workers.base.settings import SettingsError, load
from workers.cli.exit_codes import Failure, Late, Missing, NotFoundError, WaitOverError, expected
from workers.context import Context

FAILED, REFUSED = 1, 3
Answer = TypeVar("Answer")

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def with_context(verb: Callable[..., Answer]) -> Callable[..., Answer]:
    """Hand a command the workplace that the settings describe; expected failures become exit codes."""

    @wraps(verb)
    def run(**options: Any) -> Answer:
        try:
            settings = load()
            logs.configure(settings.log_format)  # what happens on the way goes to stderr: stdout is for data
            return verb(Context(settings), **options)
        except BrokenPipeError:
            raise  # nobody reads any more: click ends without a word
        except NotFoundError as missing:
            raise Missing(str(missing)) from None
        except WaitOverError as over:
            raise Late(str(over)) from None
        except SettingsError as wrong:
            raise Failure(str(wrong).splitlines()[0]) from None
        except expected() as wrong:
            raise Failure(str(wrong).splitlines()[0]) from None

    return run
