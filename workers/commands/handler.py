"""Commands: envelopes in, one transaction, one answer for each. Many of them cost little more than one."""

import json
from collections.abc import Iterable
from typing import Any

import engine
from models import site as sites
from models.clock import machine_now
from models.database import reading, writing
from workers.base.away import is_away
from workers.base.documents import Document
from workers.base.fault_points import fault_point
from workers.base.logs import batched
from workers.commands import dead_letters, log_lines
from workers.commands.apply import AfterCommit
from workers.commands.authentication import read
from workers.commands.batch import CommandBatch, Judgement
from workers.commands.envelope import Envelope, Unreadable
from workers.commands.quotas import Quotas
from workers.commands.wording import short
from workers.context import Context
from workers.outbox import relay, wake_ups
from workers.producers import unknown_keys
from workers.producers.rejections import NotAuthenticError
from workers.producers.unknown_keys import UnknownKeyError
from workers.queue import new_message
from workers.queue.queue_names import COMMAND_ACTOR, COMMANDS

LIVE = engine.COUNTED | {"site.show"}
"""Commands that look at how many agents are in use in the site right now."""

Args = tuple[Any, ...]
CommandOutcome = Document | Exception | None


def take(context: Context, args: Args) -> Document | None:
    """Judge one message from the queue; None when there is nobody to answer.

    Database and Redis errors pass through: the message is delivered again, and twice equals once.
    """
    return _take(context, _opened(context, [args]))[0]


def take_each(context: Context, batch: list[Args]) -> list[CommandOutcome]:
    """Judge many messages in one transaction: for each its answer, None, or the error that only it has.

    A batch that fails is halved until the one that fails stands alone, and its neighbours are answered as if it had
    not been there. What keeps anybody from being answered (the database is away) passes through.
    """
    return _take_halves(context, _opened(context, batch))


def _take_halves(context: Context, batch: list[Envelope | None]) -> list[CommandOutcome]:
    try:
        return [*_take(context, batch)]
    except Exception as wrong:
        if is_away(wrong):
            raise
        if len(batch) == 1:
            return [_alone(context, batch[0], wrong)]
    middle = len(batch) // 2
    return _take_halves(context, batch[:middle]) + _take_halves(context, batch[middle:])


def _alone(context: Context, envelope: Envelope | None, wrong: Exception) -> CommandOutcome:
    """Once more: what lost a race against another worker finds the other's answer now."""
    try:
        return _take(context, [envelope])[0]
    except Exception as again:
        if is_away(again):
            raise
        again.__context__ = wrong
        return again


def _take(context: Context, envelopes: list[Envelope | None]) -> list[Document | None]:
    readable = [envelope for envelope in envelopes if envelope is not None]
    judgements = iter(_judge(context, readable) if readable else [])
    return [None if envelope is None else next(judgements).answer for envelope in envelopes]


def _opened(context: Context, batch: list[Args]) -> list[Envelope | None]:
    """The envelopes; None for what nobody can read, which is put aside, and for what is not let in."""
    opened: list[Envelope | None] = []
    dark: list[tuple[bytes, str]] = []
    strange: list[NotAuthenticError] = []
    known, now = context.producers.now(), machine_now()
    for args in batch:
        try:
            opened.append(_with_mail_that_arrives(context, read(args, known, now)))
        except Unreadable as wrong:
            opened.append(None)
            reason = f"refused envelope.malformed: {wrong}; nobody can be answered"
            dark.append((json.dumps(_message(args)).encode(), reason))
        except NotAuthenticError as wrong:
            opened.append(None)
            strange.append(wrong)
    if dark:
        dead_letters.keep_all_unreadable(context, COMMANDS, dark)
    if strange:
        _turn_away(context, strange)
    return opened


def _turn_away(context: Context, strange: list[NotAuthenticError]) -> None:
    """Count what is not let in; what is signed with a key that is not known waits for it."""
    unknown = [one for one in strange if isinstance(one, UnknownKeyError)]
    may_not_wait = unknown_keys.wait(context.redis, unknown) if unknown else []
    fault_point("command.waiting")
    turned_away = [one for one in strange if one not in unknown] + [*may_not_wait]
    if turned_away:
        context.rejections.note(context.redis, turned_away)


def _with_mail_that_arrives(context: Context, envelope: Envelope) -> Envelope:
    """Refuse an address that the mailer in use can't send to: every letter to it would give up."""
    email = envelope.data.get("email", "") if envelope.fault is None else ""
    if email.isascii() or context.mailer.takes_unicode():
        return envelope
    why = "needs a mail server with SMTPUTF8, which the one in use lacks"
    remedy = "give an address with letters of ASCII alone before the at sign"
    return envelope._replace(
        fault=engine.Refused("command.invalid_field", f"data.email {short(email)!r} {why}; {remedy}")
    )


def _message(args: Args) -> Document:
    """The message again, as Dramatiq would carry it."""
    return new_message.fields(COMMANDS, COMMAND_ACTOR, args)


def _judge(context: Context, envelopes: list[Envelope]) -> list[Judgement]:
    used = _used_agents(context, envelopes)
    fault_point("command.read")
    quotas = Quotas(context)
    try:
        judgements, after = _judge_in_one_transaction(context, envelopes, used, quotas)
    except BaseException:
        quotas.give_back()
        raise
    fault_point("command.committed")
    wake_ups.offer(context, after.wake_ups)
    fault_point("command.announced")
    relay.publish_soon(context)
    fault_point("command.answered")
    with batched():
        log_lines.commands((judgement.envelope, judgement.answer) for judgement in judgements)
        for move in after.moves:
            log_lines.alarms(move.decision)
    return judgements


def _judge_in_one_transaction(
    context: Context, envelopes: list[Envelope], used: dict[str, int], quotas: Quotas
) -> tuple[list[Judgement], AfterCommit]:
    with writing(context.database) as tx:
        batch = CommandBatch(tx, context, envelopes, used, quotas)
        judgements = [batch.judge(envelope) for envelope in batch.envelopes]
        after = batch.decisions.write()
        batch.keep_counts()
        fault_point("command.judged")
    return judgements, after


def _used_agents(context: Context, envelopes: Iterable[Envelope]) -> dict[str, int]:
    """Agents in use by site id, asked outside the transaction and not for long: what was last known holds otherwise."""
    wanted = {envelope.subject for envelope in envelopes if envelope.type in LIVE and envelope.fault is None}
    if not wanted:
        return {}
    with reading(context.database) as tx:
        ids = sites.ready_ids(tx, wanted)
    return context.agents.ask(ids)
