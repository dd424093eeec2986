"""A claimed effect and what its act has to say."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

import engine

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


@dataclass(frozen=True, slots=True)
class EffectResult:
    """What an act has to say: a command for the law, rows to write, backups removed, an event for others."""

    command: str | None = None
    data: Facts = field(default_factory=dict)
    backup: Facts | None = None
    export: Facts | None = None
    removed: tuple[str, ...] = ()
    event: tuple[str, Facts] | None = None


NOTHING = EffectResult()
