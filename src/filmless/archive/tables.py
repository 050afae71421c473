"""Tables of what is kept. Names are the standard's; dates 'YYYYMMDD' and times 'HHMMSS.FFFFFF' as received.

All `_at` are seconds since 1970 in UTC. An instance row is lean: all else about it lies in its series metadata object.
"""

from __future__ import annotations

from enum import IntFlag

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from filmless.archive.database import metadata

# SQLite numbers rows by itself only in INTEGER columns; they hold 64 bits there.
Key = BigInteger().with_variant(Integer, "sqlite")


class Flags(IntFlag):
    """What is unusual about an instance. Numbers are stored: never reuse one."""

    ODD_UID = 1  # a UID that breaks PS3.5 9.1 (letters, leading zeros, blanks), kept as it is
    YBR_FULL_422_NATIVE = 2  # uncompressed YBR_FULL_422: browsers expect three samples a pixel
    J2K_SIGN_MISMATCH = 4  # the JPEG 2000 codestream and Pixel Representation disagree on the sign
    BIG_ENDIAN = 8
    DEFLATED = 16  # offsets are those of the inflated data set, counted from its first byte
    FLAWED = 32  # the data set broke the standard and was read leniently
    OTHER_PATIENT = 64  # its patient is not the one that its study was first seen with
    PIXELS_ASTRAY = 128  # the frames could not be located


