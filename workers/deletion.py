"""Deletions as a whole: the breaker that stands before each of them, and `tenure deletion`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

import engine
from engine.alarms import alarm
from models import breaker, deletion, failing, offer, timer
from models import site as sites
from models.clock import engine_now, machine_now
from models.database import reading, writing
from models.journal import Journal
from models.moments import stamp
from models.record import tell
from workers import announce
from workers.crash import reached
from workers.failing_work import deletion_waits_for
from workers.logs import log
from workers.reports import sought
from workers.settings import Settings
from workers.workplace import Workplace

Document = dict[str, Any]


def caps(settings: Settings) -> breaker.Caps:
    """The caps that the settings name."""
    return breaker.Caps(settings.deletions_per_hour, settings.deletions_per_day, settings.deletions_share)


def stopped(tx: Connection, place: Workplace, now: datetime) -> tuple[str, datetime] | None:
    """Why the breaker lets no deletion through now, and when to ask again; None when one may pass.

    It trips before the first deletion of a plan that is too large, and tells operators once.
    """
    again = now + place.policy.held_retry
    current = breaker.state(tx, now)
    if current.state in {"tripped", "paused"}:
        return f"deletions are {current.state}: {current.why}; `tenure deletion preview`, then `resume`", again
    if current.state == "closed":
        too_many = breaker.excess(breaker.plan(tx, now), caps(place.settings))
        if too_many is not None:
            _trip(tx, too_many, now)
            return f"the breaker tripped: {too_many}", again
    free_at = breaker.free_again_at(tx, caps(place.settings), now)
    return None if free_at is None else ("deletions are paced", free_at)


def _trip(tx: Connection, why: str, now: datetime) -> None:
    breaker.turn(tx, "tripped", why, now)
    tell(tx, "alarm.raised", alarm("deletions.tripped", why), now, host="*", site_id=None, cause=None)
    log.error(
        "tripped",
        code="deletions.tripped",
        error=f"{why}; nothing is deleted until `tenure deletion resume --confirm N`",
    )


def preview(place: Workplace) -> Document:
    """`tenure/deletions/1`: what is planned for the next day, its number, and where the breaker stands."""
    with reading(place.database) as tx:
        now = engine_now(tx)
        planned = breaker.plan(tx, now)
        state, why, budget = breaker.look(tx)
        due = timer.upcoming_deletions(tx, now + breaker.DAY)
        excess = breaker.excess(planned, caps(place.settings))
    return {
        "schema": "tenure/deletions/1",
        "breaker": state,
        "why": why,
        "budget": budget,
        "would_trip": excess,
        "count": planned.next_day,
        "fleet": planned.fleet,
        "sites": [_planned(place, at, site, now) for at, _, site in due],
    }


def listing(place: Workplace) -> Document:
    """`tenure/deletions/1`: deletions under way, then all that will come as things stand, with what holds each."""
    with reading(place.database) as tx:
        now = engine_now(tx)
        state, why, budget = breaker.look(tx)
        due = timer.upcoming_deletions(tx)
        begun = [_begun(tx, site) for site in sites.in_state(tx, "deleting")]
    rows = [*begun, *(_planned(place, at, site, now) for at, _, site in due)]
    return {"schema": "tenure/deletions/1", "breaker": state, "why": why, "budget": budget, "sites": rows}


def _begun(tx: Connection, site: engine.Site) -> Document:
    """A deletion under way: what its last try left, if one failed."""
    row = failing.deletion_of(tx, site.id)
    left = deletion_waits_for(tx, site.id)
    return {
        "site": site.host,
        "id": site.id,
        "state": site.state,
        "at": stamp(row.asked_at if row else site.deletes_at or site.created_at),
        "deletes_at": stamp(site.deletes_at) if site.deletes_at else None,
        "waits_for": [] if left is None else [left],
    }


def _planned(place: Workplace, at: datetime, site: engine.Site, now: datetime) -> Document:
    return {
        "site": site.host,
        "id": site.id,
        "state": site.state,
        "at": stamp(at),
        "deletes_at": stamp(site.deletes_at) if site.deletes_at else None,
        "waits_for": engine.authorize_destruction(site, max(now, site.deletes_at or now), place.policy),
    }


def pause(place: Workplace) -> None:
    """Let no deletion through until somebody resumes."""
    with writing(place.database) as tx:
        breaker.turn(tx, "paused", "paused by an operator", engine_now(tx))
        reached("breaker.pausing")
    reached("breaker.paused")
    log.warning("paused", error="deletions are paused by an operator")


def resume(place: Workplace, confirmed: int) -> None:
    """Let the deletions of the preview through, paced; those that are late are told anew first.

    Raises ValueError when the number is not the one that the preview shows now.
    """
    ids = late_ids(place)
    with writing(place.database) as tx:
        late = sites.find_all(tx, ids)
        now = engine_now(tx)
        planned = breaker.plan(tx, now).next_day
        if planned != confirmed:
            raise ValueError(f"--confirm {confirmed} is not the {planned} that `tenure deletion preview` shows now")
        breaker.turn(tx, "released" if planned else "closed", "released by an operator", now, budget=planned)
        tell_again(tx, place, late.values(), now)
        timer.ask_deletions_again(tx, now)
        offer.ask_again(tx, "delete", machine_now())
        reached("breaker.resuming")
    reached("breaker.resumed")
    announce.ring(place)


def late_ids(place: Workplace) -> list[str]:
    """The sites whose deletion was due and has removed nothing yet."""
    with reading(place.database) as tx:
        return [*timer.late_deletions(tx, engine_now(tx)), *sites.deleting_whole(tx)]


def tell_again(tx: Connection, place: Workplace, late: Iterable[engine.Site], now: datetime) -> None:
    """Who was told a date that passed in a pause or in safe mode gets a new notice, and 48 h (design.md, Edges)."""
    journal = Journal(tx, now, place.policy)
    for site in late:
        key = f"{site.id}:tell_again:{site.generation}:{stamp(now)}"
        command = engine.Command("site.tell_again", "tenure:operator", key, host=site.host)
        decision = engine.decide(site, command, now, place.policy)
        if decision.outcome == "applied":
            journal.record(command, decision)
            journal.answered(command, decision, "", None)
    journal.write()


def verify(place: Workplace) -> Document:
    """`tenure/deletion-check/1`: the chain of receipts, and for each deleted site that no store has anything left."""
    with reading(place.database) as tx:
        broken, receipts = deletion.broken_at(tx), deletion.all_receipts(tx)
    left = {row.site_id: found for row in receipts if (found := remains(place, row.site_id))}
    return {"schema": "tenure/deletion-check/1", "receipts": len(receipts), "broken_at": broken, "left": left}


def remains(place: Workplace, site_id: str) -> list[str]:
    """Whatever any store still has of a site: the probe."""
    return [*place.host.remains(site_id), *place.downloads.remains(site_id), *place.vault.remains(site_id)]


def receipt(place: Workplace, subject: str) -> Document | None:
    """`tenure/deletion-receipt/1`: what was removed, with its place in the chain; None without one."""
    with reading(place.database) as tx:
        site = sites.find(tx, sought(subject))
        row = None if site is None else deletion.find(tx, site.id)
    if row is None:
        return None
    chained = {"number": row.seq, "hash": row.hash, "previous_hash": row.previous_hash}
    return {"schema": "tenure/deletion-receipt/1", **row.receipt, **chained}
