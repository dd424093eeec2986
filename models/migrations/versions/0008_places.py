"""Places in the queue: which effects have a wake-up of their own; and which dead letters nobody could read."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPEN = "status in ('pending', 'running')"


def upgrade() -> None:
    """Code before this announces every effect at once, and its rows say so by the defaults."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("LOCK TABLE effect, dead IN ACCESS EXCLUSIVE MODE")
    op.add_column("effect", sa.Column("admitted", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("effect", sa.Column("waits_since", UTCDateTime(), nullable=True))
    op.add_column("dead", sa.Column("readable", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("dead", sa.Column("bytes", sa.Integer(), nullable=False, server_default="0"))
    _partial("ix_effect_lane", ["site_id", "lane", "seq"], OPEN)
    _partial("ix_effect_admitted", ["site_id", "lane"], f"{OPEN} and admitted")
    _partial("ix_effect_waiting", ["site_id", "lane", "retry_at", "seq"], f"{OPEN} and not admitted")


def downgrade() -> None:
    for name in ("ix_effect_waiting", "ix_effect_admitted", "ix_effect_lane"):
        op.drop_index(name, "effect")
    for table, column in (("effect", "admitted"), ("effect", "waits_since"), ("dead", "readable"), ("dead", "bytes")):
        op.drop_column(table, column)


def _partial(name: str, columns: list[str], which: str) -> None:
    where = sa.text(which)
    op.create_index(name, "effect", columns, sqlite_where=where, postgresql_where=where)
