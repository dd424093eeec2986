"""The documents that the command line prints with `--json`."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

import engine
from engine.forecast import outlook
from engine.why import why as explain
from engine.words import shown
from models import receipt, safety, timer
from models import site as sites
from models.clock import engine_now
from models.database import reading
from models.timestamps import stamp
from workers.base import hostname
from workers.base.documents import Document
from workers.cli.exit_codes import NotFoundError
from workers.commands.failing_work import deletion_waits_for
from workers.commands.site_document import document
from workers.context import Context

DUE = 1_000
"""Steps that `due` shows unless it is asked for more: a fleet has millions, and nobody reads them."""


def show(context: Context, subject: str) -> Document:
    """`tenure/site/1`: one site, with the agents in use read from the host now, and what keeps it from telling."""
    with reading(context.database) as tx:
        site = find_site(tx, subject)
    used = context.agents.ask([site.id]) if site.ready_at is not None and site.deleted_at is None else {}
    with reading(context.database) as tx:
        found = document(tx, find_site(tx, site.id), engine_now(tx), context.policy)
    return {**found, "used_agents": used.get(site.id, found["used_agents"])}


def history(context: Context, subject: str) -> Document:
    """`tenure/history/1`: a site's moves, oldest first."""
    with reading(context.database) as tx:
        rows = receipt.history(tx, find_site(tx, subject).id)
    return {"schema": "tenure/history/1", "moves": [_move(row) for row in rows]}


def _move(row: Any) -> Document:
    return {
        "at": stamp(row.at),
        "type": row.type,
        "source": row.source,
        "id": row.id,
        "from": row.from_state,
        "to": row.to_state,
        "outcome": row.outcome,
        "code": row.code,
    }


def why(context: Context, subject: str) -> Document:
    """`tenure/why/1`: for every command what stops it, and the earliest moment at which time alone would free it."""
    with reading(context.database) as tx:
        site, now = find_site(tx, subject), engine_now(tx)
        under_way = deletion_waits_for(tx, site.id) if site.state == "deleting" else None
    verdicts = [
        {
            "type": one.type,
            "possible": one.possible,
            "because": under_way if one.type == "deletion" and under_way else one.because,
            "earliest": stamp(one.earliest) if one.earliest else None,
        }
        for one in explain(site, now, context.policy)
    ]
    return {"schema": "tenure/why/1", "site": site.host, "state": site.state, "verdicts": verdicts}


def site_list(
    context: Context,
    *,
    state: str | None,
    account: str | None,
    after: str | None,
    limit: int,
    only: str | None = None,
) -> Document:
    """`tenure/sites/1`: one page of sites, oldest first; `next` is the cursor of the page after it, or None.

    Raises NotFoundError for a cursor that no page has given.
    """
    with reading(context.database) as tx:
        if after is not None and not sites.is_known(tx, after):
            raise NotFoundError(f"{after!r} is no cursor: give the `next` of the page before")
        found = sites.page(tx, state=state, account=account, after=after, limit=limit + 1, only=only)
    page = found[:limit]
    return {
        "schema": "tenure/sites/1",
        "sites": [_row(site) for site in page],
        "next": page[-1].id if len(found) > limit else None,
    }


def _row(site: Any) -> Document:
    return {
        "site": site.host,
        "site_unicode": hostname.in_unicode(site.host),
        "id": site.id,
        "account": site.account,
        "state": site.state,
        "deletes_at": stamp(site.deletes_at) if site.deletes_at else None,
        "over_plan": site.is_over_plan,
    }


def due(context: Context, *, within: timedelta | None, subject: str | None, limit: int = DUE) -> Document:
    """`tenure/due/1`: what the engine will do next, earliest first; `more` says whether that is not all."""
    with reading(context.database) as tx:
        only = None if subject is None else find_site(tx, subject).id
        until = None if within is None else engine_now(tx) + within
        steps = timer.upcoming(tx, until=until, site_id=only, limit=limit + 1)
        doubt = safety.why(tx)
    return {
        "schema": "tenure/due/1",
        "safe_mode": doubt,
        "due": [_step(context, *step) for step in steps[:limit]],
        "more": len(steps) > limit,
    }


def _step(context: Context, at: datetime, kind: str, site: engine.Site) -> Document:
    told = outlook(site, kind, context.policy)
    return {
        "at": stamp(at),
        "site": site.host,
        "what": kind,
        "detail": told.detail,
        "amount_cents": told.amount_cents,
        "currency": site.currency if told.amount_cents is not None else None,
    }


def find(context: Context, subject: str) -> engine.Site:
    """The site of a hostname or id. Raises NotFoundError."""
    with reading(context.database) as tx:
        return find_site(tx, subject)


def sought(subject: str) -> str:
    """A hostname in any spelling, or an id, as it is looked up. Raises NotFoundError for what can be neither."""
    try:
        return hostname.sought(subject)
    except ValueError as wrong:
        meant = hostname.acceptable(subject)
        instead = f"did you mean {meant}?" if meant else "give a hostname like help.example.com, or the site's id"
        raise NotFoundError(f"there is no site {shown(subject)}: {wrong}; {instead}") from None


def find_site(tx: Connection, subject: str) -> engine.Site:
    """The site of a hostname or id. Raises NotFoundError."""
    site = sites.find(tx, sought(subject))
    if site is None:
        raise NotFoundError(f"there is no site {shown(subject)}; `tenure site list` shows all")
    return site
