"""A listener whose handlers keep what they are given, and raw sockets to it."""

from __future__ import annotations

from listening import established, raw, scp

__all__ = ["established", "raw", "scp"]
