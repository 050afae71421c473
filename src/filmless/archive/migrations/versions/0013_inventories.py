"""Inventories that peers ask us for (PS3.4 annex KK)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_inventories"
down_revision = "0012_non_patient"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "inventories",
        sa.Column("id", KEY, nullable=False),
        sa.Column("transaction_uid", sa.String(64), nullable=False),
        sa.Column("peer_key", sa.Integer, nullable=False),
        sa.Column("ae_title", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("parts", sa.Text, nullable=False),
        sa.Column("root_uid", sa.String(64)),
        sa.Column("interval_min", sa.Integer, nullable=False),
        sa.Column("began_at", sa.Float, nullable=False),
        sa.Column("told_at", sa.Float, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.UniqueConstraint("peer_key", "transaction_uid", name="uq_inventories_peer_key"),
        sa.PrimaryKeyConstraint("id", name="pk_inventories"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inventories_state", "inventories", ["state", "changed_at"])


def downgrade() -> None:
    op.drop_table("inventories")
