"""Indexes for what is asked daily; and a period that is given up makes room for another from the same moment."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PARTIAL = (
    ("ix_effect_gave_up", "effect", "seq", "status = 'gave_up'"),
    ("ix_timer_delete", "timer", "due_at", "kind = 'delete'"),
)
STANDS = "kind = 'period' and status not in ('void', 'uncollectible')"
STOOD = "kind = 'period' and status <> 'void'"


def upgrade() -> None:
    for name, table, column, which in PARTIAL:
        _index(name, table, [column], which, unique=False)
    op.create_index("ix_payment_site_id", "payment", ["site_id"])
    _periods(STANDS)


def downgrade() -> None:
    """Fails where a given up period and another begin in one moment: the schema before has no room for both."""
    _periods(STOOD)
    op.drop_index("ix_payment_site_id", "payment")
    for name, table, _, _ in PARTIAL:
        op.drop_index(name, table)


def _periods(which: str) -> None:
    op.drop_index("uq_invoice_period", "invoice")
    _index("uq_invoice_period", "invoice", ["site_id", "period_start"], which, unique=True)


def _index(name: str, table: str, columns: list[str], which: str, *, unique: bool) -> None:
    where = sa.text(which)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
