"""How far the removal of old rows has come, and the letters that went out."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CHURNING = ("event", "receipt", "effect", "timer", "site")
"""Tables whose rows are changed or removed all the time: their dead rows must stay few beside the living ones."""

SET = ("autovacuum_vacuum_scale_factor", "autovacuum_vacuum_threshold", "autovacuum_vacuum_cost_delay")


def upgrade() -> None:
    op.create_table(
        "history",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("since", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "letter",
        sa.Column("seq", BIG, nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("ix_letter_site_id", "letter", ["site_id"])
    if op.get_bind().dialect.name == "postgresql":
        for table in CHURNING:  # nobody waits for the lock that this takes
            op.execute(f"ALTER TABLE {table} SET ({SET[0]} = 0.05, {SET[1]} = 200, {SET[2]} = 0)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in CHURNING:
            op.execute(f"ALTER TABLE {table} RESET ({', '.join(SET)})")
    op.drop_table("letter")
    op.drop_table("history")
