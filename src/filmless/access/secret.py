"""Random secrets of 256 bits, and the only form in which they are kept."""

from __future__ import annotations

import hashlib
import secrets


def new_secret(prefix: str = "") -> str:
    """Make a secret for a session, token or link."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Hash a secret for keeping. Looking a digest up tells nothing by its timing that helps to guess the secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
