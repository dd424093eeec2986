"""What is wrong with a site's content, and since when an effect moves nothing."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site_fault",
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("since", UTCDateTime(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("do", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "part"),
    )
    op.add_column("effect", sa.Column("stuck_since", UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("effect", "stuck_since")
    op.drop_table("site_fault")
