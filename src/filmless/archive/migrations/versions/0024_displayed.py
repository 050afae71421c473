"""Which images were displayed to whom."""

import sqlalchemy as sa
from alembic import op

revision = "0024_displayed"
down_revision = "0023_drafts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "displayed",
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("completed_at", sa.Float),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("person_key", "study_instance_uid", name="pk_displayed"),
        sa.ForeignKeyConstraint(["person_key"], ["people.id"], name="fk_displayed_person_key", ondelete="CASCADE"),
    )
    op.create_index("ix_displayed_updated_at", "displayed", ["person_key", "updated_at"])


def downgrade() -> None:
    op.drop_table("displayed")
