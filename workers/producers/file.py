"""The producers file: TOML that only its owner may read. What is wrong in it is said with field, value and remedy."""

import base64
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

from engine.printable import escaped
from workers.base import private_files
from workers.producers.entry import ALL, CUSTOMERS, WORDS, Key, Producer, overlap, types_of

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
RESERVED = frozenset({"default", "tenure"})
KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
REPLY_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}\*?")
DIGEST = re.compile(r"[0-9a-f]{64}")
LEAST_BYTES = 32
"""Of a secret; an HMAC-SHA256 is as strong as so many random bytes."""

LARGEST = 60 << 10
FIELDS = {"sources", "types", "accounts", "replyto", "per_minute", "events", "redis_sha256", "keys"}
KEY_FIELDS = {"id", "secret_file", "not_before", "not_after"}
ROLES = ("reader", "operator")

Table = Mapping[str, Any]


class ProducersFileError(ValueError):
    """The producers file can't be used: the sentence names the file, the field, its value and the remedy."""


@dataclass(frozen=True, slots=True)
class ProducersFile:
    """What a producers file says. `words` are the types as they stand there; `changed_at` is its newest change."""

    producers: dict[str, Producer]
    words: dict[str, tuple[str, ...]]
    keys: tuple[Key, ...]
    operators: dict[str, str]
    digest: str
    changed_at: datetime
    secret_files: dict[str, Path] = field(default_factory=dict)


def read(path: Path) -> ProducersFile | None:
    """Read the file and the secrets that it names; None without a file.

    Raises ProducersFileError.
    """
    try:
        raw = _read_private(path)
        return None if raw is None else parse(path, raw)
    except OSError as wrong:
        raise ProducersFileError(f"{path} can't be read: {wrong.strerror}") from None


def parse(path: Path, raw: bytes) -> ProducersFile:
    """Read the content of a producers file, and the secrets beside it. Raises ProducersFileError, OSError."""
    try:
        whole = tomllib.loads(raw.decode())
    except ValueError as wrong:
        raise ProducersFileError(f"{path} is not TOML in UTF-8: {escaped(str(wrong))}; mend that line") from None
    try:
        return _read_all(path, raw, whole)
    except ProducersFileError as wrong:
        raise ProducersFileError(f"{path}: {escaped(str(wrong))}") from None


def _read_private(path: Path) -> bytes | None:
    try:
        raw = private_files.read(path, forbidden=private_files.SECRET)
    except private_files.NotOursError as wrong:
        raise ProducersFileError(str(wrong)) from None
    if raw is not None and len(raw) > LARGEST:
        raise ProducersFileError(f"{path} has more than {LARGEST} bytes; leave out what nobody uses")
    return raw


def _read_all(path: Path, raw: bytes, whole: Table) -> ProducersFile:
    _only("the file", whole, {"producers", "operators"})
    entries = _table("producers", whole.get("producers", {}))
    producers = {name: _producer(name, _table(f"producers.{name}", entry)) for name, entry in entries.items()}
    _sources_are_distinct(producers)
    named = list(_named_keys(path, entries))
    ids = [key_id for key_id, *_ in named]
    for key_id in ids:
        if ids.count(key_id) > 1:
            raise ProducersFileError(f"key id {key_id!r} stands twice; give each key an id of its own")
    keys, digest, changed = [], sha256(raw), path.stat().st_ctime
    for key_id, name, secret_file, entry in named:
        secret = _secret(f"producers.{name}.keys {key_id!r}", secret_file)
        digest.update(sha256(secret).digest())
        changed = max(changed, secret_file.stat().st_ctime)
        keys.append(Key(key_id, name, secret, _moment(entry, "not_before"), _moment(entry, "not_after")))
    return ProducersFile(
        producers=producers,
        words={name: _words(name, entry) for name, entry in entries.items()},
        keys=tuple(keys),
        operators=_operators(_table("operators", whole.get("operators", {}))),
        digest=digest.hexdigest(),
        changed_at=datetime.fromtimestamp(changed, UTC),
        secret_files={key_id: secret_file for key_id, _, secret_file, _ in named},
    )


