"""Tables of people, their sessions and tokens, peers and the audit trail.

Secrets (session ids, tokens, setup links) are kept as SHA-256 only: they are 256 random
bits, so a slow hash adds nothing. Numbers of rows are never used again: jobs and the trail name people and peers by
them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
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
from filmless.archive.tables import Key

people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("name_folded", String(128), nullable=False, unique=True),
    Column("display_name", String(128), nullable=False),
    Column("role", String(32), nullable=False),
    Column("password_hash", String(256)),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("last_sign_in_at", Float),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person_key", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("address", String(64)),
    Column("user_agent", String(256), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person_key", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(128), nullable=False),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("hint", String(16), nullable=False),  # how the token begins, to tell one from another
    Column("rights", Text),  # blank-joined; NULL: whatever its person may
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("last_used_at", Float),
    sqlite_autoincrement=True,
)

# What people have set for themselves on the screen; values are JSON.
preferences = Table(
    "preferences",
    metadata,
    Column("person_key", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# Which images were displayed to whom: ranges of instance keys, as JSON. Not of `reading`, since an index that is built
# anew has other keys and forgets these rows. Not a foreign key to studies: other images of a study may be there again.
displayed = Table(
    "displayed",
    metadata,
    Column("person_key", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("study_instance_uid", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    Column("completed_at", Float),  # when all images there were had been displayed
    Column("updated_at", Float, nullable=False),
    Index("ix_displayed_updated_at", "person_key", "updated_at"),
)

setup_links = Table(
    "setup_links",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

# What counts against a name is kept under the name's hash: people type passwords into the name field.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("subject", String(80), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Float, nullable=False, index=True),
)

peers = Table(
    "peers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ae_title", String(16), nullable=False),
    Column("host", String(255), nullable=False),  # an IP address, a host name or a CIDR network
    Column("port", Integer),  # NULL: it calls us, we cannot call it
    Column("allow", String(255), nullable=False),  # blank-joined, sorted
    Column("tls", Boolean, nullable=False),
    Column("description", String(255), nullable=False),
    Column("ask_commitment", Boolean, nullable=False),  # after we sent to it
    Column("notify_availability", Boolean, nullable=False),  # when a study is complete
    Column("operations_window", Integer, nullable=False),  # C-STOREs under way at once when we send to it
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("ae_title", "host", name="uq_peers_ae_title_host"),
    sqlite_autoincrement=True,
)

unknown_peers = Table(
    "unknown_peers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ae_title", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("called_ae_title", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("proposed", Text, nullable=False),  # JSON list of SOP class UIDs of its last request
    Column("times", Integer, nullable=False),
    Column("first_seen_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False, index=True),
    UniqueConstraint("ae_title", "address", name="uq_unknown_peers_ae_title_address"),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("last_at", Float, nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", Integer),
    Column("actor", String(128), nullable=False),
    Column("door", String(16), nullable=False),
    Column("address", String(64)),
    Column("action", String(48), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("study_instance_uid", String(64)),
    Column("object", String(255)),
    Column("detail", Text),
    Column("count", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("request", String(128)),  # rows of one association or request grow instead of multiplying
    Index("ix_audit_study_instance_uid", "study_instance_uid", "id"),
    Index("ix_audit_actor", "actor", "id"),
    Index("ix_audit_action", "action", "id"),
    Index("uq_audit_request", "request", "action", "outcome", "study_instance_uid", unique=True),
    sqlite_autoincrement=True,
)
