"""Who has sent a command, and whether the sender may: the checks of a signed message, in their order.

Before any JSON of the envelope is read: its size, the key, the signature over the exact bytes, the key's window. Then
its time, source, reply stream and type; account and rate are checked where the site is known (`batch`).
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from engine import Refused
from models.timestamps import is_rfc3339, unstamp
from workers.commands import envelope as door
from workers.commands.envelope import MOST_BYTES, Envelope
from workers.commands.payloads import FORMS
from workers.commands.wording import short
from workers.producers.entry import Key, Producer
from workers.producers.known import LoadedProducers
from workers.producers.rejections import NotAuthenticError
from workers.producers.signature import is_right, key_id_of
from workers.producers.unknown_keys import UnknownKeyError
from workers.queue import redis_keys

AHEAD, BEHIND = timedelta(minutes=5), timedelta(days=7)
"""How far the `time` of a signed command may be from machine time: clocks differ, and a queue may stand still."""

LEAP_SECOND = re.compile(r"(T\d\d:\d\d):60")
DENIED = "authz.denied"
Args = tuple[Any, ...]


def read(args: Args, known: LoadedProducers, machine_now: datetime) -> Envelope:
    """Read a message's arguments into an envelope, one with a fault if its sender may not ask for this.

    Raises NotAuthenticError for what must leave nothing, and Unreadable for what nobody can be answered for.
    """
    if len(args) == 2 and isinstance(args[0], str) and isinstance(args[1], str):  # noqa: PLR2004 - envelope, signature
        return _read_signed(args[0], args[1], known, machine_now)
    if known.is_enforced:
        raise NotAuthenticError("auth.bad_signature", "it came unsigned; sign it with a key of `tenure producer add`")
    return door.read(args)


def _read_signed(text: str, signature: str, known: LoadedProducers, machine_now: datetime) -> Envelope:
    key = _authenticated(text, signature, known, machine_now)
    raw = door.parse(text)
    _must_be_recent(key, raw.get("time"), machine_now)
    return _permitted(door.open_object(raw), raw, known.producers[key.producer])


def _authenticated(text: str, signature: str, known: LoadedProducers, machine_now: datetime) -> Key:
    """The key that has signed exactly these bytes, in its window."""
    if len(text) > MOST_BYTES:
        raise NotAuthenticError("envelope.too_large", f"the envelope has more than {MOST_BYTES} bytes")
    try:
        content, key_id = text.encode(), key_id_of(signature)
    except ValueError as wrong:
        why = "half a character (a lone surrogate)" if isinstance(wrong, UnicodeError) else str(wrong)
        raise NotAuthenticError("auth.bad_signature", why) from None
    if len(content) > MOST_BYTES:
        raise NotAuthenticError(
            "envelope.too_large", f"the envelope has {len(content)} bytes; the most is {MOST_BYTES}"
        )
    key = known.keys.get(key_id)
    if key is None:
        raise UnknownKeyError(key_id, repr(short(key_id)), (text, signature))
    if not is_right(key.secret, content, signature):
        raise NotAuthenticError("auth.bad_signature", f"the signature by key {key.id} is not that of these bytes")
    if not key.is_valid(machine_now):
        raise NotAuthenticError("auth.stale", f"key {key.id} of {key.producer} is not valid now; sign with a newer one")
    return key


def _must_be_recent(key: Key, given: Any, machine_now: datetime) -> None:
    """A copy of a message can't be sent again for ever."""
    at = _moment(given)
    if at is None:
        raise NotAuthenticError("auth.stale", f"a command of {key.producer} has no `time` in RFC 3339; add it")
    if not -BEHIND <= at - machine_now <= AHEAD:
        why = f"the time {short(given)} of a command of {key.producer} is more than 7 days behind or 5 minutes ahead"
        raise NotAuthenticError("auth.stale", f"{why}; sign it anew")


def _moment(given: Any) -> datetime | None:
    """A moment in RFC 3339, which may be in lower case or a leap second; None for anything else."""
    if not isinstance(given, str) or not is_rfc3339(given):
        return None
    try:
        return unstamp(LEAP_SECOND.sub(r"\g<1>:59", given.upper()))
    except (ValueError, OverflowError):  # the year 0, and the first and last hours that Python knows
        return None


def _permitted(opened: Envelope, raw: Mapping[str, Any], producer: Producer) -> Envelope:
    """The envelope, with the refusal of what its producer may not do. An answer goes to no stream of another's."""
    opened = opened._replace(producer=producer)
    given = opened.replyto
    is_elsewhere = given is not None and not producer.may_reply_to(given.removeprefix(redis_keys.REPLY))
    if is_elsewhere:
        opened = opened._replace(replyto=None)
    if not producer.may_use_source(raw["source"]):
        instead = ", ".join(producer.sources)
        return _denied(opened, f"source {short(raw['source'])!r} is not one of {producer.name}'s; use {instead}")
    if is_elsewhere:
        allowed = f"{redis_keys.REPLY}{producer.replyto}"
        return _denied(opened, f"replyto {short(given)!r} is not one of {producer.name}'s; use {allowed}")
    if opened.type in FORMS and opened.type not in producer.types:
        why = f"type {opened.type!r} is not allowed to {producer.name}; ask an operator to add it to its types"
        return opened._replace(fault=Refused(DENIED, why))
    return opened


def _denied(opened: Envelope, why: str) -> Envelope:
    """A refusal that uses up no id: the source is another's, or the id may come again with another stream."""
    return opened._replace(fault=Refused(DENIED, why), is_keyed=False)
