"""The high-water mark of the machine's clock, and safe mode."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "safety",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("wall_at", UTCDateTime(), nullable=False),
        sa.Column("why", sa.String(), nullable=True),
        sa.Column("since", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    op.drop_table("safety")
