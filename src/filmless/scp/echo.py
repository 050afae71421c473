"""C-ECHO (PS3.4 annex A): the association is alive. It says nothing of other services."""

from __future__ import annotations

from filmless.dimse.services import Outcome, Request


def handle_echo(_: Request) -> Outcome:
    """Answer one C-ECHO-RQ."""
    return Outcome()
