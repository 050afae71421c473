"""Names that people sign in with."""

from __future__ import annotations

import unicodedata


def fold(name: str) -> str:
    """Fold a name to the form in which two names are the same."""
    return unicodedata.normalize("NFKC", name).casefold().strip()
