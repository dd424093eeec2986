"""One producer: its keys with their windows, and what it may send, for whom, and to where answers may go."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import engine
from engine.command import LABELS, OPERATORS

CUSTOMERS = "customer"
"""The default: what customers may do, and to look at a site."""

ALL = "*"
SHOW = "site.show"
WORDS: dict[str, frozenset[str]] = {
    CUSTOMERS: frozenset((*LABELS, SHOW)),
    "operator": frozenset(OPERATORS),
    ALL: frozenset((*engine.PUBLIC, SHOW)),
}
"""What may stand in `types` in place of a type."""


@dataclass(frozen=True, slots=True)
class Key:
    """One secret of a producer. It signs from `not_before` until just before `not_after` (machine time)."""

    id: str
    producer: str
    secret: bytes = field(repr=False)
    not_before: datetime | None = None
    not_after: datetime | None = None

    def is_valid(self, machine_now: datetime) -> bool:
        """Whether the moment lies in the key's window."""
        has_begun = self.not_before is None or self.not_before <= machine_now
        return has_begun and (self.not_after is None or machine_now < self.not_after)


@dataclass(frozen=True, slots=True)
class Producer:
    """What one producer may do. A pattern is a text, or its beginning followed by `*`.

    `types` holds the types themselves. `redis_sha256` are the digests of its passwords in Redis.
    """

    name: str
    sources: tuple[str, ...]
    types: frozenset[str]
    accounts: tuple[str, ...] = (ALL,)
    replyto: str = ""
    per_minute: int = 0
    may_read_events: bool = False
    redis_sha256: tuple[str, ...] = ()

    def may_use_source(self, source: str) -> bool:
        """Whether it may name itself so."""
        return any(matches(pattern, source) for pattern in self.sources)

    def may_serve(self, account: str) -> bool:
        """Whether it may ask for sites of this account."""
        return ALL in self.accounts or account in self.accounts

    def may_reply_to(self, name: str) -> bool:
        """Whether answers may go to the stream of this name, which is what follows `tenure:reply:`."""
        return matches(self.replyto, name)


def matches(pattern: str, text: str) -> bool:
    """Whether a text is the pattern, or begins as it does where it ends in `*`."""
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def overlap(one: str, other: str) -> bool:
    """Whether some text matches both patterns."""
    return matches(one, other.removesuffix("*")) or matches(other, one.removesuffix("*"))


def types_of(words: Iterable[str]) -> frozenset[str]:
    """The types that are meant by names of types and by the words for many of them."""
    return frozenset(kind for word in words for kind in WORDS.get(word, {word}))
