"""The replica of the blobs, and what waits for it."""

import sqlalchemy as sa
from alembic import op

revision = "0014_replica"
down_revision = "0013_inventories"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replicas",
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("filled_at", sa.Float),
        sa.Column("served_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("url", name="pk_replicas"),
    )
    op.create_table(
        "replica_backlog",
        sa.Column("blob", sa.String(64), nullable=False),
        sa.Column("is_wanted", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("blob", name="pk_replica_backlog"),
    )
    op.create_index("ix_replica_backlog_at", "replica_backlog", ["at"])


def downgrade() -> None:
    op.drop_table("replica_backlog")
    op.drop_table("replicas")
