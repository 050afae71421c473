"""Unified Procedure Steps: workitems, who is told of them, what is still to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_worklist"
down_revision = "0005_walks"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "workitems",
        sa.Column("id", KEY, nullable=False),
        sa.Column("workitem_uid", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("transaction_uid", sa.String(64)),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("input_readiness", sa.Text, nullable=False),
        sa.Column("worklist_label", sa.Text, nullable=False),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("study_instance_uid", sa.Text),
        sa.Column("scheduled_at", sa.BigInteger, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Column("final_at", sa.Float),
        sa.Column("deleted_at", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_workitems"),
        sa.UniqueConstraint("workitem_uid", name="uq_workitems_workitem_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_workitems_scheduled_at", "workitems", ["scheduled_at", "id"])
    op.create_index("ix_workitems_state", "workitems", ["state", "scheduled_at", "id"])
    op.create_index("ix_workitems_patient_id", "workitems", ["patient_id"])
    op.create_index("ix_workitems_final_at", "workitems", ["final_at"])
    op.create_index("ix_workitems_deleted_at", "workitems", ["deleted_at"])
    op.create_table(
        "workitem_subscribers",
        sa.Column("id", KEY, nullable=False),
        sa.Column("ae_title", sa.String(16), nullable=False),
        sa.Column("transport", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("channel", sa.String(36)),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workitem_subscribers"),
        sa.UniqueConstraint("ae_title", "transport", name="uq_workitem_subscribers_ae_title_transport"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "worklist_subscriptions",
        sa.Column("subscriber_key", KEY, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("filter", sa.Text),
        sa.Column("deletion_lock", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("subscriber_key", "kind", name="pk_worklist_subscriptions"),
        sa.ForeignKeyConstraint(
            ["subscriber_key"],
            ["workitem_subscribers.id"],
            name="fk_worklist_subscriptions_subscriber_key",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "workitem_subscriptions",
        sa.Column("workitem_key", KEY, nullable=False),
        sa.Column("subscriber_key", KEY, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("deletion_lock", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("workitem_key", "subscriber_key", name="pk_workitem_subscriptions"),
        sa.ForeignKeyConstraint(
            ["workitem_key"], ["workitems.id"], name="fk_workitem_subscriptions_workitem_key", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_key"],
            ["workitem_subscribers.id"],
            name="fk_workitem_subscriptions_subscriber_key",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_workitem_subscriptions_subscriber_key", "workitem_subscriptions", ["subscriber_key"])
    op.create_table(
        "workitem_reports",
        sa.Column("id", KEY, nullable=False),
        sa.Column("subscriber_key", KEY, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("workitem_uid", sa.String(64), nullable=False),
        sa.Column("event_type", sa.Integer, nullable=False),
        sa.Column("information", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workitem_reports"),
        sa.ForeignKeyConstraint(
            ["subscriber_key"],
            ["workitem_subscribers.id"],
            name="fk_workitem_reports_subscriber_key",
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_workitem_reports_subscriber_key", "workitem_reports", ["subscriber_key", "id"])
    op.create_index("ix_workitem_reports_at", "workitem_reports", ["at"])


def downgrade() -> None:
    for table in (
        "workitem_reports",
        "workitem_subscriptions",
        "worklist_subscriptions",
        "workitem_subscribers",
        "workitems",
    ):
        op.drop_table(table)
