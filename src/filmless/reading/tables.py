"""Whose hanging protocols there are. What they say is in their DICOM instances."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, Table, Text

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
