"""The door: an envelope from the queue is read here, and nothing in it is believed before it was checked."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from engine import Refused
from engine.words import masked
from models.columns import to_json
from workers.forms import FORMS, Text

MOST_BYTES = 64 * 1024
OURS = "tenure:"
"""How the engine names itself as a source: its timers' and effects' keys are derived, so nobody may use them up."""

REPLY_TO = re.compile(r"tenure:reply:[A-Za-z0-9._:-]{1,128}")
HOSTNAME = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class Unreadable(Exception):  # noqa: N818 - nobody can be answered, so it is not a refusal
    """A message with no readable id: there is nobody to answer."""


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


class Envelope(NamedTuple):
    """A readable envelope. `fault` is why it is refused all the same; `digest` is its content's fingerprint."""

    source: str
    id: str
    type: str
    subject: str
    data: Mapping[str, Any]
    digest: str
    dryrun: bool = False
    review: str | None = None
    expectedversion: int | None = None
    replyto: str | None = None
    correlation_id: str | None = None
    fault: Refused | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The idempotency key."""
        return self.source, self.id

    @property
    def uses_up_its_id(self) -> bool:
        """Whether the answer is kept under its key: a dry run's, a question's and an impostor's are not.

        Nor is that to one too many: it is asked again with the same id.
        """
        over = self.fault is not None and self.fault.code == "quota.exceeded"
        return not (over or self.dryrun or self.type == "site.show" or is_ours(self.source))


def read(args: tuple[Any, ...]) -> Envelope:
    """Read the actor's arguments into an envelope; one with a fault is still answered.

    Raises Unreadable when no source and id can be read.
    """
    raw, signed = _unwrap(args)
    source, command_id = _key(raw)
    try:
        _check_size(raw)
        _check_signature(signed)
        return _checked(raw, Attributes.model_validate(raw))
    except Refused as refusal:
        fault = refusal.with_traceback(None)  # the frames hold the message, and it would hold them
    except ValidationError as wrong:
        fault = Refused("envelope.malformed", _sentence(wrong))
    except (UnicodeError, RecursionError, ValueError) as wrong:
        fault = Refused("envelope.malformed", f"the envelope can't be read as JSON text: {wrong}"[:300])
    return Envelope(
        source,
        command_id,
        _short(raw.get("type")),
        _short(raw.get("subject")),
        {},
        _digest_of_anything(raw),
        dryrun=raw.get("dryrun") is True,
        replyto=_reply(raw),
        fault=fault,
    )


def _unwrap(args: tuple[Any, ...]) -> tuple[dict[str, Any], bool]:
    """The envelope as an object, and whether it came signed."""
    if len(args) == 1 and isinstance(args[0], dict):
        return args[0], False
    if len(args) == 2 and isinstance(args[0], str):  # noqa: PLR2004 - an envelope and its signature
        try:
            raw = json.loads(args[0])
        except (ValueError, RecursionError) as wrong:
            raise Unreadable(f"the signed envelope is not JSON: {wrong}") from None
        if isinstance(raw, dict):
            return raw, True
    raise Unreadable(f"expected one CloudEvents object as the only argument, got {len(args)} of other kinds")


def _key(raw: dict[str, Any]) -> tuple[str, str]:
    """The idempotency key; without it nobody can be answered."""
    source, command_id = raw.get("source"), raw.get("id")
    for value in (source, command_id):
        if not isinstance(value, str) or not 1 <= len(value) <= 200 or CONTROLS.search(value):  # noqa: PLR2004 - Text's bound
            raise Unreadable("source and id must be texts of 1 to 200 characters without control characters")
    return str(source), str(command_id)


def _check_size(raw: dict[str, Any]) -> None:
    size = _size(raw)
    if size > MOST_BYTES:
        raise Refused("envelope.too_large", f"the envelope has {size} bytes; the most is {MOST_BYTES}")


def _size(raw: dict[str, Any]) -> int:
    """Bytes of the envelope as compact JSON."""
    try:
        return len(to_json(raw).encode())
    except TypeError:  # deeper, with larger numbers or with halves of pairs, at which the next line raises
        return len(_COMPACT(raw).encode())


def _check_signature(signed: bool) -> None:
    """No producer has a key here, so none can be known."""
    if signed:
        raise Refused("auth.key_unknown", "the signature names a key that is not known here; send it unsigned")


def _checked(raw: dict[str, Any], given: Attributes) -> Envelope:
    """The envelope's own attributes are right; now its source, time, reply stream, type and data."""
    if is_ours(given.source):
        raise Refused("envelope.malformed", f"source {_short(given.source)!r} is the engine's own; name another")
    if given.time is not None:
        _check_time(given.time)
    if given.replyto is not None and not REPLY_TO.fullmatch(given.replyto):
        raise Refused("envelope.malformed", f"replyto {_short(given.replyto)!r} must be tenure:reply:<name>")
    return Envelope(
        source=given.source,
        id=given.id,
        type=given.type,
        subject=masked(given.subject if given.subject.startswith("site_") else given.subject.lower()),
        data=given.data,
        digest=_digest(raw),
        dryrun=given.dryrun,
        review=given.review,
        expectedversion=given.expectedversion,
        replyto=given.replyto,
        correlation_id=given.correlationid,
        fault=_fault(given),
    )


