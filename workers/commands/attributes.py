"""The attributes of an envelope: which there are, and what each may say."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from engine import Refused
from engine.printable import is_printable
from models.timestamps import is_rfc3339
from workers.commands.payloads import Text
from workers.commands.wording import short, unprintable
from workers.queue import redis_keys

OURS = "tenure:"
"""How the engine names itself as a source: its timers' and effects' keys are derived, so nobody may use them up."""

OPERATOR, EFFECT = f"{OURS}operator", f"{OURS}effect"
"""Sources of the engine's own commands: what an operator's word leads to, and what an effect reports."""

REPLY_TO = re.compile(rf"{redis_keys.REPLY}[A-Za-z0-9._:-]{{1,128}}")


class Attributes(BaseModel):
    """The CloudEvents attributes that mean something here; others are ignored."""

    model_config = ConfigDict(strict=True)

    specversion: Literal["1.0"]
    source: Text
    id: Text
    type: Text
    subject: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    time: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    dryrun: bool = False
    review: Annotated[str, StringConstraints(max_length=4096)] | None = None
    expectedversion: Annotated[int, Field(ge=0, le=2**53)] | None = None
    replyto: str | None = None
    correlationid: Text | None = None


def check(given: Attributes) -> None:
    """What the types can't say. Raises Refused."""
    if not is_printable(given.source + given.id + given.type + (given.correlationid or "")):
        texts = {name: getattr(given, name) for name in ("source", "id", "type", "correlationid")}
        raise unprintable("envelope.malformed", texts)
    if is_ours(given.source):
        raise Refused("envelope.malformed", f"source {short(given.source)!r} is the engine's own; name another")
    if given.time is not None and not is_rfc3339(given.time):
        example = "2026-01-31T09:30:00Z"
        raise Refused(
            "envelope.malformed", f"time {short(given.time)!r} must be RFC 3339 with an offset, like {example}"
        )
    if given.replyto is not None and not REPLY_TO.fullmatch(given.replyto):
        raise Refused("envelope.malformed", f"replyto {short(given.replyto)!r} must be {redis_keys.REPLY}<name>")


def is_ours(source: str) -> bool:
    """Whether a source is a name of the engine itself."""
    return source[: len(OURS)].lower() == OURS
