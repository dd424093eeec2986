"""`tenure effect list`: effects as documents and as lines."""

from dataclasses import dataclass
from typing import Any

from models import effect_list
from models.clock import machine_now
from models.database import reading
from models.effect import about
from models.timestamps import stamp
from workers.base.documents import Document
from workers.base.errors import HELD
from workers.base.reasons import folded, has_reason
from workers.cli.reports import find_site
from workers.context import Context


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which effects are looked for; None: any."""

    state: str | None = None
    kind: str | None = None
    reason: str | None = None
    subject: str | None = None


def listing(context: Context, wanted: Wanted, limit: int) -> Document:
    """`tenure/effects/1`: effects with their tries and errors; `more` says whether these are not all."""
    rows = find(context, wanted, limit + 1)
    return {"schema": "tenure/effects/1", "effects": [_row(row) for row in rows[:limit]], "more": len(rows) > limit}


def find(context: Context, wanted: Wanted, limit: int | None = None) -> list[Any]:
    """The rows. A reason is compared here, for the database can't fold it. Raises NotFoundError for the site."""
    with reading(context.database) as tx:
        site_id = None if wanted.subject is None else find_site(tx, wanted.subject).id
        most = limit if wanted.reason is None else None
        rows = effect_list.find(tx, held=HELD, state=wanted.state, kind=wanted.kind, site_id=site_id, limit=most)
    if wanted.reason is not None:
        rows = [row for row in rows if row.error is not None and has_reason(row.error, wanted.reason)]
    return rows[:limit]


def _row(row: Any) -> Document:
    """Moments of `asked_at` and `settled_at` are engine time, the others machine time."""
    return {
        "id": row.id,
        "kind": row.kind,
        "about": about(row.args),
        "state": row.status,
        "site": row.host,
        "site_id": row.site_id,
        "attempt": row.attempt,
        **{name: _stamp(getattr(row, name)) for name in MOMENTS},
        "error": row.error,
        "reason": None if row.error is None else folded(row.error),
        "cause": {"source": row.cause_source, "id": row.cause_id},
    }


MOMENTS = ("asked_at", "settled_at", "retry_at", "leased_until", "stuck_since")


def _stamp(at: Any) -> str | None:
    return None if at is None else stamp(at)


def text(found: Document) -> str:
    """One line each: id, state, tries, site, and what went wrong or when it is tried again."""
    now = stamp(machine_now())
    return "\n".join(_line(one, now) for one in found["effects"]) or "none"


def _line(one: Document, now: str) -> str:
    again = f"again at {one['retry_at']}  " if one["retry_at"] and one["retry_at"] > now else ""
    stuck = f"STUCK since {one['stuck_since']}  " if one["stuck_since"] else ""
    name = f"{one['kind']}{' ' + one['about'] if one['about'] else ''}"
    tries = f"try {one['attempt']}" if one["attempt"] else "not tried"
    rest = f"{stuck}{again}{one['error'] or ''}".rstrip()
    return f"{one['id']}  {one['state']:<8} {tries:<9} {one['site'] or one['site_id']:<32} {name:<24} {rest}".rstrip()
