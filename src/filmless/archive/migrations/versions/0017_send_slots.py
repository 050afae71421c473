"""The associations that are open to peers for sending."""

import sqlalchemy as sa
from alembic import op

revision = "0017_send_slots"
down_revision = "0016_webhook_secrets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "send_slots",
        sa.Column("peer_key", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("slot", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("renewed_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("peer_key", "slot", name="pk_send_slots"),
    )


def downgrade() -> None:
    op.drop_table("send_slots")
