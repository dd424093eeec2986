"""The commands of one batch within their rates. What was answered before is not counted, nor the same one twice."""

from collections.abc import Collection, Mapping

from workers.commands.envelope import Envelope
from workers.commands.permission import is_denied
from workers.commands.quotas import Asked, OverQuotaError, Quotas


def within(
    quotas: Quotas, envelopes: list[Envelope], ids: Mapping[str, str], answered: Collection[tuple[str, str]]
) -> list[Envelope]:
    """The envelopes, those that are too many with that as their fault.

    `ids` are the sites' ids by subject, `answered` the keys that have an answer.
    """
    if quotas.is_off and not any(envelope.producer for envelope in envelopes):
        return envelopes
    asked: list[Asked] = []
    numbers: dict[tuple[str, str], int] = {}
    counted: list[int | None] = []
    for envelope in envelopes:
        number = None if envelope.uses_up_its_id and envelope.key in answered else len(asked)
        if number is not None and envelope.uses_up_its_id:
            number = numbers.setdefault(envelope.key, number)
        if number == len(asked):
            asked.append(_asked(envelope, ids))
        counted.append(number)
    waits = quotas.take(asked)
    return [
        envelope if number is None or not waits[number] else _over(envelope, asked[number], waits[number])
        for envelope, number in zip(envelopes, counted, strict=True)
    ]


def _asked(envelope: Envelope, ids: Mapping[str, str]) -> Asked:
    site, producer = ids.get(envelope.subject, envelope.subject), envelope.producer
    if producer is None:
        return Asked(envelope.source, site)
    return Asked(envelope.source, site, producer.name, producer.per_minute)


def _over(envelope: Envelope, asked: Asked, seconds: int) -> Envelope:
    """One too many. What its producer may not ask anyway is answered so, but leaves no receipt any more."""
    if is_denied(envelope):
        return envelope._replace(is_keyed=False)
    return envelope._replace(fault=OverQuotaError(asked, seconds))
