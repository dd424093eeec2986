"""The first answer to each command: it is given again to the same key, however often that comes."""

from dataclasses import dataclass

from sqlalchemy import Connection

import engine
from engine.spelling import has_at_sign
from engine.words import masked, shown
from models import receipt
from models.clock import review_secret
from workers.base.documents import Document
from workers.commands.answer import answer, refusal
from workers.commands.envelope import Envelope


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first answer to a key and the digest of the command's content; its customer may be forgotten since."""

    digest: str
    site_id: str | None
    answer: Document
    is_forgotten: bool = False


def first_answers(tx: Connection, keys: list[tuple[str, str]]) -> dict[tuple[str, str], StoredAnswer]:
    """The answers that these keys have got before; a key that named somebody may be kept as a hash."""
    first = {key: StoredAnswer(row.digest, row.site_id, row.answer) for key, row in receipt.find_all(tx, keys).items()}
    naming = [key for key in keys if key not in first and any(map(has_at_sign, key))]
    if naming:
        secret = review_secret(tx)
        hashed = {kept: key for key in naming for kept in receipt.forgotten_keys(secret, key)}
        for kept, row in receipt.find_all(tx, list(hashed)).items():
            first[hashed[kept]] = StoredAnswer(row.digest, row.site_id, row.answer, is_forgotten=True)
    return first


def answer_again(first: StoredAnswer, envelope: Envelope) -> Document:
    """The same key: the same answer for the same content, a refusal for another."""
    if envelope.has_content_of(first.digest):
        return {**first.answer, "duplicate": True}
    conflict = engine.Refused(
        "command.id_conflict",
        f"id {shown(envelope.id)} of source {shown(envelope.source)} was used before with other content; use a new id",
    )
    command = engine.Command(envelope.type, envelope.source, envelope.id, host=envelope.subject)
    return {**answer(command, refusal(conflict, None), subject=envelope.subject), "site_id": first.site_id}


def without_names(envelope: Envelope) -> Envelope:
    """The envelope without the name of somebody who was forgotten: what is said to it is kept again."""
    correlation_id = None if envelope.correlation_id is None else masked(envelope.correlation_id)
    return envelope._replace(source=masked(envelope.source), id=masked(envelope.id), correlation_id=correlation_id)
