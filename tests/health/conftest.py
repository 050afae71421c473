"""A listener for what calls peers."""

from __future__ import annotations

from listening import scp

__all__ = ["scp"]
