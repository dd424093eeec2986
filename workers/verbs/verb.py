"""What every verb has: a workplace, a document to print, and failures that become exit codes."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from workers.dead import NoSuchDeadError
from workers.failure import FAILURES, Failure, Late, Missing
from workers.reports import NotFoundError
from workers.send import WaitOverError
from workers.settings import load
from workers.workplace import Workplace

FAILED, REFUSED = 1, 3
Document = dict[str, Any]

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def with_place(verb: Callable[..., None]) -> Callable[..., None]:
    """Hand a command the workplace that the settings describe; expected failures become exit codes."""

    @wraps(verb)
    def run(**options: Any) -> None:
        try:
            verb(Workplace(load()), **options)
        except (NotFoundError, NoSuchDeadError) as missing:
            raise Missing(str(missing)) from None
        except WaitOverError as over:
            raise Late(str(over)) from None
        except FAILURES as wrong:
            raise Failure(str(wrong).splitlines()[0]) from None

    return run


def out(document: Document, text: Callable[[Document], str], *, as_json: bool) -> None:
    """Print a document, or the same for people."""
    click.echo(json.dumps(document, ensure_ascii=False) if as_json else text(document))
