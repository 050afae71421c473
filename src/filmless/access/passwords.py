"""Passwords: argon2id, a few at a time.

A hash takes 64 MiB and some 50 ms of two cores, so strangers must not be able to start many.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from filmless.errors import Refused, Unavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

HASHES_AT_ONCE: Final = 2
HASH_WAIT_S: Final = 15.0
LENGTH_MAX: Final = 1024

_slots: Final = threading.BoundedSemaphore(HASHES_AT_ONCE)


def check_password(password: str, *, name: str, length_min: int) -> None:
    """Refuse what would be guessed first. No rules on kinds of characters: they make passwords worse (NIST SP 800-63B).

    Raises
    ------
    Refused: with what is missing.
    """
    if len(password) < length_min:
        raise Refused(f"the password is too short: at least {length_min} characters")
    if len(password) > LENGTH_MAX:
        raise Refused(f"the password is too long: at most {LENGTH_MAX} characters")
    if len(set(password)) < 5:
        raise Refused("the password repeats too few characters: use at least 5 different ones")
    if name.casefold() in password.casefold() and len(password) - len(name) < length_min // 2:
        raise Refused("the password is little more than the name")


def hash_password(password: str) -> str:
    """Hash with argon2id; blocks while too many others are hashing.

    Raises
    ------
    Unavailable: too many wait already.
    """
    with _Slot():
        return _hasher().hash(password)


def is_password(password_hash: str | None, password: str) -> bool:
    """Compare a password with its hash; without a hash it takes as long and says no, so nobody learns who exists.

    Raises
    ------
    Unavailable: too many wait already.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    with _Slot():
        nobodys_hash = _nobodys_hash()  # made once, at the first sign-in of anybody
        try:
            return _hasher().verify(password_hash or nobodys_hash, password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


def needs_rehash(password_hash: str) -> bool:
    """Say whether the hash was made with other costs than today's."""
    return _hasher().check_needs_rehash(password_hash)


class _Slot:
    def __enter__(self) -> None:
        if not _slots.acquire(timeout=HASH_WAIT_S):
            raise Unavailable("too many people are signing in at once", retry_after_s=5)

    def __exit__(self, *_: object) -> None:
        _slots.release()


_made: dict[str, PasswordHasher] = {}
_nobody: dict[str, str] = {}


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return _made.setdefault("hasher", PasswordHasher())


def _nobodys_hash() -> str:
    """Give a hash that no password has, made with today's costs."""
    import secrets

    if "hash" not in _nobody:
        _nobody["hash"] = _hasher().hash(secrets.token_hex(32))
    return _nobody["hash"]
