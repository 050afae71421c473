"""Whose hanging protocols there are (what they say is in their DICOM instances), and marks that are no report yet."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from filmless.access.tables import people
from filmless.archive.database import metadata
from filmless.archive.tables import Key

# One row for each protocol of a person (person_key) or of the site (none); asked in the order of their positions.
hanging_protocols = Table(
    "hanging_protocols",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sop_instance_uid", Text, nullable=False),
    Column("person_key", ForeignKey(people.c.id, ondelete="CASCADE")),
    Column("position", Integer, nullable=False),
    Column("is_on", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_hanging_protocols_person_key", "person_key", "position"),
    sqlite_autoincrement=True,
)

# Not a foreign key to studies: a study that is deleted and restored has its drafts again.
drafts = Table(
    "drafts",
    metadata,
    Column("person_key", ForeignKey(people.c.id, ondelete="CASCADE"), primary_key=True),
    Column("study_instance_uid", String(64), primary_key=True),
    Column("revision", BigInteger, nullable=False),  # grows with each change; ms since 1970 or one more
    Column("document_uid", String(64)),  # the report that the draft goes on from
    Column("value", Text, nullable=False),  # JSON: marks and what was taken away, with the revision of each
    Column("updated_at", Float, nullable=False),
)
