"""Looking for a name in the order that lists show."""

from __future__ import annotations

from alembic import op

revision = "0004_names_in_order"
down_revision = "0003_search"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_studies_newest", "studies")
    op.create_index("ix_studies_newest", "studies", ["study_date", "study_time", "id", "patient_name_folded"])


def downgrade() -> None:
    op.drop_index("ix_studies_newest", "studies")
    op.create_index("ix_studies_newest", "studies", ["study_date", "study_time", "id"])
