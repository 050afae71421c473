"""How often a password may be guessed, counted in the database per name and per address: a restart forgives nothing.

An attempt counts before it is judged, so a hundred at once are no way round. The price of the limit per name: whoever
knows a name can keep its owner from signing in for the length of the pause, from as many addresses as it takes.
"""

from __future__ import annotations

import hashlib
import math
import time
from typing import TYPE_CHECKING

from sqlalchemy import Connection, case, delete, update

from filmless.access import audit
from filmless.access.names import fold
from filmless.access.principal import Principal
from filmless.access.tables import sign_in_failures
from filmless.archive.database import insert_for
from filmless.errors import TooMany

if TYPE_CHECKING:
    from filmless.archive import Archive


def count(archive: Archive, name: str, stranger: Principal) -> None:
    """Count an attempt to show the password of `name`.

    Raises
    ------
    TooMany: this name or this address has failed too often of late.
    """
    now = time.time()
    with archive.transaction() as session:
        wait_s = _count(session, archive, _subjects(name, stranger.address), now)
        if wait_s:
            request = f"sign_in_limit:{stranger.address}:{int(now // 3600)}"
            audit.record_repeated(session, stranger, "sign_in", request=request)
    if wait_s:
        raise TooMany("too many failed attempts to sign in: wait and try again", retry_after_s=wait_s)


def forgive(session: Connection, name: str, address: str | None) -> None:
    """Take back what a good sign-in counted: all against its name, one against its address."""
    of_address, of_name = _subjects(name, address)
    session.execute(delete(sign_in_failures).where(sign_in_failures.c.subject == of_name))
    session.execute(
        update(sign_in_failures)
        .where(sign_in_failures.c.subject == of_address, sign_in_failures.c.failures > 0)
        .values(failures=sign_in_failures.c.failures - 1)
    )


def _subjects(name: str, address: str | None) -> tuple[str, str]:
    folded = fold(name).encode("utf-8", "surrogatepass")
    return f"address:{address}"[:80], f"name:{hashlib.sha256(folded).hexdigest()}"


def _count(session: Connection, archive: Archive, subjects: tuple[str, str], now: float) -> int:
    """Count against the address, then the name; give the seconds to wait when either has had too many.

    What is over the limit neither prolongs the pause nor counts against the name, so that who is locked out cannot
    lock others out.
    """
    settings = archive.settings
    window_s = settings.sign_in_window_s
    session.execute(delete(sign_in_failures).where(sign_in_failures.c.last_at <= now - window_s))
    limits = (settings.sign_in_attempts_per_address_max, settings.sign_in_attempts_max)
    for subject, limit in zip(subjects, limits, strict=True):
        is_within = sign_in_failures.c.failures < limit
        row = session.execute(
            insert_for(session)(sign_in_failures)
            .values(subject=subject, failures=1, last_at=now)
            .on_conflict_do_update(
                index_elements=["subject"],
                set_={
                    "failures": case((is_within, sign_in_failures.c.failures + 1), else_=limit + 1),
                    "last_at": case((is_within, now), else_=sign_in_failures.c.last_at),
                },
            )
            .returning(sign_in_failures.c.failures, sign_in_failures.c.last_at)
        ).one()
        if row.failures > limit:
            return max(1, math.ceil(float(row.last_at) + window_s - now))
    return 0
