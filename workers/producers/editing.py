"""What `tenure producer` changes: entries of the producers file, and the files of their secrets beside it.

Only the tables of one producer are written anew; everything else in the file, comments too, stays as it is.
"""

import base64
import contextlib
import fcntl
import json
import os
import re
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any, NamedTuple

from models.timestamps import stamp
from workers.base.up_file import write_whole
from workers.producers.file import NAME, RESERVED, ProducersFile, ProducersFileError, parse, read

SECRET_BYTES = 32
HEADER = re.compile(r"\s*\[\[?\s*([^\[\]#]+?)\s*\]?\]\s*(?:#.*)?")
FIRST_LINE = "# Who may send commands: docs/contract.md, section 8. `tenure producer` changes its entries.\n"

Table = dict[str, Any]


class NoSuchProducerError(Exception):
    """There is no producer of this name."""


class NewKey(NamedTuple):
    """A key as its owner is told of it, once: its id, its secret in base64, and a password for Redis."""

    id: str
    secret: str
    password: str


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let nobody else change the file meanwhile. What waits for the lock reads what was written before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def add(path: Path, name: str, fields: Table, now: datetime) -> NewKey:
    """Write a new producer with its first key. Raises ProducersFileError."""
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ProducersFileError(f"{name!r} is no name for a producer; use up to 40 of a-z, 0-9 and -, like billing")
    whole = _whole(path)
    if name in whole:
        raise ProducersFileError(f"there is a producer {name} already; `tenure producer rotate {name}` gives it a key")
    entry: Table = {**fields, "redis_sha256": [], "keys": []}
    return _with_new_key(path, name, entry, now)


def rotate(path: Path, name: str, overlap: timedelta, now: datetime) -> NewKey:
    """Give a producer a new key and password; its older keys end after `overlap`, those that have ended go.

    Raises NoSuchProducerError, ProducersFileError.
    """
    entry = _entry(path, name)
    kept: list[Table] = []
    gone: list[Table] = []
    for key in entry.get("keys", []):
        ended = key.get("not_after") is not None and key["not_after"] <= now
        (gone if ended else kept).append(key)
        if key.get("not_after") is None or key["not_after"] > now + overlap:
            key["not_after"] = now + overlap
    made = _with_new_key(path, name, {**entry, "keys": kept}, now)
    _forget(path, gone)
    return made


def remove(path: Path, name: str) -> None:
    """Take a producer and its keys away. Raises NoSuchProducerError, ProducersFileError."""
    entry = _entry(path, name)
    _write(path, name, None)
    _forget(path, entry.get("keys", []))


def _with_new_key(path: Path, name: str, entry: Table, now: datetime) -> NewKey:
    """The secret's file comes first: a file of producers that names none would be broken."""
    secret, password = base64.b64encode(token_bytes(SECRET_BYTES)).decode(), token_urlsafe(SECRET_BYTES)
    key_id = f"{name}-{now:%Y%m%d%H%M%S}-{token_bytes(2).hex()}"
    secret_file = f"{key_id}.key"
    write_whole(path.parent / secret_file, secret + "\n")
    digests = [*entry.get("redis_sha256", [])[-1:], sha256(password.encode()).hexdigest()]
    keys = [*entry.get("keys", []), {"id": key_id, "secret_file": secret_file, "not_before": now}]
    try:
        _write(path, name, {**entry, "redis_sha256": digests, "keys": keys})
    except BaseException:
        (path.parent / secret_file).unlink()
        raise
    return NewKey(key_id, secret, password)


def _forget(path: Path, keys: list[Table]) -> None:
    for key in keys:
        (path.parent / key["secret_file"]).unlink(missing_ok=True)


def _whole(path: Path) -> Table:
    """The producers as the file has them; what is broken is not made worse."""
    if read(path) is None:
        return {}
    return _tables(path.read_text())


def _entry(path: Path, name: str) -> Table:
    whole = _whole(path)
    if name not in whole:
        raise NoSuchProducerError(f"there is no producer {name!r}; `tenure producer list` shows all")
    entry: Table = whole[name]
    return entry


def _write(path: Path, name: str, entry: Table | None) -> ProducersFile:
    """Put one entry, or none, in the place of a producer's tables; only a text that can be read replaces the file."""
    before = path.read_text() if path.exists() else FIRST_LINE
    rest = _without(before, name)
    others = {one: table for one, table in _tables(before).items() if one != name}
    if _tables(rest) != others:
        raise ProducersFileError(f"{path} has no table [producers.{name}] of its own; change it by hand")
    text = rest + ("" if entry is None else "\n" + _toml(name, entry))
    found = parse_draft(path, text)
    write_whole(path, text)
    return found


def _tables(text: str) -> Table:
    tables: Table = tomllib.loads(text).get("producers", {})
    return tables


def parse_draft(path: Path, text: str) -> ProducersFile:
    """Read a text as if it stood in the file."""
    if not path.exists():
        write_whole(path, FIRST_LINE)
    return parse(path, text.encode())


def _without(text: str, name: str) -> str:
    """The text without the tables of one producer."""
    own, kept = (f"producers.{name}", f"producers.{name}.keys"), []
    comments: list[str] = []  # what stands before a table belongs to it
    is_own = False
    for line in text.splitlines(keepends=True):
        header = HEADER.fullmatch(line.rstrip("\n"))
        if header is not None:
            is_own = header[1].replace('"', "").replace(" ", "") in own
        elif not line.strip() or line.startswith("#"):
            comments.append(line)
            continue
        if not is_own:
            kept += [*comments, line]
        comments = []
    return "".join([*kept, *comments]).rstrip("\n") + "\n"


def _toml(name: str, entry: Table) -> str:
    lines = [f"[producers.{name}]", *_members(entry)]
    for key in entry["keys"]:
        lines += ["", f"[[producers.{name}.keys]]", *_members(key)]
    return "\n".join(lines) + "\n"


def _members(table: Table) -> Iterator[str]:
    for name, value in table.items():
        if name != "keys":
            yield f"{name} = {stamp(value) if isinstance(value, datetime) else json.dumps(value, ensure_ascii=False)}"
