"""A claimed effect and what its handler has to say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

import engine
from models.journal import Journal

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed effect with the facts of its site at the start of the try."""

    row: Any
    site: engine.Site
    now: datetime

    @property
    def args(self) -> Facts:
        """What the decision asked for."""
        return dict(self.row.args)

    @property
    def token(self) -> str:
        """A short name that is the same at every try."""
        return blake2b(self.row.id.encode(), digest_size=12).hexdigest()


def _nothing_to_write(_journal: Journal, _decision: engine.Decision) -> None:
    pass


@dataclass(frozen=True, slots=True)
class EffectResult:
    """What a handler has to say once it is done; all of it is written in the transaction that settles the effect.

    `command` and `data` go to the law, and `write` puts the effect's own rows into the database once that has decided.
    `event` is told to other systems. `drops_older` says that it was done for all of its name that gave up before.
    """

    command: str | None = None
    data: Facts = field(default_factory=dict)
    write: Callable[[Journal, engine.Decision], None] = _nothing_to_write
    event: tuple[str, Facts] | None = None
    drops_older: bool = False


NOTHING = EffectResult()
