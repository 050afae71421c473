"""What receivers of webhooks are sent: one event, or that some were lost, or a test. Never more than keys."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from filmless.archive.events import Event
from filmless.archive.feed import cursor_of
from filmless.routing.receivers import Message

KEY_MAX: Final = 1024
"""Characters of a key that are told, so that a body is a few KiB at most."""


def message_of(event: Event) -> Message:
    """Tell of an event. Its id is that of the event in the change feed, with a hyphen for the dot."""
    cursor = cursor_of(event)
    told = {"cursor": cursor, "key": event.key[:KEY_MAX], "studyInstanceUid": event.study_instance_uid}
    return Message(cursor.replace(".", "-"), _body(event.name, event.at, told))


def message_of_lost(cursor: str) -> Message:
    """Tell that events after a cursor were forgotten before they could be delivered: what is kept comes next."""
    return Message(f"lost-{cursor.replace('.', '-')}", _body("events_lost", time.time(), {"cursor": cursor}))


def message_of_test(nonce: str) -> Message:
    """Tell of nothing, for the administrator who looks whether it arrives."""
    return Message(f"test-{nonce}", _body("test", time.time(), {}))


def _body(name: str, at: float, data: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": name, "timestamp": datetime.fromtimestamp(at, UTC).isoformat(), "data": data})
