"""The door: an envelope from the queue is read here, and nothing in it is believed before it was checked."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from engine import Refused
from engine.printable import escaped, is_printable
from models.columns import to_json
from workers.base import hostname, json_reader
from workers.commands import attributes, fingerprint
from workers.commands.attributes import REPLY_TO, Attributes, is_ours
from workers.commands.payloads import FORMS, checked, unknown, without_nulls
from workers.commands.wording import sentence, short
from workers.producers.entry import Producer

MOST_BYTES = 64 * 1024
LONGEST_KEY = 200
LONGEST_WHY = 300
TOO_DEEP = "too deep"
FORGED = f"its member {json_reader.FAULT!r} is the engine's own; leave it out"

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Unreadable(Exception):  # noqa: N818 - nobody can be answered, so it is not a refusal
    """A message with no readable id: there is nobody to answer."""


class Envelope(NamedTuple):
    """A readable envelope. `fault` is why it is refused all the same; `digest` is its content's fingerprint.

    `raw` is what was sent; `producer` is who has signed it, None while nobody must. A key that can't be kept
    (`is_keyed` is False) is answered without a receipt.
    """

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
    raw: Mapping[str, Any] = MappingProxyType({})
    is_keyed: bool = True
    producer: Producer | None = None

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
        return self.is_keyed and not (over or self.dryrun or self.type == "site.show" or is_ours(self.source))

    def has_content_of(self, digest: str) -> bool:
        """Whether a receipt with this fingerprint was given for the same content, by this version or by 0.1."""
        if self.digest in {digest, TOO_DEEP} or json_reader.FAULT in self.raw:
            return digest == self.digest
        return digest in fingerprint.of_0_1(self.raw, self.subject)


def read(args: tuple[Any, ...]) -> Envelope:
    """Read the arguments of an unsigned message into an envelope; one with a fault is still answered.

    Raises Unreadable when no source and id can be read.
    """
    if len(args) == 1 and isinstance(args[0], dict):
        return open_object(args[0])
    raise Unreadable(f"expected one CloudEvents object as the only argument, got {len(args)} of other kinds")


def parse(text: str) -> dict[str, Any]:
    """Read the JSON of a signed envelope. Raises Unreadable for what is no object."""
    try:
        raw = json_reader.loads(text.encode())
    except (ValueError, RecursionError) as wrong:
        raise Unreadable(f"the signed envelope is not JSON: {wrong}") from None
    if not isinstance(raw, dict):
        raise Unreadable("the signed envelope is not a JSON object")
    return raw


def open_object(raw: dict[str, Any]) -> Envelope:
    """Check an envelope that was read as JSON; one with a fault is still answered.

    Raises Unreadable when no source and id can be read.
    """
    _check_key(raw)
    try:
        _check_json(raw)
        _check_size(raw)
        return _checked(raw, Attributes.model_validate(_without_nulls(raw)))
    except Refused as refusal:
        fault = refusal.with_traceback(None)  # the frames hold the message, and it would hold them
    except ValidationError as wrong:
        fault = Refused("envelope.malformed", sentence(wrong))
    except (UnicodeError, RecursionError, ValueError) as wrong:
        fault = Refused("envelope.malformed", f"the envelope can't be read as JSON text: {escaped(str(wrong))}"[:300])
    return _faulty(raw, fault)


def _check_key(raw: dict[str, Any]) -> None:
    """Without a source and an id nobody can be answered."""
    for value in (raw.get("source"), raw.get("id")):
        if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_KEY:
            raise Unreadable(f"source and id must be texts of 1 to {LONGEST_KEY} characters")


def _check_json(raw: dict[str, Any]) -> None:
    """What its JSON itself says wrong: a member twice, or nested without end."""
    if json_reader.FAULT in raw:
        raise Refused("envelope.malformed", f"the envelope can't be taken: {short(_mark(raw)[0], LONGEST_WHY)}")


def _mark(raw: dict[str, Any]) -> list[str]:
    """The reader's mark: the sentence, and the members that stand twice. What a sender puts there is one of those."""
    mark = raw.get(json_reader.FAULT, [])
    is_ours = isinstance(mark, list) and all(isinstance(word, str) for word in mark)
    return mark if is_ours and (mark or json_reader.FAULT not in raw) else [FORGED]


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


def _without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    """A null is the same as leaving it out."""
    if None not in members.values():
        return members
    return {name: value for name, value in members.items() if value is not None}


def _checked(raw: dict[str, Any], given: Attributes) -> Envelope:
    """The envelope's own attributes are right; now its source, time, reply stream, type, subject and data."""
    attributes.check(given)
    subject, wrong = _subject(given.type, given.subject)
    content = without_nulls(given.type, given.data)
    data, fault = (content, wrong) if wrong is not None else checked(given.type, content)
    return Envelope(
        source=given.source,
        id=given.id,
        type=given.type,
        subject=subject,
        data=data,
        digest=fingerprint.of_content(given.type, subject, content, given.expectedversion),
        dryrun=given.dryrun,
        review=given.review,
        expectedversion=given.expectedversion,
        replyto=given.replyto,
        correlation_id=given.correlationid,
        fault=fault,
        raw=raw,
    )


def _subject(kind: str, given: str) -> tuple[str, Refused | None]:
    """The site as it is looked up. A new one needs a hostname that is right by the rules of today."""
    if kind not in FORMS:
        return _subject("site.show", given)[0], unknown(kind)
    try:
        return hostname.a_labels(given) if kind == "site.start_trial" else hostname.sought(given), None
    except ValueError as wrong:
        meant = hostname.acceptable(given)
        instead = f"{meant} would be accepted" if meant else "give a hostname like help.example.com"
        if kind != "site.start_trial" and not meant:
            instead += ", or the site's id"
        why = escaped(str(wrong))[:LONGEST_WHY]
        return short(given), Refused("host.invalid", f"subject {short(given)!r} is not a hostname: {why}; {instead}")


def _faulty(raw: dict[str, Any], fault: Refused) -> Envelope:
    """An envelope that is answered with a refusal: nothing in it goes out as it came in."""
    kind, given = raw.get("type"), raw.get("subject")
    subject = _subject("site.show", given)[0] if isinstance(given, str) else short(given)
    mark = _mark(raw)
    return Envelope(
        escaped(raw["source"]),
        escaped(raw["id"]),
        short(kind),
        subject,
        {},
        _digest_of_anything(raw, subject),
        dryrun=raw.get("dryrun") is True,
        replyto=_reply(raw),
        fault=fault,
        raw=raw,
        is_keyed=is_printable(raw["source"] + raw["id"]) and not {"source", "id"} & set(mark[1:]),
    )


def _digest_of_anything(raw: dict[str, Any], subject: str) -> str:
    """The fingerprint of an envelope with a fault. What its JSON says twice is not the content that was read of it."""
    try:
        content = (raw.get("type"), subject, raw.get("data") or {}, raw.get("expectedversion"))
        return fingerprint.of_content(*content, *_mark(raw))
    except RecursionError:
        return TOO_DEEP


def _reply(raw: dict[str, Any]) -> str | None:
    given = raw.get("replyto")
    return given if isinstance(given, str) and REPLY_TO.fullmatch(given) else None
