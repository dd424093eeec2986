"""One command: an envelope in, one transaction, one answer."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from uuid_utils import uuid7

import engine
from engine.words import shown
from models import backup, receipt
from models import site as sites
from models.clock import engine_now, review_secret
from models.database import reading, writing
from models.effect import is_claimed
from models.record import record, tell, write_receipt
from workers import announce, dead, narrate
from workers.answer import answer, refusal
from workers.crash import reached
from workers.document import document
from workers.envelope import Envelope, Unreadable, read
from workers.errors import Permanent, Temporary
from workers.review import check, quoted_at, sign
from workers.workplace import Workplace

LIVE = frozenset({"site.subscribe", "site.change_plan", "site.show"})
"""Commands that look at how many agents are in use in the site right now."""

Answer = dict[str, Any]


def take(place: Workplace, args: tuple[Any, ...]) -> Answer | None:
    """Judge one message from the queue; None when there is nobody to answer.

    Database and Redis errors pass through: the message is delivered again, and twice equals once.
    """
    try:
        envelope = read(args)
    except Unreadable as wrong:
        reason = f"refused envelope.malformed: {wrong}; nobody can be answered"
        dead.keep(place, "lifecycle", "without a readable id", json.dumps(_message(args)).encode(), reason)
        return None
    used = _used_agents(place, envelope)
    reached("command.read")
    with writing(place.database) as tx:
        now = engine_now(tx)
        said, decision = _judge(tx, place, envelope, now, used)
        _tell(tx, envelope, said, decision, now)
        reached("command.judged")
    reached("command.committed")
    announce.effects(place, [] if decision is None else decision.effects)
    if decision is not None and decision.revives and decision.site is not None:
        announce.next_of_site(place, decision.site.id)
    reached("command.announced")
    announce.events(place)
    reached("command.answered")
    narrate.command(envelope, said)
    return said


def _message(args: tuple[Any, ...]) -> Answer:
    """The message again, as Dramatiq would carry it."""
    return {"queue_name": "lifecycle", "actor_name": "command", "args": args, "kwargs": {}, "options": {}}


def _judge(
    tx: Connection, place: Workplace, envelope: Envelope, now: datetime, used: int | None
) -> tuple[Answer, engine.Decision | None]:
    """The first answer again, or a new one; the decision is None when nothing was decided now."""
    first = receipt.find(tx, envelope.source, envelope.id) if envelope.uses_up_its_id else None
    if first is not None:
        return _again(first, envelope), None
    site = sites.find(tx, envelope.subject)
    site = None if site is None else _live(tx, site, used)
    command = replace(_command(envelope, site), backups=_backups(tx, envelope, site))
    if envelope.fault is None and envelope.type == "site.show" and site is not None:
        return _show(tx, place, command, site, now), None
    decision = _decide(tx, place, envelope, command, site, now)
    said = answer(command, decision, subject=envelope.subject)
    if envelope.dryrun:
        return _preview(tx, envelope, said, decision, now), None
    if not envelope.uses_up_its_id:
        return said, None
    record(tx, command, decision, now, place.policy)
    write_receipt(tx, command, decision, now, envelope.digest, said)
    return said, decision


def _decide(
    tx: Connection,
    place: Workplace,
    envelope: Envelope,
    command: engine.Command,
    site: engine.Site | None,
    now: datetime,
) -> engine.Decision:
    """The door's refusals first, then the law's."""
    try:
        if envelope.fault is not None:
            raise envelope.fault
        _must_be_current(envelope, site)
        if envelope.review is not None:
            command = replace(command, quoted_at=quoted_at(envelope.review, review_secret(tx), now, place.policy))
        decision = engine.decide(site, command, now, place.policy)
        if envelope.review is not None and decision.outcome != "refused":
            check(envelope.review, review_secret(tx), envelope, decision)
    except engine.Refused as refused:
        return refusal(refused, site)
    return decision


def _must_be_current(envelope: Envelope, site: engine.Site | None) -> None:
    wanted = envelope.expectedversion
    if wanted is not None and site is not None and site.state != "deleted" and site.version != wanted:
        raise engine.Refused(
            "state.stale", f"expectedversion {wanted} is not the site's version {site.version}; look at it again"
        )


def _command(envelope: Envelope, site: engine.Site | None) -> engine.Command:
    return engine.Command(
        type=envelope.type,
        source=envelope.source,
        id=envelope.id,
        data=envelope.data,
        correlation_id=envelope.correlation_id,
        host=envelope.subject if site is None else site.host,
        new_site_id=f"site_{uuid7().hex}",
    )


def _backups(tx: Connection, envelope: Envelope, site: engine.Site | None) -> tuple[engine.Kept, ...] | None:
    """What a restore may choose from."""
    return backup.kept(tx, site.id) if envelope.type == "site.restore" and site is not None else None


def _live(tx: Connection, site: engine.Site, used: int | None) -> engine.Site:
    claimed = site.paying is not None and is_claimed(tx, site.id)
    return engine.with_live_facts(site, used_agents=used, claimed=claimed)


def _used_agents(place: Workplace, envelope: Envelope) -> int | None:
    """Asked outside the transaction: the host may be slow. One that can't tell leaves what was last known."""
    if envelope.type not in LIVE or envelope.fault is not None:
        return None
    with reading(place.database) as tx:
        site = sites.find(tx, envelope.subject)
    if site is None or site.ready_at is None:
        return None
    try:
        return place.host.used_agents(site.id)
    except (Permanent, Temporary, OSError):
        return None


def _again(first: Any, envelope: Envelope) -> Answer:
    """The same key: the same answer for the same content, a refusal for another."""
    if first.digest == envelope.digest:
        return {**first.answer, "duplicate": True}
    conflict = engine.Refused(
        "command.id_conflict",
        f"id {shown(envelope.id)} of source {shown(envelope.source)} was used before with other content; use a new id",
    )
    said = answer(_command(envelope, None), refusal(conflict, None), subject=envelope.subject)
    return {**said, "site_id": first.site_id}


def _preview(tx: Connection, envelope: Envelope, said: Answer, decision: engine.Decision, now: datetime) -> Answer:
    """What would happen; nothing was written, and the id is not used up."""
    if decision.outcome == "refused":
        return said
    token = sign(review_secret(tx), envelope, decision, now)
    new = {"site_id": None} if decision.before is None else {}
    return {**said, **new, "outcome": "preview", "review": token, "notes": list(decision.notes)}


def _show(tx: Connection, place: Workplace, command: engine.Command, site: engine.Site, now: datetime) -> Answer:
    """A question: answered with the site's document, no receipt and no move."""
    nothing = engine.Decision("no_op", site, site, allowed=engine.allowed(site, now, place.policy))
    said = answer(command, nothing, subject=site.host)
    return {**said, "document": document(tx, site, now, place.policy)}


def _tell(tx: Connection, envelope: Envelope, said: Answer, decision: engine.Decision | None, now: datetime) -> None:
    """The answer first, then what moved."""
    where: Mapping[str, Any] = {
        "host": said["site"],
        "site_id": said["site_id"],
        "cause": envelope.id,
        "correlation_id": envelope.correlation_id,
    }
    data = {name: value for name, value in said.items() if name not in {"site", "site_id"}}
    tell(tx, "command.answered", data, now, reply_to=envelope.replyto, **where)
    for event in decision.events if decision is not None else ():
        tell(tx, event.type, dict(event.data), now, **where)
