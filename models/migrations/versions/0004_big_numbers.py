"""Numbers of 64 bits on PostgreSQL: what is counted for ever, and money times seconds. SQLite has no smaller ones."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = {
    "counter": ("value",),
    "deletion": ("seq",),
    "effect": ("seq",),
    "event": ("seq",),
    "invoice": ("number", "unit_price_cents", "seconds", "of_seconds", "amount_cents"),
    "payment": ("amount_cents",),
    "receipt": ("seq",),
    "site": ("price_cents",),
}
NUMBERED = ("deletion", "effect", "event", "receipt")
"""Tables whose key comes from a sequence, which has a size of its own."""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in BIG.items():
        for column in columns:
            op.alter_column(table, column, type_=sa.BigInteger())
    for table in NUMBERED:
        op.execute(f"ALTER SEQUENCE {table}_seq_seq AS bigint")


def downgrade() -> None:
    """The numbers stay as wide as they are: the schema before reads them as well."""
