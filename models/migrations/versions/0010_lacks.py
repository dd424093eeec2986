"""what a backup and a download lack."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("backup", sa.Column("lacks", sa.Text(), nullable=True))
    op.add_column("export", sa.Column("lacks", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("export", "lacks")
    op.drop_column("backup", "lacks")
