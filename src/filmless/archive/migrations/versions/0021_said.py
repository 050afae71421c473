"""What the sentences of a problem were made of, so that the screen can say them in its language."""

import sqlalchemy as sa
from alembic import op

revision = "0021_said"
down_revision = "0017_send_slots"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("problems", sa.Column("said", sa.Text))


def downgrade() -> None:
    op.drop_column("problems", "said")
