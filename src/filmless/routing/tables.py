"""Tables of what was promised to peers, of what they promised us, and of webhooks. `_at` are seconds since 1970 in UTC.

Peers are named by the number of their row, which is never used again, and by AE title for people.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table, Text, UniqueConstraint

from filmless.archive.database import metadata
from filmless.archive.tables import Key

# Storage commitment that peers asked us for.
commitments = Table(
    "commitments",
    metadata,
    Column("id", Key, primary_key=True),
    Column("transaction_uid", Text, nullable=False),
    Column("peer_key", Integer, nullable=False),
    Column("ae_title", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # asked, verified, reporting, reported
    Column("asked", Text, nullable=False),  # JSON: list of [SOP Class UID, SOP Instance UID]
    Column("failed", Text, nullable=False),  # JSON: SOP Instance UID to Failure Reason; empty until verified
    Column("association", String(64)),  # the one it came over, while that may still be open
    Column("asked_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Index("ix_commitments_transaction_uid", "peer_key", "transaction_uid"),
    Index("ix_commitments_changed_at", "state", "changed_at"),
    sqlite_autoincrement=True,
)

# Storage commitment that we asked peers for.
commitment_requests = Table(
    "commitment_requests",
    metadata,
    Column("id", Key, primary_key=True),
    Column("transaction_uid", Text, nullable=False),
    Column("peer_key", Integer, nullable=False),
    Column("ae_title", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # waiting, asked, committed, failed
    Column("study_instance_uid", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("failed", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    UniqueConstraint("transaction_uid", name="uq_commitment_requests_transaction_uid"),
    Index("ix_commitment_requests_changed_at", "state", "changed_at"),
    Index("ix_commitment_requests_study_instance_uid", "study_instance_uid"),
    sqlite_autoincrement=True,
)

# Inventories that peers ask us for.
inventories = Table(
    "inventories",
    metadata,
    Column("id", Key, primary_key=True),
    Column("transaction_uid", String(64), nullable=False),
    Column("peer_key", Integer, nullable=False),
    Column("ae_title", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # PROCESSING, PAUSED, COMPLETE, FAILURE, CANCELED
    Column("comment", Text, nullable=False),
    Column("level", String(16), nullable=False),  # STUDY, SERIES, INSTANCE
    Column("purpose", Text, nullable=False),
    Column("scope", Text, nullable=False),  # items of the Scope of Inventory Sequence, DICOM JSON
    Column("position", BigInteger, nullable=False),  # key of the last study that is written
    Column("parts", Text, nullable=False),  # instances that are written, as [[UID, study records]]
    Column("root_uid", String(64)),
    Column("interval_min", Integer, nullable=False),  # the peer wants to be told so often; 0: when it changes
    Column("began_at", Float, nullable=False),
    Column("told_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    UniqueConstraint("peer_key", "transaction_uid", name="uq_inventories_peer_key"),
    Index("ix_inventories_state", "state", "changed_at"),
    sqlite_autoincrement=True,
)

# How far a send has come, by job: it goes on there after a kill.
sends = Table(
    "sends",
    metadata,
    Column("job_id", Key, primary_key=True, autoincrement=False),
    Column("arrived", Text, nullable=False),  # ranges of instance keys that the peer acknowledged, as [[3,90],[94,94]]
    Column("changed_at", Float, nullable=False),
)

# Who is told of events by HTTP.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", String(255), nullable=False),
    Column("names", Text),  # of events, separated by blanks; NULL: all, also those of later versions
    Column("secret", Text, nullable=False),  # as it is: messages are signed with it
    Column("previous_secret", Text),  # the one before, until
    Column("previous_secret_until", Float),
    Column("is_active", Boolean, nullable=False),
    Column("cursor", String(64), nullable=False),  # of the change feed: all before it was delivered
    Column("delivered", BigInteger, nullable=False),
    Column("delivered_at", Float),
    Column("failures", Integer, nullable=False),  # since the last delivery
    Column("failing_since", Float),
    Column("last_error", Text),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    sqlite_autoincrement=True,
)
