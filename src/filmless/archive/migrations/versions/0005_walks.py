"""Where long walks through all instances have come."""

import sqlalchemy as sa
from alembic import op

revision = "0005_walks"
down_revision = "0004_names_in_order"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "walks",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("began_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("instances", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("resume_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_walks"),
    )


def downgrade() -> None:
    op.drop_table("walks")
