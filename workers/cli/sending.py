"""`tenure send`: an ordinary producer, with the wire format that any language can write."""

import json
import time
from datetime import datetime
from typing import Any
from uuid import uuid4

from models import effect
from models.clock import machine_now
from models.database import reading
from models.timestamps import stamp
from workers.base.documents import Document
from workers.cli.exit_codes import WaitOverError
from workers.commands.payloads import FORMS
from workers.context import Context
from workers.producers.known import OPERATOR
from workers.producers.signature import sign
from workers.queue import new_message, redis_keys
from workers.queue.queue_names import COMMAND_ACTOR, COMMANDS


def envelope(
    kind: str, subject: str, fields: tuple[str, ...], *, source: str, key: str | None, extra: Document
) -> Document:
    """A CloudEvents envelope from the words of the command line.

    Raises ValueError for a field that is not `name=value`.
    """
    name = kind if kind.startswith("site.") else f"site.{kind}"
    return {
        "specversion": "1.0",
        "source": source,
        "id": key or str(uuid4()),
        "type": name,
        "subject": subject,
        "data": dict(_field(name, word) for word in fields),
        **{attribute: value for attribute, value in extra.items() if value is not None},
    }


def _field(kind: str, word: str) -> tuple[str, Any]:
    """A number where the command has a number, else text."""
    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"field {word!r} must be name=value")
    form = FORMS[kind].model_fields.get(name) if kind in FORMS else None
    is_number = form is not None and form.annotation is int and value.lstrip("-").isdigit()
    return name, int(value) if is_number else value


def enqueue(context: Context, body: Document) -> None:
    """Put an envelope on the queue as Dramatiq documents it for other languages, signed where it must be.

    Raises ValueError where it must be signed and there is no key for that.
    """
    queues, now = context.redis, machine_now()  # before the database is asked: without an engine there may be none
    message = new_message.build(COMMANDS, COMMAND_ACTOR, _signed(context, body, now), now)
    new_message.enqueue(queues, COMMANDS, message)


def _signed(context: Context, body: Document, now: datetime) -> list[Any]:
    """The arguments of the message: the envelope; or it as text, with the signature of the command line."""
    known = context.producers.now()
    if not known.is_enforced:
        return [body]
    key = known.signing_key(OPERATOR, now)
    if key is None:
        remedy = f"`tenure producer rotate {OPERATOR}` or `tenure producer add {OPERATOR}` makes one"
        raise ValueError(f"commands must be signed and the producer {OPERATOR!r} has no valid key: {remedy}")
    text = json.dumps({"time": stamp(now), **body})
    return [text, sign(key.secret, key.id, text)]


def ask(context: Context, body: Document, seconds: float) -> Document:
    """Send an envelope and wait for its answer: the flat `data` of `command.answered`.

    Raises WaitOverError after `seconds`.
    """
    reply_to = redis_keys.reply(f"{OPERATOR}:{uuid4()}")
    enqueue(context, {**body, "replyto": reply_to})
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        found: Any = context.redis.xread({reply_to: "0"}, block=max(int(min(left, 1) * 1000), 1))
        if found:
            context.redis.delete(reply_to)
            answer: Document = json.loads(found[0][1][0][1][b"event"])["data"]
            return answer
    raise WaitOverError(f"no answer to {body['type']} {body['id']} within {seconds:g} s; it is still queued")


def settle(context: Context, body: Document, seconds: float) -> None:
    """Wait until every effect that goes back to a command is finished.

    Raises WaitOverError after `seconds`, naming what is not finished.
    """
    deadline = time.monotonic() + seconds
    while True:
        with reading(context.database) as tx:
            open_effects = effect.unfinished(tx, (body["source"], body["id"]))
        if not open_effects:
            return
        if time.monotonic() > deadline:
            names = ", ".join(f"{row.kind} ({row.error or row.status})" for row in open_effects)
            raise WaitOverError(f"not finished within {seconds:g} s: {names}")
        time.sleep(0.01)
