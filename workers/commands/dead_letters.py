"""`tenure dead`: messages and effects that gave up, to be seen, tried again or dropped."""

import json
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from dramatiq.common import q_name
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

import engine
from engine.printable import escaped
from models import admission, dead, effect, effect_list
from models import site as sites
from models.clock import engine_now, machine_now
from models.database import reading, writing
from models.timestamps import stamp
from workers.base.documents import Document
from workers.base.effect_kinds import KINDS
from workers.base.errors import HELD
from workers.base.fault_points import fault_point
from workers.base.logs import batched, log
from workers.commands.apply import AfterCommit, Decisions, log_moves
from workers.commands.effect_report import tell_law
from workers.context import Context
from workers.outbox import wake_ups
from workers.queue import new_message
from workers.queue.consumer import FAILED

LONGEST = 70_000


class NoSuchDeadError(Exception):
    """Nothing that gave up has this id."""


class DeadLetter(NamedTuple):
    """A dead letter: its redis id, body and reason, and the key under which it is kept once (None: it has none)."""

    redis_id: str
    raw: bytes
    reason: str
    key: str | None


def keep(context: Context, queue: str, redis_id: str, raw: bytes, reason: str) -> None:
    """Mirror one dead letter into the database; see `keep_all`."""
    keep_all(context, queue, [(redis_id, raw, reason)])


def keep_all(context: Context, queue: str, letters: list[tuple[str, bytes, str]]) -> None:
    """Mirror dead letters (redis id, body, reason) into the database, and say so in one line each without its content.

    It comes before the dead-letter queue, so whoever dies in between keeps them again: under the same ids. A producer
    that gives one Redis id to many messages has them all kept.
    """
    _keep(context, queue, [DeadLetter(*letter, _key(queue, *letter[:2])) for letter in letters])


def _key(queue: str, redis_id: str, raw: bytes) -> str:
    return blake2b(f"{queue} {redis_id} ".encode() + _asked(raw), digest_size=16).hexdigest()


def _asked(raw: bytes) -> bytes:
    """What a message asks, without the options: a try leaves its count and its traceback there."""
    try:
        message = json.loads(raw)
        return json.dumps(message | {"options": None}).encode() if isinstance(message, dict) else raw
    except (ValueError, RecursionError):
        return raw


def keep_unreadable(context: Context, queue: str, raw: bytes, reason: str) -> None:
    """A message of which nobody knows where it came from: two that are the same are two."""
    keep_all_unreadable(context, queue, [(raw, reason)])


def keep_all_unreadable(context: Context, queue: str, letters: list[tuple[bytes, str]]) -> None:
    """Such messages (body, reason), many at once."""
    _keep(context, queue, [DeadLetter("without a readable id", raw, reason, None) for raw, reason in letters])


def _keep(context: Context, queue: str, letters: list[DeadLetter]) -> None:
    """In one transaction, for anybody may send thousands of them."""
    try:
        with writing(context.database) as tx:
            now = machine_now()
            kept = [f"tenure dead {'retry' if one.raw else 'drop'} {_add(tx, queue, one, now)}" for one in letters]
            gone = dead.make_room(tx)
            fault_point("dead.keeping")
        fault_point("dead.kept")
    except SQLAlchemyError as wrong:
        gone, kept = 0, [f"it is in {queue}.XQ only: {str(wrong).splitlines()[0]}"] * len(letters)
    with batched():
        for one, how in zip(letters, kept, strict=True):
            error = f"{queue} message {one.redis_id} {escaped(one.reason)}; {how}"
            log.error("gave_up", code="message.dead", error=error)
    if gone:
        log.warning("gave_up", code="message.forgotten", error=f"{gone} older messages that nobody could read are gone")


def _add(tx: Connection, queue: str, letter: DeadLetter, at: datetime) -> str:
    body = letter.raw[:LONGEST].decode(errors="backslashreplace").replace("\0", "\\x00")
    reason = escaped(letter.reason)  # it quotes the message, which may hold what no database can
    add = dead.add if letter.reason.startswith(FAILED) else dead.add_unreadable
    return add(tx, queue, reason, body, at, letter.key)


def listing(context: Context) -> Document:
    """`tenure/dead/1`: everything that gave up, oldest first of each kind."""
    with reading(context.database) as tx:
        found = [_message(row) for row in dead.messages(tx)]
        gave_up = effect_list.find(tx, state="gave_up", held=HELD)
        found += [_effect(row) for row in gave_up]
    return {"schema": "tenure/dead/1", "dead": found}