def _producer(name: str, entry: Table) -> Producer:
    where = f"producers.{name}"
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ProducersFileError(f"{where} is no name for a producer; use up to 40 of a-z, 0-9 and -, like billing")
    _only(where, entry, FIELDS)
    sources = _texts(where, entry, "sources", (f"/{name}", f"/{name}/*"))
    if not sources:
        raise ProducersFileError(f"{where}.sources is empty; name at least one source, like /{name}")
    replyto = entry.get("replyto", f"{name}:*")
    if not isinstance(replyto, str) or not REPLY_NAME.fullmatch(replyto):
        raise ProducersFileError(f"{where}.replyto {_short(replyto)} must be what follows tenure:reply:, like {name}:*")
    per_minute, events = entry.get("per_minute", 0), entry.get("events", False)
    if type(per_minute) is not int or not 0 <= per_minute <= 10_000_000:  # noqa: PLR2004 - as COMMANDS_PER_MINUTE
        raise ProducersFileError(f"{where}.per_minute {_short(per_minute)} must be a whole number from 0 to 10000000")
    if not isinstance(events, bool):
        raise ProducersFileError(f"{where}.events {_short(events)} must be true or false")
    digests = _texts(where, entry, "redis_sha256", ())
    if not all(map(DIGEST.fullmatch, digests)):
        raise ProducersFileError(
            f"{where}.redis_sha256 must be SHA-256 digests in hex; `tenure producer rotate` makes one"
        )
    return Producer(
        name=name,
        sources=sources,
        types=types_of(_words(name, entry)),
        accounts=_texts(where, entry, "accounts", (ALL,)),
        replyto=replyto,
        per_minute=per_minute,
        may_read_events=events,
        redis_sha256=digests,
    )


def _words(name: str, entry: Table) -> tuple[str, ...]:
    where = f"producers.{name}"
    words = _texts(where, entry, "types", (CUSTOMERS,))
    unknown = [word for word in words if word not in WORDS and word not in WORDS[ALL]]
    if unknown:
        raise ProducersFileError(
            f"{where}.types {_short(unknown[0])} is no type; name types like site.pay, or {', '.join(WORDS)}"
        )
    return words


def _sources_are_distinct(producers: Mapping[str, Producer]) -> None:
    for one, other in combinations(producers.values(), 2):
        for source in one.sources:
            shared = [pattern for pattern in other.sources if overlap(source, pattern)]
            if shared:
                raise ProducersFileError(
                    f"producers.{one.name}.sources {source!r} and producers.{other.name}.sources {shared[0]!r} overlap;"
                    " give each source to one producer"
                )


def _named_keys(path: Path, entries: Table) -> Iterator[tuple[str, str, Path, Table]]:
    """Each key as its id, its producer, the file of its secret and its table."""
    for name, entry in entries.items():
        keys = entry.get("keys", [])
        if not isinstance(keys, list):
            raise ProducersFileError(f"producers.{name}.keys must be tables; write [[producers.{name}.keys]]")
        for key in keys:
            table = _table(f"producers.{name}.keys", key)
            _only(f"producers.{name}.keys", table, KEY_FIELDS)
            key_id, secret_file = table.get("id"), table.get("secret_file")
            if not isinstance(key_id, str) or not KEY_ID.fullmatch(key_id):
                raise ProducersFileError(
                    f"producers.{name}.keys.id {_short(key_id)} must be a text like {name}-2026-11"
                )
            if not isinstance(secret_file, str) or not secret_file or "\0" in secret_file:
                raise ProducersFileError(
                    f"producers.{name}.keys {key_id!r} has no secret_file; name a file beside this"
                )
            yield key_id, name, path.parent / secret_file, table


def _secret(where: str, path: Path) -> bytes:
    raw = _read_private(path)
    if raw is None:
        raise ProducersFileError(f"{where}: secret_file {path} is not there; write it, or remove the key")
    try:
        secret = base64.b64decode(raw.strip(), validate=True)
    except ValueError:
        secret = b""
    if len(secret) < LEAST_BYTES:
        raise ProducersFileError(
            f"{where}: secret_file {path} must hold base64 of {LEAST_BYTES} bytes or more;"
            " `tenure producer rotate` makes one"
        )
    return secret


def _moment(entry: Table, name: str) -> datetime | None:
    value = entry.get(name)
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ProducersFileError(
            f"keys {entry['id']!r} {name} {_short(value)} must be a moment like 2026-11-01T00:00:00Z"
        )
    return value.astimezone(UTC)


def _operators(entries: Table) -> dict[str, str]:
    roles: dict[str, str] = {}
    for name, entry in entries.items():
        table = _table(f"operators.{name}", entry)
        _only(f"operators.{name}", table, {"role"})
        if table.get("role") not in ROLES:
            raise ProducersFileError(f"operators.{name}.role {_short(table.get('role'))} must be {' or '.join(ROLES)}")
        roles[name] = table["role"]
    return roles


def _texts(where: str, entry: Table, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = entry.get(name, list(default))
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise ProducersFileError(f'{where}.{name} {_short(value)} must be a list of texts, like ["a", "b"]')
    return tuple(value)


def _table(where: str, value: Any) -> Table:
    if not isinstance(value, dict):
        raise ProducersFileError(f"{where} {_short(value)} must be a table; write [{where}]")
    return value


def _only(where: str, entry: Table, known: set[str]) -> None:
    for name in entry:
        if name not in known:
            raise ProducersFileError(f"{where} has no field {_short(name)}; it may have {', '.join(sorted(known))}")


def _short(value: object) -> str:
    return repr(value)[:80]
