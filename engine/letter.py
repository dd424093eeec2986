"""A letter to a customer: as it was asked for, whether it is still true when it leaves, and what it says then.

Each letter has up to two declarations by its name: `stands_while`, without which it is always sent, and `says`,
without which it says what it was asked for with. Its text is a template of the same name (`workers/effects/`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from engine.policy import Policy
from engine.site import Site

Facts = dict[str, Any]

ANY_GENERATION = frozenset({"receipt", "contact_changed"})
"""True whatever became of the site: money that was taken, and the address to which mail goes."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it was asked for: its name, what it was to say, when, and in which generation of its site."""

    name: str
    args: Mapping[str, Any]
    asked_at: datetime
    generation: int

    def stands(self, site: Site, now: datetime, policy: Policy) -> bool:
        """Whether it is still true, so that it is sent."""
        if site.state == "deleted" or (self.generation != site.generation and self.name not in ANY_GENERATION):
            return False
        stands = STANDS.get(self.name)
        return stands is None or stands(self, site, now, policy)

    def is_about(self, name: str, value: object) -> bool:
        """Whether it was asked for about this value; older versions left the value out."""
        return self.args.get(name) in {None, value}


Check = Callable[[Letter, Site, datetime, Policy], bool]
Contents = Callable[[Letter, Site, datetime, Policy], Facts]
DeclaredT = TypeVar("DeclaredT", bound=Check | Contents)

STANDS: dict[str, Check] = {}
FACTS: dict[str, Contents] = {}


def letter_facts(letter: Letter, site: Site, now: datetime, policy: Policy) -> Facts:
    """What a letter says when it leaves, by the names in its text; the rest is as it was asked for."""
    contents = FACTS.get(letter.name)
    return {} if contents is None else contents(letter, site, now, policy)


def stands_while(*names: str) -> Callable[[Check], Check]:
    """Declare when these letters are still true. Raises ValueError for a letter that has such a declaration."""
    return _LetterDeclaration(STANDS, names)


def says(*names: str) -> Callable[[Contents], Contents]:
    """Declare what these letters say when they leave. Raises ValueError for a letter that has such a declaration."""
    return _LetterDeclaration(FACTS, names)


@dataclass(frozen=True, slots=True)
class _LetterDeclaration:
    """The decorator itself: records the function by the letters' names and returns it as it is."""

    table: dict[str, Any]
    names: tuple[str, ...]

    def __call__(self, function: DeclaredT) -> DeclaredT:
        for name in self.names:
            other = self.table.setdefault(name, function)
            if other is not function:
                raise ValueError(f"the letter {name} is declared twice: {other.__name__} and {function.__name__}")
        return function
