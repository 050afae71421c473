"""Tables of workitems, of who is told of them, and of what they are still to be told.

All `_at` are seconds since 1970 in UTC, but `scheduled_at`: microseconds since the year 1 on the clock of the value,
as `query.moments` counts, to order and narrow by.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from filmless.archive.database import metadata
from filmless.archive.tables import Key

# The columns beside `attributes` say again what it holds, to search by.
workitems = Table(
    "workitems",
    metadata,
    Column("id", Key, primary_key=True),
    Column("workitem_uid", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("transaction_uid", String(64)),  # the lock of who performs it; never told to anyone
    Column("priority", Text, nullable=False),
    Column("input_readiness", Text, nullable=False),
    Column("worklist_label", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("study_instance_uid", Text),
    Column("scheduled_at", BigInteger, nullable=False),
    Column("attributes", Text, nullable=False),  # DICOM JSON without the Transaction UID
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("final_at", Float),
    Column("deleted_at", Float),  # the row stays for a while, empty, to answer that the workitem is gone
    Index("ix_workitems_scheduled_at", "scheduled_at", "id"),
    Index("ix_workitems_state", "state", "scheduled_at", "id"),
    Index("ix_workitems_patient_id", "patient_id"),
    Index("ix_workitems_final_at", "final_at"),
    Index("ix_workitems_deleted_at", "deleted_at"),
    sqlite_autoincrement=True,
)

# Who is told: an AE by DIMSE, or a name by the WebSocket channel that its owner opens.
workitem_subscribers = Table(
    "workitem_subscribers",
    metadata,
    Column("id", Key, primary_key=True),
    Column("ae_title", String(16), nullable=False),
    Column("transport", String(16), nullable=False),  # dimse or websocket
    Column("owner", String(80), nullable=False),  # who may open the channel: kind and id of a principal
    Column("channel", String(36)),  # the connection that reports go to now
    Column("created_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    UniqueConstraint("ae_title", "transport", name="uq_workitem_subscribers_ae_title_transport"),
    sqlite_autoincrement=True,
)

# Subscriptions to all workitems, or to all that match keys: what becomes of workitems that are made from now on.
worklist_subscriptions = Table(
    "worklist_subscriptions",
    metadata,
    Column(
        "subscriber_key",
        Key,
        ForeignKey("workitem_subscribers.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("kind", String(16), primary_key=True),  # global or filtered
    Column("filter", Text),  # the keys as DICOM JSON
    Column("deletion_lock", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)

workitem_subscriptions = Table(
    "workitem_subscriptions",
    metadata,
    Column("workitem_key", Key, ForeignKey("workitems.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column(
        "subscriber_key",
        Key,
        ForeignKey("workitem_subscribers.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("kind", String(16), nullable=False),  # specific, global or filtered: what made it
    Column("deletion_lock", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_workitem_subscriptions_subscriber_key", "subscriber_key"),
)

# Event reports that a subscriber has not been given yet, in the order of `id`.
workitem_reports = Table(
    "workitem_reports",
    metadata,
    Column("id", Key, primary_key=True),
    Column("subscriber_key", Key, ForeignKey("workitem_subscribers.id", ondelete="CASCADE"), nullable=False),
    Column("at", Float, nullable=False),
    Column("workitem_uid", String(64), nullable=False),
    Column("event_type", Integer, nullable=False),
    Column("information", Text, nullable=False),  # DICOM JSON
    Index("ix_workitem_reports_subscriber_key", "subscriber_key", "id"),
    Index("ix_workitem_reports_at", "at"),
    sqlite_autoincrement=True,
)
