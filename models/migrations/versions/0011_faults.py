"""Faults of a site one by one, payments that were given up, deletions that have begun to remove, refunded invoices."""

import json
import re
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATUS = "status in ('open', 'paid', 'void', 'uncollectible')"
STATUS_NOW = "status in ('open', 'paid', 'void', 'uncollectible', 'refunded')"
STANDS = "kind = 'period' and status not in ('void', 'uncollectible')"
STANDS_NOW = "kind = 'period' and status not in ('void', 'uncollectible', 'refunded')"

BEGUN = (
    "UPDATE site SET removing_since = deletes_at WHERE state = 'deleting' AND EXISTS "
    "(SELECT 1 FROM effect WHERE effect.site_id = site.id AND effect.kind = 'delete' AND effect.fence > 0)"
)
"""Version 0.1 did not write down whether a deletion has removed anything: one that was ever tried may have."""

GAVE_UP = sa.text(
    "SELECT site.id AS site_id, effect.id, effect.kind, effect.args, effect.generation, effect.error, "
    "effect.settled_at, effect.asked_at FROM effect JOIN site ON site.id = effect.site_id "
    "WHERE effect.status = 'gave_up' AND site.state <> 'deleted' "
    "AND (effect.generation = site.generation OR effect.kind = 'charge') ORDER BY effect.seq"
)
ATTENTION = sa.text("SELECT id, state, attention, generation, created_at FROM site WHERE attention IS NOT NULL")
REFUND = re.compile(r"\S+ \S+ were charged after the cancellation")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":  # in the order of those who write, who else would wait in a ring
        op.execute("LOCK TABLE site IN ACCESS EXCLUSIVE MODE")
        op.execute("LOCK TABLE invoice IN ACCESS EXCLUSIVE MODE")
    _change_invoices(STATUS, STATUS_NOW, STANDS_NOW)
    for name in ("faults", "dropped"):
        op.add_column("site", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    for name in ("removing_since", "contact_since"):
        op.add_column("site", sa.Column(name, UTCDateTime(), nullable=True))
    op.execute(BEGUN)
    _write_faults()


def downgrade() -> None:
    """Fails where an invoice is refunded: the schema before has no word for it."""
    for name in ("faults", "dropped", "removing_since", "contact_since"):
        op.drop_column("site", name)
    _change_invoices(STATUS_NOW, STATUS, STANDS)


def _change_invoices(before: str, after: str, stands: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("uq_invoice_period", "invoice")
        op.drop_constraint("ck_invoice_status", "invoice", type_="check")
        op.create_check_constraint("ck_invoice_status", "invoice", after)
    else:
        _make_invoices_anew(before, after)
    where = sa.text(stands)
    columns = ["site_id", "period_start"]
    op.create_index("uq_invoice_period", "invoice", columns, unique=True, sqlite_where=where, postgresql_where=where)


def _make_invoices_anew(before: str, after: str) -> None:
    """SQLite changes no constraint of a table: another takes its place, with every row and every other index."""
    connection = op.get_bind()
    made = sa.text("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'invoice' AND sql IS NOT NULL")
    found = connection.execute(made).all()
    table = next(row.sql for row in found if row.type == "table")
    if before not in table:
        raise ValueError("the table invoice has not the constraint ck_invoice_status of this schema; restore a backup")
    op.rename_table("invoice", "invoice_before")
    for row in found:
        if row.type == "index":
            op.drop_index(row.name, "invoice_before")
    connection.execute(sa.text(table.replace(before, after)))
    connection.execute(sa.text("INSERT INTO invoice SELECT * FROM invoice_before"))
    op.drop_table("invoice_before")
    for row in found:
        if row.type == "index" and row.name != "uq_invoice_period":
            connection.execute(sa.text(row.sql))


def _write_faults() -> None:
    """From what gave up, and from the sentence that stood for all of it; one of another kind stays as it is."""
    connection = op.get_bind()
    faults: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(GAVE_UP):
        if not _is_night(row):
            faults.setdefault(row.site_id, []).append(_fault(row))
    for row in connection.execute(ATTENTION).all():
        if told := _told(row):
            faults.setdefault(row.id, []).extend(told)
    for site_id, found in faults.items():
        values = {"faults": json.dumps(found), "of": site_id}
        connection.execute(sa.text("UPDATE site SET faults = :faults, attention = NULL WHERE id = :of"), values)


def _is_night(row: Any) -> bool:
    return bool(row.kind == "back_up" and json.loads(row.args).get("purpose") == "nightly")


def _fault(row: Any) -> dict[str, Any]:
    args = json.loads(row.args or "{}")
    about = args.get("letter") or args.get("purpose") or args.get("reason") or ""
    name = f"{row.kind} ({about})" if about else row.kind
    return {
        "code": "effect.gave_up",
        "since": _stamp(row.settled_at or row.asked_at),
        "what": f"{name} gave up: {row.error!r}"[:300],
        "do": "mend the cause, then site.retry; what is not wanted any more: `tenure dead drop`",
        "kind": row.kind,
        "about": about,
        "key": args.get("payment_id", ""),
        "effect": row.id,
        "generation": row.generation,
    }


def _told(row: Any) -> list[dict[str, Any]]:
    """What no effect tells: money that is to go back, and a site that could not be built."""
    since, told = _stamp(row.created_at), []
    refund = REFUND.match(row.attention)
    if refund:
        do = "refund them at the payment provider, then site.record_refund"
        told.append({"code": "refund.due", "since": since, "what": refund[0], "do": do, "generation": row.generation})
    if row.state == "failed":
        what = row.attention.rpartition(": ")[0] or row.attention
        do = "site.retry builds it again, site.cancel gives it up"
        told.append({"code": "build.failed", "since": since, "what": what, "do": do, "generation": row.generation})
    return told


def _stamp(at: Any) -> str:
    """RFC 3339, UTC, `Z`, six digits; SQLite has moments as text."""
    text = at if isinstance(at, str) else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"{text[:10]}T{text[11:26]}Z"
