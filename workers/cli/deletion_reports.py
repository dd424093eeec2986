"""The documents of `tenure deletion`: what is planned, what was done, and the proof of it."""

from datetime import datetime

from sqlalchemy import Connection

import engine
from models import breaker, deletion, failing, timer
from models import site as sites
from models.clock import engine_now
from models.database import reading
from models.timestamps import stamp
from workers.base.documents import Document
from workers.cli.reports import sought
from workers.commands.failing_work import deletion_waits_for
from workers.context import Context
from workers.safety.breaker import caps


def preview(context: Context) -> Document:
    """`tenure/deletions/1`: what is planned for the next day, its number, and where the breaker stands."""
    with reading(context.database) as tx:
        now = engine_now(tx)
        planned = breaker.plan(tx, now)
        state, why, budget = breaker.look(tx)
        due = timer.upcoming_deletions(tx, now + breaker.DAY)
        excess = breaker.excess(planned, caps(context.settings))
    return {
        "schema": "tenure/deletions/1",
        "breaker": state,
        "why": why,
        "budget": budget,
        "would_trip": excess,
        "count": planned.next_day,
        "fleet": planned.fleet,
        "sites": [_planned(context, at, site, now) for at, _, site in due],
    }


def listing(context: Context) -> Document:
    """`tenure/deletions/1`: deletions under way, then all that will come as things stand, with what holds each."""
    with reading(context.database) as tx:
        now = engine_now(tx)
        state, why, budget = breaker.look(tx)
        due = timer.upcoming_deletions(tx)
        begun = [_begun(tx, site) for site in sites.in_state(tx, "deleting")]
    rows = [*begun, *(_planned(context, at, site, now) for at, _, site in due)]
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


def _planned(context: Context, at: datetime, site: engine.Site, now: datetime) -> Document:
    return {
        "site": site.host,
        "id": site.id,
        "state": site.state,
        "at": stamp(at),
        "deletes_at": stamp(site.deletes_at) if site.deletes_at else None,
        "waits_for": engine.authorize_destruction(site, max(now, site.deletes_at or now), context.policy),
    }


def verify(context: Context) -> Document:
    """`tenure/deletion-check/1`: the chain of receipts, and for each deleted site that no store has anything left."""
    with reading(context.database) as tx:
        broken, receipts = deletion.broken_at(tx), deletion.all_receipts(tx)
    left = {row.site_id: found for row in receipts if (found := remains(context, row.site_id))}
    return {"schema": "tenure/deletion-check/1", "receipts": len(receipts), "broken_at": broken, "left": left}


def remains(context: Context, site_id: str) -> list[str]:
    """Whatever any store still has of a site: the probe."""
    return [*context.host.remains(site_id), *context.downloads.remains(site_id), *context.vault.remains(site_id)]


def receipt(context: Context, subject: str) -> Document | None:
    """`tenure/deletion-receipt/1`: what was removed, with its place in the chain; None without one."""
    with reading(context.database) as tx:
        site = sites.find(tx, sought(subject))
        row = None if site is None else deletion.find(tx, site.id)
    if row is None:
        return None
    chained = {"number": row.seq, "hash": row.hash, "previous_hash": row.previous_hash}
    return {"schema": "tenure/deletion-receipt/1", **row.receipt, **chained}
