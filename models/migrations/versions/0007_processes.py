"""What each process says of itself, and what an interrupted deletion has removed so far."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "process",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("report", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("ix_process_at", "process", ["at"])
    op.add_column("warrant", sa.Column("removed", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("warrant", "removed")
    op.drop_index("ix_process_at", "process")
    op.drop_table("process")