def _fault(given: Attributes) -> Refused | None:
    """What is wrong with the type, the hostname or the data."""
    if given.type not in FORMS:
        known = ", ".join(FORMS)
        return Refused(
            "command.unknown_type", f"type {_short(given.type)!r} is not a command; the commands are {known}"
        )
    if given.type == "site.start_trial" and not HOSTNAME.match(given.subject.lower()):
        return Refused("host.invalid", f"subject {_short(given.subject)!r} is not a hostname like help.example.com")
    try:
        FORMS[given.type].model_validate(given.data)
    except ValidationError as wrong:
        extra = any(error["type"] == "extra_forbidden" for error in wrong.errors())
        return Refused("command.unexpected_field" if extra else "command.invalid_field", _sentence(wrong, "data."))
    return None


def _sentence(wrong: ValidationError, where: str = "") -> str:
    """The first fault as field, value and remedy."""
    error = min(wrong.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    field = where + _short(".".join(str(part) for part in error["loc"]))
    if error["type"] == "missing":
        return f"{field} is missing; add it"
    if error["type"] == "extra_forbidden":
        return f"{field} {_short(error['input'])!r} is not a field of this command; leave it out"
    return f"{field} {_short(error['input'])!r} is not accepted: {error['msg']}"


def _check_time(text: str) -> None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or "T" not in text.upper():
        raise Refused("envelope.malformed", f"time {_short(text)!r} must be RFC 3339 with an offset")


def _digest(raw: dict[str, Any]) -> str:
    """The fingerprint of what a key stands for: type, subject, data and expectedversion."""
    content = [raw.get("type"), str(raw.get("subject")).lower(), raw.get("data") or {}, raw.get("expectedversion")]
    return sha256(_CANONICAL(content).encode()).hexdigest()


def _digest_of_anything(raw: dict[str, Any]) -> str:
    """The fingerprint of an envelope with a fault."""
    try:
        return _digest(raw)
    except RecursionError:
        return "too deep"


def is_ours(source: str) -> bool:
    """Whether a source is a name of the engine itself."""
    return source[: len(OURS)].lower() == OURS


def _reply(raw: dict[str, Any]) -> str | None:
    given = raw.get("replyto")
    return given if isinstance(given, str) and REPLY_TO.fullmatch(given) else None


def _short(value: object) -> str:
    """A value from outside, without e-mail addresses, escaped and cut to 80 characters."""
    text = masked(value if isinstance(value, str) else repr(value))
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)[:80]
