"""Finding studies by a piece of a name or number, and in the order that lists show.

`studies_search` indexes the trigrams of the search text and of the sounds of the patient's name: an FTS5 table on
SQLite whose rows triggers keep, GIN indexes of pg_trgm on PostgreSQL (docs/decisions/0011).
"""

from __future__ import annotations

from alembic import op

revision = "0003_search"
down_revision = "0002_access"
branch_labels = None
depends_on = None

# The update trigger fires only when the text changes: counts on the study row change with every instance.
_SQLITE = (
    """CREATE VIRTUAL TABLE studies_search USING fts5(
        search_text, patient_name_sound, content='studies', content_rowid='id', tokenize='trigram')""",
    """CREATE TRIGGER studies_search_insert AFTER INSERT ON studies BEGIN
        INSERT INTO studies_search (rowid, search_text, patient_name_sound)
        VALUES (new.id, new.search_text, new.patient_name_sound);
    END""",
    """CREATE TRIGGER studies_search_delete AFTER DELETE ON studies BEGIN
        INSERT INTO studies_search (studies_search, rowid, search_text, patient_name_sound)
        VALUES ('delete', old.id, old.search_text, old.patient_name_sound);
    END""",
    """CREATE TRIGGER studies_search_update AFTER UPDATE OF search_text, patient_name_sound ON studies
    WHEN old.search_text <> new.search_text OR old.patient_name_sound <> new.patient_name_sound BEGIN
        INSERT INTO studies_search (studies_search, rowid, search_text, patient_name_sound)
        VALUES ('delete', old.id, old.search_text, old.patient_name_sound);
        INSERT INTO studies_search (rowid, search_text, patient_name_sound)
        VALUES (new.id, new.search_text, new.patient_name_sound);
    END""",
    "INSERT INTO studies_search (studies_search) VALUES ('rebuild')",
)


def upgrade() -> None:
    op.create_index("ix_studies_newest", "studies", ["study_date", "study_time", "id"])
    op.drop_index("ix_studies_study_date", "studies")
    op.create_index("ix_studies_modalities_in_study", "studies", ["modalities_in_study"])
    if op.get_context().dialect.name == "sqlite":
        for statement in _SQLITE:
            op.execute(statement)
        return
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for column in ("search_text", "patient_name_sound"):
        op.create_index(
            f"ix_studies_{column}",
            "studies",
            [column],
            postgresql_using="gin",
            postgresql_ops={column: "gin_trgm_ops"},
        )
    for column in ("patient_name_folded", "patient_id", "accession_number"):
        op.create_index(
            f"ix_studies_{column}_pattern", "studies", [column], postgresql_ops={column: "text_pattern_ops"}
        )


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        for trigger in ("insert", "delete", "update"):
            op.execute(f"DROP TRIGGER studies_search_{trigger}")
        op.execute("DROP TABLE studies_search")
    else:
        for column in ("patient_name_folded", "patient_id", "accession_number"):
            op.drop_index(f"ix_studies_{column}_pattern", "studies")
        for column in ("search_text", "patient_name_sound"):
            op.drop_index(f"ix_studies_{column}", "studies")
    op.drop_index("ix_studies_modalities_in_study", "studies")
    op.create_index("ix_studies_study_date", "studies", ["study_date"])
    op.drop_index("ix_studies_newest", "studies")
