"""A period that nobody paid and that is given up makes room for another from the same moment."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STANDS = "kind = 'period' and status not in ('void', 'uncollectible')"
BEFORE = "kind = 'period' and status <> 'void'"


def upgrade() -> None:
    _index(STANDS)


def downgrade() -> None:
    _index(BEFORE)


def _index(which: str) -> None:
    op.drop_index("uq_invoice_period", "invoice")
    where = sa.text(which)
    columns = ["site_id", "period_start"]
    op.create_index("uq_invoice_period", "invoice", columns, unique=True, sqlite_where=where, postgresql_where=where)
