"""Indexes for those who look at the whole fleet: sites in trouble, held, in arrears; addresses; payments by day."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

PARTIAL = (
    ("ix_site_missing", "night_at", "missing <> ''"),
    ("ix_site_faulty", "id", "faults <> ''"),
    ("ix_site_held", "id", "held_for is not null"),
    ("ix_site_unpaid", "id", "unpaid_since is not null"),
    ("ix_site_over_plan", "id", "used_agents > plan_agents"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":  # in the order of those who write
        op.execute("LOCK TABLE site IN SHARE MODE")
        op.execute("LOCK TABLE payment IN SHARE MODE")
    for name, column, which in PARTIAL:
        where = sa.text(which)
        op.create_index(name, "site", [column], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_site_email", "site", ["email"])
    op.create_index("ix_payment_answered_at", "payment", ["answered_at"])


def downgrade() -> None:
    op.drop_index("ix_payment_answered_at", "payment")
    op.drop_index("ix_site_email", "site")
    for name, *_ in reversed(PARTIAL):
        op.drop_index(name, "site")
