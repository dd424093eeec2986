"""Indexes for what is asked daily; and a period that is given up makes room for another from the same moment."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LOCKS = (
    ("timer", "ACCESS EXCLUSIVE"),
    ("invoice", "ACCESS EXCLUSIVE"),
    ("payment", "SHARE"),
    ("effect", "SHARE"),
)
"""Taken at once and in the order of those who write, who else would wait for us while we wait for them."""

STANDS = "kind = 'period' and status not in ('void', 'uncollectible')"
STOOD = "kind = 'period' and status <> 'void'"


def upgrade() -> None:
    _lock()
    op.drop_index("ix_timer_wakes_at", "timer")
    op.create_index("ix_timer_due", "timer", ["wakes_at", "site_id"])
    _partial("ix_timer_delete", "timer", ["due_at"], "kind = 'delete'")
    op.drop_index("uq_invoice_period", "invoice")
    _partial("uq_invoice_period", "invoice", ["site_id", "period_start"], STANDS, unique=True)
    op.create_index("ix_payment_site_id", "payment", ["site_id"])
    _partial("ix_effect_gave_up", "effect", ["seq"], "status = 'gave_up'")


def downgrade() -> None:
    """Fails where a given up period and another begin in one moment: the schema before has no room for both."""
    _lock()
    op.drop_index("ix_timer_delete", "timer")
    op.drop_index("ix_timer_due", "timer")
    op.create_index("ix_timer_wakes_at", "timer", ["wakes_at"])
    op.drop_index("uq_invoice_period", "invoice")
    _partial("uq_invoice_period", "invoice", ["site_id", "period_start"], STOOD, unique=True)
    op.drop_index("ix_payment_site_id", "payment")
    op.drop_index("ix_effect_gave_up", "effect")


def _lock() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, mode in LOCKS:
            op.execute(f"LOCK TABLE {table} IN {mode} MODE")


def _partial(name: str, table: str, columns: list[str], which: str, *, unique: bool = False) -> None:
    where = sa.text(which)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
