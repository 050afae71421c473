"""The secret that a webhook had before, and until when it counts."""

import sqlalchemy as sa
from alembic import op

revision = "0016_webhook_secrets"
down_revision = "0015_preferences"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("previous_secret", sa.Text))
    op.add_column("webhooks", sa.Column("previous_secret_until", sa.Float))


def downgrade() -> None:
    op.drop_column("webhooks", "previous_secret_until")
    op.drop_column("webhooks", "previous_secret")
