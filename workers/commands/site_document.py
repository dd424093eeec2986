"""The site's document: what `site.show` and `tenure site show` say, as contract.md section 3 has it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

import engine
from models import backup, invoices, timer
from models.timestamps import stamp
from workers.base.documents import Document
from workers.base.hostname import in_unicode
from workers.commands.failing_work import faults
from workers.commands.shortfall import shortfall


def document(tx: Connection, site: engine.Site, now: datetime, policy: engine.Policy) -> Document:
    """One site as other systems and portals see it. Times are RFC 3339, money in minor units."""
    open_faults = [*map(_fault, engine.open_faults(site)), *faults(tx, site)]
    return {
        "schema": "tenure/site/1",
        "site": site.host,
        "site_unicode": in_unicode(site.host),
        "id": site.id,
        "account": site.account,
        "state": site.state,
        "version": site.version,
        "online": site.online,
        "agents_allowed": site.agents_allowed,
        "used_agents": site.used_agents,
        "over_plan": site.is_over_plan,
        "contact": site.email or None,
        "plan": _plan(site),
        **{name: _moment(getattr(site, name)) for name in MOMENTS},
        "hold": {"reason": site.held_for, "since": _moment(site.held_since)} if site.held_for else None,
        "suspended_for": site.suspended_for,
        "next": _next(timer.of_site(tx, site.id)),
        "menu": engine.menu(site, now, policy),
        "restore_points": _points(backup.backups_of(tx, site.id), now),
        "export": _export(backup.latest_export(tx, site.id), site),
        "invoices": [_invoice(row) for row in invoices.invoices_of(tx, site.id)],
        "faults": open_faults,
        "attention": "; ".join(f"{fault['what']}; {fault['do']}" for fault in open_faults) or None,
    }


def _fault(fault: engine.Fault) -> Document:
    return {"code": fault.code, "since": stamp(fault.since), "what": fault.what, "do": fault.do}


MOMENTS = (
    "created_at",
    "ready_at",
    "trial_ends_at",
    "period_ends_at",
    "cancels_at",
    "cancelled_at",
    "deletes_at",
    "deleted_at",
)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _plan(site: engine.Site) -> Document | None:
    if site.plan_agents is None or site.state == "trial":
        return None
    return {
        "agents": site.plan_agents,
        "next_agents": site.next_agents,
        "price_cents": site.price_cents,
        "currency": site.currency,
    }


def _next(timers: Mapping[str, datetime]) -> list[Document]:
    return [{"what": kind, "at": stamp(at)} for kind, at in timers.items()]


def _points(backups: list[Row[Any]], now: datetime) -> Document:
    return {name: _point(row) for name, row in backup.restore_points(backups, now).items()}


def _point(row: Row[Any] | None) -> Document | None:
    if row is None:
        return None
    return {
        "id": row.id,
        "taken_at": stamp(row.taken_at),
        "verified_at": stamp(row.verified_at),
        "bytes": row.bytes,
        **shortfall(row),
    }


def _export(row: Row[Any] | None, site: engine.Site) -> Document | None:
    if row is None:
        return None
    return {
        "url": row.url,
        "sha256": row.sha256,
        "bytes": row.bytes,
        "ready_at": stamp(row.ready_at),
        "expires_at": _moment(site.deletes_at),
        **shortfall(row),
    }


def _invoice(row: Row[Any]) -> Document:
    return {
        "id": row.id,
        "amount_cents": row.amount_cents,
        "currency": row.currency,
        "number": row.number,
        "status": row.status,
        "reason": row.reason,
        "period_start": stamp(row.period_start),
        "period_end": stamp(row.period_end),
    }
