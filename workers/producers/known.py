"""What a process checks commands against: the producers as the database has them, read again when they changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Engine

from models import producers
from models.clock import review_secret
from models.database import reading
from models.timestamps import stamp, unstamp
from workers.producers.entry import Key, Producer, types_of
from workers.producers.file import ProducersFile
from workers.producers.sealing import opened, seal

OPERATOR = "operator"
"""The producer as which the command line signs."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LoadedProducers:
    """The producers of one version of the file. Without any load, nothing must be signed."""

    version: int = 0
    is_enforced: bool = False
    keys: Mapping[str, Key] = field(default_factory=lambda: MappingProxyType({}))
    producers: Mapping[str, Producer] = field(default_factory=lambda: MappingProxyType({}))

    def signing_key(self, name: str, machine_now: datetime) -> Key | None:
        """The newest key with which a producer may sign now."""
        valid = [key for key in self.keys.values() if key.producer == name and key.is_valid(machine_now)]
        return valid[-1] if valid else None


class KnownProducers:
    """The producers as one process knows them."""

    def __init__(self, database: Engine) -> None:
        self.database = database
        self.known = LoadedProducers()
        self.turn = Lock()

    def now(self) -> LoadedProducers:
        """What holds at this moment: one short look at the database."""
        with reading(self.database) as tx:
            version = producers.version(tx)
            if version == self.known.version:
                return self.known
            found = read(tx)
        with self.turn:
            if found.version >= self.known.version:
                self.known = found
        return found


def read(tx: Connection) -> LoadedProducers:
    """What was loaded last."""
    row = producers.loaded(tx)
    if row is None:
        return LoadedProducers()
    own = review_secret(tx)
    keys = (_key(own, told) for told in row.body["keys"])
    entries = {name: _producer(name, told) for name, told in row.body["producers"].items()}
    return LoadedProducers(row.version, row.is_enforced, {key.id: key for key in keys}, entries)


def write(tx: Connection, found: ProducersFile, *, machine_now: datetime, enforce: bool) -> None:
    """Load a file in the open transaction."""
    own = review_secret(tx)
    body = {
        "producers": {name: _entry(one, found.words[name]) for name, one in found.producers.items()},
        "keys": [_sealed(own, key) for key in found.keys],
        "operators": {name: {"role": role} for name, role in found.operators.items()},
    }
    producers.load(tx, body, digest=found.digest, changed_at=found.changed_at, machine_now=machine_now, enforce=enforce)


def _entry(producer: Producer, words: tuple[str, ...]) -> Document:
    return {
        "sources": list(producer.sources),
        "types": list(words),
        "accounts": list(producer.accounts),
        "replyto": producer.replyto,
        "per_minute": producer.per_minute,
        "events": producer.may_read_events,
        "redis_sha256": list(producer.redis_sha256),
    }


def _producer(name: str, told: Document) -> Producer:
    return Producer(
        name=name,
        sources=tuple(told["sources"]),
        types=types_of(told["types"]),
        accounts=tuple(told["accounts"]),
        replyto=told["replyto"],
        per_minute=told["per_minute"],
        may_read_events=told["events"],
        redis_sha256=tuple(told["redis_sha256"]),
    )


def _sealed(own: bytes, key: Key) -> Document:
    return {
        "id": key.id,
        "producer": key.producer,
        "sealed": seal(own, key.id, key.secret),
        "not_before": None if key.not_before is None else stamp(key.not_before),
        "not_after": None if key.not_after is None else stamp(key.not_after),
    }


def _key(own: bytes, told: Document) -> Key:
    return Key(
        id=told["id"],
        producer=told["producer"],
        secret=opened(own, told["id"], told["sealed"]),
        not_before=_moment(told["not_before"]),
        not_after=_moment(told["not_after"]),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else unstamp(text)
