"""Marks of readers on studies that are no object yet."""

import sqlalchemy as sa
from alembic import op

revision = "0023_drafts"
down_revision = "0022_hanging_protocols"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("document_uid", sa.String(64)),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("person_key", "study_instance_uid", name="pk_drafts"),
        sa.ForeignKeyConstraint(["person_key"], ["people.id"], name="fk_drafts_person_key", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("drafts")
