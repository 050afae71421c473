"""Patients to instances, jobs, events, and what went wrong."""

import sqlalchemy as sa
from alembic import op

revision = "0001_archive"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "conflicts",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("refused_study_instance_uid", sa.Text(), nullable=False),
        sa.Column("kept_blob", sa.String(length=64), nullable=False),
        sa.Column("refused_blob", sa.String(length=64), nullable=False),
        sa.Column("refused_length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.Float(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_conflicts"),
        sa.UniqueConstraint("sop_instance_uid", "refused_blob", name="uq_conflicts_sop_instance_uid"),
    )
    op.create_index("ix_conflicts_study_instance_uid", "conflicts", ["study_instance_uid"])
    op.create_table(
        "events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job_pauses",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_job_pauses"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=True),
        sa.Column("key", sa.String(length=255), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("run_at", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("is_cancel_asked", sa.Integer(), nullable=False),
        sa.Column("is_asked_again", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("progress_text", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("key", name="uq_jobs_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_destination", "jobs", ["destination", "state"])
    op.create_index("ix_jobs_state", "jobs", ["state", "priority", "run_at"])
    op.create_table(
        "patients",
        sa.Column("id", KEY, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), nullable=False),
        sa.Column("study_scope", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("patient_birth_date", sa.Text(), nullable=False),
        sa.Column("patient_sex", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patients"),
        sa.UniqueConstraint("patient_id", "issuer_of_patient_id", "study_scope", name="uq_patients_patient_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "problems",
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("what_to_do", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_problems"),
    )
    op.create_table(
        "processes",
        sa.Column("id", KEY, nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("heartbeat_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_processes"),
    )
    op.create_table(
        "refusals",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=True),
        sa.Column("sop_class_uid", sa.Text(), nullable=True),
        sa.Column("study_instance_uid", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_refusals"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_refusals_at", "refusals", ["at"])
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("every_s", sa.Float(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_schedules"),
    )
    op.create_table(
        "uids",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uids"),
        sa.UniqueConstraint("uid", name="uq_uids_uid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "studies",
        sa.Column("id", KEY, nullable=False),
        sa.Column("patient_key", KEY, nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_date", sa.Text(), nullable=False),
        sa.Column("study_time", sa.Text(), nullable=False),
        sa.Column("timezone_offset_from_utc", sa.Text(), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=False),
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("study_description", sa.Text(), nullable=False),
        sa.Column("referring_physician_name", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("patient_birth_date", sa.Text(), nullable=False),
        sa.Column("patient_sex", sa.Text(), nullable=False),
        sa.Column("patient_name_folded", sa.Text(), nullable=False),
        sa.Column("patient_name_sound", sa.Text(), nullable=False),
        sa.Column("referring_physician_name_folded", sa.Text(), nullable=False),
        sa.Column("referring_physician_name_sound", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("modalities_in_study", sa.Text(), nullable=False),
        sa.Column("number_of_study_related_series", sa.Integer(), nullable=False),
        sa.Column("number_of_study_related_instances", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.id"], name="fk_studies_patient_key"),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("study_instance_uid", name="uq_studies_study_instance_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_studies_accession_number", "studies", ["accession_number"])
    op.create_index("ix_studies_created_at", "studies", ["created_at"])
    op.create_index("ix_studies_patient_id", "studies", ["patient_id"])
    op.create_index("ix_studies_patient_key", "studies", ["patient_key"])
    op.create_index("ix_studies_patient_name_folded", "studies", ["patient_name_folded"])
    op.create_index("ix_studies_study_date", "studies", ["study_date"])
    op.create_table(
        "series",
        sa.Column("id", KEY, nullable=False),
        sa.Column("study_key", KEY, nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("series_number", sa.Integer(), nullable=True),
        sa.Column("series_description", sa.Text(), nullable=False),
        sa.Column("body_part_examined", sa.Text(), nullable=False),
        sa.Column("laterality", sa.Text(), nullable=False),
        sa.Column("protocol_name", sa.Text(), nullable=False),
        sa.Column("station_name", sa.Text(), nullable=False),
        sa.Column("institution_name", sa.Text(), nullable=False),
        sa.Column("performed_procedure_step_start_date", sa.Text(), nullable=False),
        sa.Column("performed_procedure_step_start_time", sa.Text(), nullable=False),
        sa.Column("number_of_series_related_instances", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("metadata_blob", sa.String(length=64), nullable=True),
        sa.Column("metadata_instances", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.id"], name="fk_series_study_key"),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint("study_key", "series_instance_uid", name="uq_series_study_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_series_series_instance_uid", "series", ["series_instance_uid"])
    op.create_table(
        "instances",
        sa.Column("id", KEY, nullable=False),
        sa.Column("series_key", KEY, nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("instance_number", sa.Integer(), nullable=True),
        sa.Column("sop_class_key", sa.Integer(), nullable=False),
        sa.Column("transfer_syntax_key", sa.Integer(), nullable=False),
        sa.Column("blob", sa.LargeBinary(length=32), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("dataset_offset", sa.Integer(), nullable=False),
        sa.Column("pixel_offset", sa.BigInteger(), nullable=True),
        sa.Column("pixel_length", sa.BigInteger(), nullable=True),
        sa.Column("number_of_frames", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("columns", sa.Integer(), nullable=True),
        sa.Column("bits_allocated", sa.Integer(), nullable=True),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["series_key"], ["series.id"], name="fk_instances_series_key"),
        sa.ForeignKeyConstraint(["sop_class_key"], ["uids.id"], name="fk_instances_sop_class_key"),
        sa.ForeignKeyConstraint(["transfer_syntax_key"], ["uids.id"], name="fk_instances_transfer_syntax_key"),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
        sa.UniqueConstraint("sop_instance_uid", name="uq_instances_sop_instance_uid"),
    )
    op.create_index("ix_instances_series_key", "instances", ["series_key"])
    op.create_table(
        "frame_tables",
        sa.Column("instance_key", KEY, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_key"], ["instances.id"], name="fk_frame_tables_instance_key", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("instance_key", name="pk_frame_tables"),
    )
    op.create_table(
        "headers",
        sa.Column("instance_key", KEY, autoincrement=False, nullable=False),
        sa.Column("series_key", KEY, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["instance_key"], ["instances.id"], name="fk_headers_instance_key", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["series_key"], ["series.id"], name="fk_headers_series_key", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("instance_key", name="pk_headers"),
    )
    op.create_index("ix_headers_series_key", "headers", ["series_key"])


def downgrade() -> None:
    op.drop_table("headers")
    op.drop_table("frame_tables")
    op.drop_table("instances")
    op.drop_table("series")
    op.drop_table("studies")
    op.drop_table("uids")
    op.drop_table("schedules")
    op.drop_table("refusals")
    op.drop_table("processes")
    op.drop_table("problems")
    op.drop_table("patients")
    op.drop_table("jobs")
    op.drop_table("job_pauses")
    op.drop_table("events")
    op.drop_table("conflicts")
