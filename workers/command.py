"""Commands: envelopes in, one transaction, one answer for each. Many of them cost little more than one."""

import json
from collections.abc import Iterable
from typing import Any

import engine
from models import site as sites
from models.admission import Woken
from models.database import reading, writing
from workers import announce, dead, narrate
from workers.answer import Document
from workers.crash import reached
from workers.envelope import Envelope, Unreadable, read
from workers.errors import AWAY, OWN
from workers.logs import together
from workers.quotas import Quotas
from workers.sitting import Sitting, Verdict
from workers.wording import short
from workers.workplace import Workplace

LIVE = engine.COUNTED | {"site.show"}
"""Commands that look at how many agents are in use in the site right now."""

Args = tuple[Any, ...]
Outcome = Document | Exception | None


def take(place: Workplace, args: Args) -> Document | None:
    """Judge one message from the queue; None when there is nobody to answer.

    Database and Redis errors pass through: the message is delivered again, and twice equals once.
    """
    return _take(place, _opened(place, [args]))[0]


def take_each(place: Workplace, batch: list[Args]) -> list[Outcome]:
    """Judge many messages in one transaction: for each its answer, None, or the error that only it has.

    A batch that fails is halved until the one that fails stands alone, and its neighbours are answered as if it had
    not been there. What keeps anybody from being answered (the database is away) passes through.
    """
    return _take_halves(place, _opened(place, batch))


def _take_halves(place: Workplace, batch: list[Envelope | None]) -> list[Outcome]:
    try:
        return [*_take(place, batch)]
    except Exception as wrong:
        if _is_away(wrong):
            raise
        if len(batch) == 1:
            return [_alone(place, batch[0], wrong)]
    middle = len(batch) // 2
    return _take_halves(place, batch[:middle]) + _take_halves(place, batch[middle:])


def _alone(place: Workplace, envelope: Envelope | None, wrong: Exception) -> Outcome:
    """Once more: what lost a race against another worker finds the other's answer now."""
    try:
        return _take(place, [envelope])[0]
    except Exception as again:
        if _is_away(again):
            raise
        again.__context__ = wrong
        return again


def _is_away(wrong: Exception) -> bool:
    return isinstance(wrong, AWAY) and not isinstance(wrong, OWN)


def _take(place: Workplace, envelopes: list[Envelope | None]) -> list[Document | None]:
    readable = [envelope for envelope in envelopes if envelope is not None]
    verdicts = iter(_judge(place, readable) if readable else [])
    return [None if envelope is None else next(verdicts).said for envelope in envelopes]


def _opened(place: Workplace, batch: list[Args]) -> list[Envelope | None]:
    """The envelopes; None for what nobody can read, which is put aside, all of it at once."""
    opened: list[Envelope | None] = []
    dark: list[tuple[bytes, str]] = []
    for args in batch:
        try:
            opened.append(_with_mail_that_arrives(place, read(args)))
        except Unreadable as wrong:
            opened.append(None)
            reason = f"refused envelope.malformed: {wrong}; nobody can be answered"
            dark.append((json.dumps(_message(args)).encode(), reason))
    if dark:
        dead.keep_all_unreadable(place, "lifecycle", dark)
    return opened


def _with_mail_that_arrives(place: Workplace, envelope: Envelope) -> Envelope:
    """Refuse an address that the mailer in use can't send to: every letter to it would give up."""
    email = envelope.data.get("email", "") if envelope.fault is None else ""
    if email.isascii() or place.mailer.takes_unicode():
        return envelope
    why = "needs a mail server with SMTPUTF8, which the one in use lacks"
    remedy = "give an address with letters of ASCII alone before the at sign"
    return envelope._replace(
        fault=engine.Refused("command.invalid_field", f"data.email {short(email)!r} {why}; {remedy}")
    )


def _message(args: Args) -> Document:
    """The message again, as Dramatiq would carry it."""
    return {"queue_name": "lifecycle", "actor_name": "command", "args": args, "kwargs": {}, "options": {}}


def _judge(place: Workplace, envelopes: list[Envelope]) -> list[Verdict]:
    used = _used_agents(place, envelopes)
    reached("command.read")
    quotas = Quotas(place)
    try:
        verdicts, woken = _sit(place, envelopes, used, quotas)
    except BaseException:
        quotas.give_back()
        raise
    reached("command.committed")
    announce.effects(place, woken)
    reached("command.announced")
    announce.soon(place)
    reached("command.answered")
    with together():
        narrate.commands((verdict.envelope, verdict.said) for verdict in verdicts)
        for verdict in verdicts:
            if verdict.decision is not None:
                narrate.alarms(verdict.decision)
    return verdicts


def _sit(
    place: Workplace, envelopes: list[Envelope], used: dict[str, int], quotas: Quotas
) -> tuple[list[Verdict], list[Woken]]:
    """In one transaction: what is said to each, and the effects that are to be announced."""
    with writing(place.database) as tx:
        sitting = Sitting(tx, place, envelopes, used, quotas)
        verdicts = [sitting.judge(envelope) for envelope in sitting.envelopes]
        sitting.journal.write()
        sitting.keep_counts()
        reached("command.judged")
    return verdicts, sitting.journal.woken


def _used_agents(place: Workplace, envelopes: Iterable[Envelope]) -> dict[str, int]:
    """Agents in use by site id, asked outside the transaction and not for long: what was last known holds otherwise."""
    wanted = {envelope.subject for envelope in envelopes if envelope.type in LIVE and envelope.fault is None}
    if not wanted:
        return {}
    with reading(place.database) as tx:
        ids = sites.ready_ids(tx, wanted)
    return place.agents.ask(ids)