patients = Table(
    "patients",
    metadata,
    Column("id", Key, primary_key=True),
    Column("patient_id", Text, nullable=False),
    Column("issuer_of_patient_id", Text, nullable=False),
    Column("study_scope", Text, nullable=False),  # the study UID when there is no patient id: strangers never merge
    Column("patient_name", Text, nullable=False),
    Column("patient_birth_date", Text, nullable=False),
    Column("patient_sex", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("patient_id", "issuer_of_patient_id", "study_scope", name="uq_patients_patient_id"),
    sqlite_autoincrement=True,
)

studies = Table(
    "studies",
    metadata,
    Column("id", Key, primary_key=True),
    Column("patient_key", Key, ForeignKey("patients.id"), nullable=False, index=True),
    Column("study_instance_uid", Text, nullable=False, unique=True),
    Column("study_date", Text, nullable=False),
    Column("study_time", Text, nullable=False),
    Column("timezone_offset_from_utc", Text, nullable=False),
    Column("accession_number", Text, nullable=False, index=True),
    Column("study_id", Text, nullable=False),
    Column("study_description", Text, nullable=False),
    Column("referring_physician_name", Text, nullable=False),
    Column("patient_id", Text, nullable=False, index=True),
    Column("issuer_of_patient_id", Text, nullable=False),
    Column("patient_name", Text, nullable=False),  # Alphabetic=Ideographic=Phonetic
    Column("patient_birth_date", Text, nullable=False),
    Column("patient_sex", Text, nullable=False),
    Column("patient_name_folded", Text, nullable=False, index=True),
    Column("patient_name_sound", Text, nullable=False),
    Column("referring_physician_name_folded", Text, nullable=False),
    Column("referring_physician_name_sound", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("modalities_in_study", Text, nullable=False),  # sorted, joined by a backslash
    Column("number_of_study_related_series", Integer, nullable=False),
    Column("number_of_study_related_instances", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("attributes", Text, nullable=False),  # DICOM JSON of the patient and study attributes
    Column("created_at", Float, nullable=False, index=True),
    Column("updated_at", Float, nullable=False),
    # The name is in it so that a walk in this order looks for a name without a look at the rows: 3.5 to 0.7 ms.
    Index("ix_studies_newest", "study_date", "study_time", "id", "patient_name_folded"),
    sqlite_autoincrement=True,
)

series = Table(
    "series",
    metadata,
    Column("id", Key, primary_key=True),
    Column("study_key", Key, ForeignKey("studies.id"), nullable=False),
    Column("series_instance_uid", Text, nullable=False, index=True),
    Column("modality", Text, nullable=False),
    Column("series_number", Integer),
    Column("series_description", Text, nullable=False),
    Column("body_part_examined", Text, nullable=False),
    Column("laterality", Text, nullable=False),
    Column("protocol_name", Text, nullable=False),
    Column("station_name", Text, nullable=False),
    Column("institution_name", Text, nullable=False),
    Column("performed_procedure_step_start_date", Text, nullable=False),
    Column("performed_procedure_step_start_time", Text, nullable=False),
    Column("number_of_series_related_instances", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("attributes", Text, nullable=False),  # DICOM JSON of the series attributes
    Column("metadata_blob", String(64)),  # key of the series metadata object; NULL: none, or it is not complete
    Column("metadata_instances", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("study_key", "series_instance_uid", name="uq_series_study_key"),
    sqlite_autoincrement=True,
)

uids = Table(
    "uids",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

instances = Table(
    "instances",
    metadata,
    Column("id", Key, primary_key=True),
    Column("series_key", Key, ForeignKey("series.id"), nullable=False, index=True),
    Column("sop_instance_uid", Text, nullable=False, unique=True),
    Column("instance_number", Integer),
    Column("sop_class_key", Integer, ForeignKey("uids.id"), nullable=False),
    Column("transfer_syntax_key", Integer, ForeignKey("uids.id"), nullable=False),
    Column("blob", LargeBinary(32), nullable=False),
    Column("length_bytes", BigInteger, nullable=False),
    Column("dataset_offset", Integer, nullable=False),
    Column("pixel_offset", BigInteger),  # of the value of (7FE0,0010), (7FE0,0008) or (7FE0,0009); NULL: none
    Column("pixel_length", BigInteger),
    Column("number_of_frames", Integer, nullable=False),  # 0: no pixel data
    Column("rows", Integer),
    Column("columns", Integer),
    Column("bits_allocated", Integer),
    Column("flags", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)

# Where the frames of encapsulated pixel data lie; those of native pixel data follow from the instance row.
frame_tables = Table(
    "frame_tables",
    metadata,
    Column("instance_key", Key, ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# The headers of instances that are not in their series metadata object yet.
headers = Table(
    "headers",
    metadata,
    Column("instance_key", Key, ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("series_key", Key, ForeignKey("series.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("data", LargeBinary),  # as `metadata.pack_header` makes it; NULL: read it from the blob
)

# Frames of a series compressed anew: a cache, whose objects may be lost at any time. (ADR-0017)
renditions = Table(
    "renditions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("series_key", Key, ForeignKey("series.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("blob", String(64), nullable=False),
    Column("length_bytes", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float, nullable=False, index=True),
    sqlite_autoincrement=True,
)

# What belongs to no patient: hanging protocols, palettes, templates, inventories.
non_patient_instances = Table(
    "non_patient_instances",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sop_instance_uid", Text, nullable=False),
    Column("sop_class_uid", Text, nullable=False),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("blob", LargeBinary(32), nullable=False),
    Column("length_bytes", BigInteger, nullable=False),
    Column("dataset_offset", Integer, nullable=False),
    Column("attributes", Text, nullable=False),  # DICOM JSON without bulk data
    Column("created_at", Float, nullable=False),
    UniqueConstraint("sop_instance_uid", name="uq_non_patient_instances_sop_instance_uid"),
    Index("ix_non_patient_instances_sop_class_uid", "sop_class_uid", "id"),
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("args", Text, nullable=False),
    Column("queue", String(64), nullable=False),
    Column("destination", String(64)),
    Column("key", String(255), unique=True),
    Column("priority", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # waiting, running, parked, done, cancelled
    Column("run_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("owner", String(64)),  # the claim; completion is fenced by it
    Column("lease_until", Float),
    Column("is_cancel_asked", Integer, nullable=False),
    Column("is_asked_again", Integer, nullable=False),  # enqueued under the same key while it ran
    Column("progress", Float),
    Column("progress_text", Text),
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Index("ix_jobs_state", "state", "priority", "run_at"),
    Index("ix_jobs_destination", "destination", "state"),
    sqlite_autoincrement=True,
)

job_pauses = Table(
    "job_pauses",
    metadata,
    Column("kind", String(16), primary_key=True),  # queue or destination
    Column("name", String(64), primary_key=True),
    Column("at", Float, nullable=False),
)

schedules = Table(
    "schedules",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("every_s", Float, nullable=False),
    Column("next_at", Float, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Float, nullable=False),
    Column("name", String(64), nullable=False),
    Column("key", Text, nullable=False),
    Column("study_instance_uid", Text),
    Column("transaction_id", BigInteger, nullable=False, server_default="0"),  # PostgreSQL: of the writer; see feed.py
    Index("ix_events_transaction_id", "transaction_id", "id"),
    sqlite_autoincrement=True,
)

# Two versions under one SOP Instance UID: the first is kept, the other lies in quarantine.
conflicts = Table(
    "conflicts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Float, nullable=False),
    Column("last_at", Float, nullable=False),
    Column("times", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("sop_instance_uid", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False, index=True),
    Column("refused_study_instance_uid", Text, nullable=False),
    Column("kept_blob", String(64), nullable=False),
    Column("refused_blob", String(64), nullable=False),
    Column("refused_length_bytes", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("resolved_at", Float),
    Column("resolved_by", Text),
    Column("resolution", Text),
    UniqueConstraint("sop_instance_uid", "refused_blob", name="uq_conflicts_sop_instance_uid"),
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("origin", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sop_instance_uid", Text),
    Column("sop_class_uid", Text),
    Column("study_instance_uid", Text),
    sqlite_autoincrement=True,
)

# What was deleted, by whom and why; its instances lie in the trash until `purge_at`. (ADR-0018)
deletions = Table(
    "deletions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("level", String(16), nullable=False),  # study, series or instance
    Column("study_instance_uid", Text, nullable=False, index=True),
    Column("series_instance_uid", Text),  # NULL: the whole study
    Column("sop_instance_uid", Text),  # NULL: the whole series
    Column("patient_id", Text, nullable=False),  # '' once it is purged, as the next three
    Column("patient_name", Text, nullable=False),
    Column("study_date", Text, nullable=False),
    Column("study_description", Text, nullable=False),
    Column("number_of_instances", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("purge_at", Float, nullable=False),
    Column("restored_at", Float),
    Column("purged_at", Float),
    Index("ix_deletions_purge_at", "purged_at", "purge_at"),
    sqlite_autoincrement=True,
)

# The blobs of what was deleted. One that is received again, or restored, loses its row here as it gains one there.
deleted_instances = Table(
    "deleted_instances",
    metadata,
    Column("blob", LargeBinary(32), primary_key=True),
    Column("deletion_key", Key, ForeignKey("deletions.id"), nullable=False, index=True),
    Column("sop_instance_uid", Text, nullable=False),
    Column("trashed_at", Float),  # NULL: it still lies among the others
    Column("purged_at", Float),
)

# What an administrator must act on. A problem is settled by what raised it, once it is gone.
problems = Table(
    "problems",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("what", Text, nullable=False),
    Column("what_to_do", Text, nullable=False),
    Column("said", Text),  # what both were made of: archive/sentences.py
    Column("at", Float, nullable=False),
    Column("last_at", Float, nullable=False),
)

processes = Table(
    "processes",
    metadata,
    Column("id", Key, primary_key=True),
    Column("role", String(32), nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("heartbeat_at", Float, nullable=False),
)

# Associations that are open to peers for sending: a row each, numbered up to the limit, renewed while it lasts.
send_slots = Table(
    "send_slots",
    metadata,
    Column("peer_key", Integer, primary_key=True, autoincrement=False),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(32), nullable=False),
    Column("renewed_at", Float, nullable=False),
)

# Long walks through all instances, by key, that go on where they stopped: the scrub and its like.
walks = Table(
    "walks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("position", BigInteger, nullable=False),  # the key of the last instance that is done; 0: none
    Column("began_at", Float, nullable=False),  # this round, or the last one when it is over
    Column("ended_at", Float),  # the last round that was whole
    Column("instances", BigInteger, nullable=False),  # done in this round
    Column("size_bytes", BigInteger, nullable=False),
    Column("resume_at", Float, nullable=False),  # not before: what was done too fast is waited for
)

# The second place of all blobs of instances: one row, of the replica in use.
replicas = Table(
    "replicas",
    metadata,
    Column("url", Text, primary_key=True),
    Column("mark", String(64), nullable=False),  # lies in the replica too
    Column("position", BigInteger, nullable=False),  # the key of the last instance brought over, of the older ones
    Column("filled_at", Float),  # all of those are there since
    Column("served_at", Float, nullable=False),  # when a worker last saw it
)

# What the replica has yet to get, or to lose.
replica_backlog = Table(
    "replica_backlog",
    metadata,
    Column("blob", String(64), primary_key=True),
    Column("is_wanted", Integer, nullable=False),
    Column("at", Float, nullable=False, index=True),
)
