"""Frames compressed anew, kept beside the originals."""

import sqlalchemy as sa
from alembic import op

revision = "0009_renditions"
down_revision = "0008_feed"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "renditions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("series_key", KEY, nullable=False),
        sa.Column("blob", sa.String(64), nullable=False),
        sa.Column("length_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_renditions"),
        sa.ForeignKeyConstraint(
            ["series_key"], ["series.id"], name="fk_renditions_series_key_series", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_renditions_series_key", "renditions", ["series_key"])
    op.create_index("ix_renditions_used_at", "renditions", ["used_at"])


def downgrade() -> None:
    op.drop_table("renditions")
