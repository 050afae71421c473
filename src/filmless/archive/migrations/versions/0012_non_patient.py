"""Instances that belong to no patient: hanging protocols, palettes, templates, inventories."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_non_patient"
down_revision = "0011_deletions"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "non_patient_instances",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sop_instance_uid", sa.Text, nullable=False),
        sa.Column("sop_class_uid", sa.Text, nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text, nullable=False),
        sa.Column("blob", sa.LargeBinary(32), nullable=False),
        sa.Column("length_bytes", sa.BigInteger, nullable=False),
        sa.Column("dataset_offset", sa.Integer, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.UniqueConstraint("sop_instance_uid", name="uq_non_patient_instances_sop_instance_uid"),
        sa.PrimaryKeyConstraint("id", name="pk_non_patient_instances"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_non_patient_instances_sop_class_uid", "non_patient_instances", ["sop_class_uid", "id"])


def downgrade() -> None:
    op.drop_table("non_patient_instances")
