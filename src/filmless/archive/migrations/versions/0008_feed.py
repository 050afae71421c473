"""The order in which events became final, for the change feed: by the transaction that wrote them, then by number.

PostgreSQL gives numbers to rows before their transactions commit, in another order; SQLite writes one transaction at a
time, so there its number says all (docs/decisions/0015).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_feed"
down_revision = "0007_routing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("events") as batch:
        batch.add_column(sa.Column("transaction_id", sa.BigInteger(), nullable=False, server_default="0"))
        batch.create_index("ix_events_transaction_id", ["transaction_id", "id"])
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE events ALTER transaction_id SET DEFAULT (pg_current_xact_id()::text::bigint)")


def downgrade() -> None:
    with op.batch_alter_table("events") as batch:
        batch.drop_index("ix_events_transaction_id")
        batch.drop_column("transaction_id")
