"""Decode messages, which any system may have written: a bad one is dead-lettered and does not harm its neighbours."""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import cache
from inspect import Parameter
from typing import Any

from dramatiq.actor import Actor
from dramatiq.broker import MessageProxy
from dramatiq.common import dq_name, q_name
from dramatiq.message import Message

from models.clock import machine_now
from workers.base import json_reader

LONGEST = 1 << 20
"""Bytes of a message that is decoded. The smaller limit of an envelope is checked later, where it can be answered."""

LONGEST_WORD = 1_000
"""Characters of an actor's text argument: the id of an effect."""

LONGEST_DELAY_MS = 7 * 86_400_000
"""Dramatiq's own limit. A longer delay would take the place of a delayed retry in the worker's memory."""

FIELDS = {"queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp"}
OPTIONS = {"redis_message_id", "eta", "retries", "traceback", "requeue_timestamp"}
"""The options that are kept: others (`throws`, `max_retries`, `pipe_target` …) would let a message steer a worker."""


class Undecodable(ValueError):  # noqa: N818 - it is what the message is
    """A message that can't be run and is dead-lettered. The text says why; its subject is the message."""


def read(body: bytes, redis_id: bytes, queue: str, actors: Mapping[str, Actor[Any, Any]]) -> dict[str, Any]:
    """Decode a message's fields and check that a worker can run it and acknowledge it. Raises Undecodable."""
    fields = _fields(body)
    fields["options"] = _options(fields["options"], redis_id, queue)
    if fields["queue_name"] != queue:
        raise Undecodable("names another queue than the one it is in")
    fields["args"] = tuple(fields["args"])
    _check_call(fields, actors.get(fields["actor_name"]), queue)
    return fields


def proxy(fields: dict[str, Any]) -> MessageProxy:
    """A decoded message, as Dramatiq's workers take it."""
    return MessageProxy(Message(**fields))


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json_reader.loads(body)
    except (ValueError, RecursionError) as error:
        raise Undecodable(f"is not JSON in UTF-8 ({type(error).__name__})") from None
    if isinstance(fields, dict) and len(fields.pop(json_reader.FAULT, ())) > 1:
        raise Undecodable("has a member twice, so nobody knows what it says")
    if not isinstance(fields, dict) or not fields.keys() <= FIELDS:
        raise Undecodable(f"is not an object with the fields {', '.join(sorted(FIELDS))}")
    for name, kind in (("queue_name", str), ("actor_name", str), ("args", list), ("kwargs", dict), ("options", dict)):
        if not isinstance(fields.get(name), kind):
            raise Undecodable(f"has no {name} of type {kind.__name__}")
    if not isinstance(fields.get("message_id", ""), str):
        raise Undecodable("has a message_id that is not a string")
    if json_reader.FAULT in fields["options"] or json_reader.FAULT in fields["kwargs"]:
        raise Undecodable("has an option or an argument twice, so nobody knows what it says")
    return fields


def _options(given: dict[str, Any], redis_id: bytes, queue: str) -> dict[str, Any]:
    options = {name: value for name, value in given.items() if name in OPTIONS and value is not None}
    named_id = options.get("redis_message_id")
    if named_id != redis_id.decode(errors="replace") or "\ufffd" in named_id:
        raise Undecodable("has no options.redis_message_id that is its own id in Redis")
    if not _is_count(options.get("retries", 0)):
        raise Undecodable("has options.retries that is not a whole number")
    is_delayed = "eta" in options
    if is_delayed != (queue == dq_name(queue)) or (is_delayed and not _is_soon(_number(options["eta"]))):
        raise Undecodable("has an options.eta that does not fit its queue, or is more than 7 days ahead")
    return options


def _is_soon(eta_ms: float) -> bool:
    """Whether a delay ends within the longest one; False for NaN."""
    return eta_ms <= machine_now().timestamp() * 1000 + LONGEST_DELAY_MS


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 31


def _number(value: Any) -> float:
    """Read a JSON number; NaN for anything else, for one too large for a float too."""
    if type(value) not in {int, float}:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _check_call(fields: dict[str, Any], actor: Actor[Any, Any] | None, queue: str) -> None:
    if actor is None or actor.queue_name != q_name(queue):
        raise Undecodable("names an actor that this queue does not have")
    signature = _signature(actor.fn)
    if not fields["kwargs"] and [parameter.kind for parameter in signature.parameters.values()] == [
        Parameter.VAR_POSITIONAL
    ]:
        return  # it takes whatever it is given
    try:
        given = signature.bind(*fields["args"], **fields["kwargs"])
    except TypeError as error:
        raise Undecodable(f"does not fit its actor: {error}") from None
    for name, value in given.arguments.items():
        if given.signature.parameters[name].annotation is str and not _is_word(value):
            raise Undecodable(f"has a {name} that is not one line of text")


def _is_word(value: Any) -> bool:
    """Whether it is a text that a database can look up: no control characters, no half of a surrogate pair."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_WORD and value.isprintable()


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)
