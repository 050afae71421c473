"""What people have set for themselves on the screen."""

import sqlalchemy as sa
from alembic import op

revision = "0015_preferences"
down_revision = "0014_replica"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "preferences",
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("person_key", "name", name="pk_preferences"),
        sa.ForeignKeyConstraint(["person_key"], ["people.id"], name="fk_preferences_person_key", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("preferences")
