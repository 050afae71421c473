"""Whose hanging protocols there are."""

import sqlalchemy as sa
from alembic import op

revision = "0022_hanging_protocols"
down_revision = "0021_said"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hanging_protocols",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("sop_instance_uid", sa.Text, nullable=False),
        sa.Column("person_key", sa.Integer),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hanging_protocols"),
        sa.ForeignKeyConstraint(
            ["person_key"], ["people.id"], name="fk_hanging_protocols_person_key", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hanging_protocols_person_key", "hanging_protocols", ["person_key", "position"])


def downgrade() -> None:
    op.drop_table("hanging_protocols")
