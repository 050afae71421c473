"""What passes between us and peers by itself: storage commitment both ways, how far sends have come, their options."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_routing"
down_revision = "0006_worklist"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "commitments",
        sa.Column("id", KEY, nullable=False),
        sa.Column("transaction_uid", sa.Text, nullable=False),
        sa.Column("peer_key", sa.Integer, nullable=False),
        sa.Column("ae_title", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("failed", sa.Text, nullable=False),
        sa.Column("association", sa.String(64)),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_commitments"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_commitments_transaction_uid", "commitments", ["peer_key", "transaction_uid"])
    op.create_index("ix_commitments_changed_at", "commitments", ["state", "changed_at"])
    op.create_table(
        "commitment_requests",
        sa.Column("id", KEY, nullable=False),
        sa.Column("transaction_uid", sa.Text, nullable=False),
        sa.Column("peer_key", sa.Integer, nullable=False),
        sa.Column("ae_title", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("study_instance_uid", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("failed", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.UniqueConstraint("transaction_uid", name="uq_commitment_requests_transaction_uid"),
        sa.PrimaryKeyConstraint("id", name="pk_commitment_requests"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_commitment_requests_changed_at", "commitment_requests", ["state", "changed_at"])
    op.create_index("ix_commitment_requests_study_instance_uid", "commitment_requests", ["study_instance_uid"])
    op.create_table(
        "sends",
        sa.Column("job_id", KEY, nullable=False, autoincrement=False),
        sa.Column("arrived", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_sends"),
    )
    for name, kind, default in (
        ("ask_commitment", sa.Boolean, sa.false()),
        ("notify_availability", sa.Boolean, sa.false()),
        ("operations_window", sa.Integer, sa.text("1")),
    ):
        op.add_column("peers", sa.Column(name, kind, nullable=False, server_default=default))


def downgrade() -> None:
    for name in ("operations_window", "notify_availability", "ask_commitment"):
        op.drop_column("peers", name)
    for table in ("sends", "commitment_requests", "commitments"):
        op.drop_table(table)
