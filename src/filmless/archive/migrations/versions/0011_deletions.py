"""What was deleted, by whom and why, and the blobs of it that wait in the trash."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_deletions"
down_revision = "0010_webhooks"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "deletions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("study_instance_uid", sa.Text, nullable=False),
        sa.Column("series_instance_uid", sa.Text),
        sa.Column("sop_instance_uid", sa.Text),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("patient_name", sa.Text, nullable=False),
        sa.Column("study_date", sa.Text, nullable=False),
        sa.Column("study_description", sa.Text, nullable=False),
        sa.Column("number_of_instances", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("purge_at", sa.Float, nullable=False),
        sa.Column("restored_at", sa.Float),
        sa.Column("purged_at", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_deletions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deletions_study_instance_uid", "deletions", ["study_instance_uid"])
    op.create_index("ix_deletions_purge_at", "deletions", ["purged_at", "purge_at"])
    op.create_table(
        "deleted_instances",
        sa.Column("blob", sa.LargeBinary(32), nullable=False),
        sa.Column("deletion_key", KEY, nullable=False),
        sa.Column("sop_instance_uid", sa.Text, nullable=False),
        sa.Column("trashed_at", sa.Float),
        sa.Column("purged_at", sa.Float),
        sa.PrimaryKeyConstraint("blob", name="pk_deleted_instances"),
        sa.ForeignKeyConstraint(["deletion_key"], ["deletions.id"], name="fk_deleted_instances_deletion_key"),
    )
    op.create_index("ix_deleted_instances_deletion_key", "deleted_instances", ["deletion_key"])


def downgrade() -> None:
    op.drop_table("deleted_instances")
    op.drop_table("deletions")