def _message(row: Any) -> Document:
    return {"id": row.id, "what": "message", "site": None, "reason": row.reason, "at": stamp(row.at), "body": row.body}


def _effect(row: Any) -> Document:
    at = stamp(row.settled_at) if row.settled_at else None
    return {
        "id": row.id,
        "what": row.kind,
        "site": row.host,
        "reason": row.error,
        "at": at,
        "body": None,
    }


def retry(context: Context, dead_id: str) -> None:
    """Put a message on its queue again, or make an effect pending again. Raises NoSuchDeadError."""
    if dead_id.startswith("msg_"):
        _enqueue_again(context, dead_id)
        return
    with writing(context.database) as tx:
        found, site = _that_gave_up(tx, dead_id)
        if site is None or not effect.is_wanted(found, site, engine_now(tx), context.policy):
            raise ValueError(f"{found.kind} {dead_id} {_why_not(found.kind)}")
        effect.revive_one(tx, dead_id)
        after = _tell_law(tx, context, site, found, "site.effect_retried")
        after.wake_ups.extend(admission.admit(tx, found.site_id, (found.lane,), machine_now()))
        fault_point("dead.reviving")
    fault_point("dead.revived")
    _say(context, after)


def _tell_law(tx: Connection, context: Context, site: engine.Site, row: Any, kind: str) -> AfterCommit:
    decisions = Decisions(tx, engine_now(tx), context.policy)
    tell_law(decisions, context, site, row, kind)
    return decisions.write()


def _say(context: Context, after: AfterCommit) -> None:
    """After the commit: what an operator's word has led to."""
    log_moves(after.moves)
    wake_ups.offer(context, after.wake_ups)


def _enqueue_again(context: Context, dead_id: str) -> None:
    """On the queue first: a crash in between leaves it in both, and twice equals once."""
    with reading(context.database) as tx:
        row = next((one for one in dead.messages(tx) if one.id == dead_id), None)
    if row is None:
        raise NoSuchDeadError(f"nothing that gave up has the id {dead_id!r}; `tenure dead list` shows all")
    if not row.body:
        raise ValueError(f"{dead_id} was too long to be kept, so there is nothing to send again; ask who sent it")
    queue = q_name(row.queue)
    new_message.enqueue(context.redis, queue, new_message.renew(row.body, queue))
    fault_point("dead.enqueued")
    with writing(context.database) as tx:
        dead.take(tx, dead_id)
    fault_point("dead.taken")


def drop(context: Context, dead_id: str) -> None:
    """Forget a message, or close an effect as dropped; not one that the deletion of its site waits for.

    A charge is void then, and what it was to buy is not bought: if it was made after all, operators are told to refund.

    Raises NoSuchDeadError, and ValueError for an effect that a guard waits for.
    """
    after = AfterCommit([], [])
    with writing(context.database) as tx:
        if dead_id.startswith("msg_"):
            found = dead.take(tx, dead_id) is not None
        else:
            row, site = _that_gave_up(tx, dead_id)
            _must_not_be_awaited(row, site)
            found = effect.drop(tx, dead_id, engine_now(tx))
            if site is not None:
                after = _tell_law(tx, context, site, row, "site.effect_dropped")
        if not found:
            raise NoSuchDeadError(f"nothing that gave up has the id {dead_id!r}; `tenure dead list` shows all")
        fault_point("dead.dropping")
    fault_point("dead.dropped")
    _say(context, after)


def _that_gave_up(tx: Connection, effect_id: str) -> tuple[Any, engine.Site | None]:
    """An effect that gave up, and its site, which is locked first: somebody else may have dealt with it meanwhile."""
    known = effect.find(tx, effect_id)
    site = None if known is None else sites.find(tx, known.site_id)
    row = effect.find(tx, effect_id)
    if row is None or row.status != "gave_up":
        raise NoSuchDeadError(f"nothing that gave up has the id {effect_id!r}; `tenure dead list` shows all")
    return row, site


def _why_not(kind: str) -> str:
    if kind == "restore":
        return "is not tried again, for the site has lived on since: ask for it anew with site.restore, or drop it"
    return "is not wanted any more, for its site has moved on since: drop it"


def _must_not_be_awaited(row: Any, site: engine.Site | None) -> None:
    leaving = site is not None and site.state in {"cancelled", "expired", "failed", "deleting"}
    kind = KINDS.get(row.kind)
    if leaving and kind is not None and kind.is_awaited_by_deletion(row.args):
        raise ValueError(f"the deletion of {site.host if site else row.site_id} waits for this {row.kind}; retry it")
