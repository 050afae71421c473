"""Looks at everything now and then, and knows since when something is broken.

What does not answer must not hold up who asks: each look has a thread of its own, and one that is not back in time is a
fault by itself. So health is told while the database, the disk or the bucket hang.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from filmless.archive import Archive
from filmless.archive.sentences import say
from filmless.errors import FilmlessError
from filmless.health import machine, records
from filmless.health.faults import FAULTS, Finding, broken

log = structlog.get_logger()

LOOK_S: Final = 2.0
"""Time between two looks at what stops service; what a look found is believed for so long."""

SELDOM_S: Final = 60.0
PATIENCE_S: Final = 5.0
"""A look that is not back by then tells that what it looks at is away."""


class Look:
    """One group of checks and what it found last.

    `away` is the fault when it fails or is not back in time; without one it tells nothing then: another look does.
    """

    def __init__(self, examine: Callable[[], Iterable[Finding]], *, every_s: float, away: str = "") -> None:
        self._examine = examine
        self._away = away
        self._every_s = every_s
        self._mutex = threading.Lock()
        self._began_at: float | None = None
        self._back = threading.Event()
        self._found: list[Finding] = []
        self._found_at: float | None = None
        self._fleeting: set[str] = set()

    def begin(self) -> None:
        """Look again when what was found is old, unless a look is under way."""
        with self._mutex:
            if self._age_s() >= self._every_s and self._began_at is None:
                self._began_at = time.monotonic()
                self._back.clear()
                threading.Thread(target=self._look, name="health", daemon=True).start()

    def findings(self, patience_s: float) -> list[Finding]:
        """What was found last; waits for the look under way only when that is too old to tell."""
        with self._mutex:
            began_at = self._began_at
            must_wait = self._age_s() >= self._every_s + LOOK_S
        if began_at is not None and must_wait:
            self._back.wait(max(0.0, began_at + patience_s - time.monotonic()))
        with self._mutex:
            if self._began_at is not None and time.monotonic() - self._began_at >= patience_s:
                waited_s = time.monotonic() - self._began_at
                return self._failed(say("look_late", seconds=round(waited_s)))
            return list(self._found)

    def _failed(self, what: str) -> list[Finding]:
        return [broken(self._away, what)] if self._away else []

    def _age_s(self) -> float:
        return float("inf") if self._found_at is None else time.monotonic() - self._found_at

    def _look(self) -> None:
        try:
            found = list(self._examine())
        except (FilmlessError, OSError, SQLAlchemyError) as error:
            what = str(error) if isinstance(error, FilmlessError) else say("look_failed", error=type(error).__name__)
            found = self._failed(what)
        except Exception as error:  # the outermost line: health is told whatever happens
            log.exception("a look at health failed")
            found = self._failed(say("look_wrong", error=type(error).__name__))
        with self._mutex:
            fleeting = {finding.code for finding in found if finding.code and FAULTS[finding.code].is_fleeting}
            self._found = [finding for finding in found if finding.code not in fleeting - self._fleeting]
            self._fleeting = fleeting
            self._found_at = time.monotonic()
            self._began_at = None
            self._back.set()


class Watch:
    """Health as one process sees it."""

    def __init__(self, archive: Archive, *, patience_s: float = PATIENCE_S) -> None:
        settings = archive.settings
        self._patience_s = patience_s
        self._since: dict[tuple[str, str], float] = {}
        self._mutex = threading.Lock()
        self._looks = [
            Look(lambda: machine.examine_disk(settings), away="disk_away", every_s=LOOK_S),
            Look(lambda: records.examine_database(archive), away="database_away", every_s=LOOK_S),
            Look(lambda: records.examine_records(archive), every_s=LOOK_S),
            Look(lambda: machine.examine_blobs(archive), away="blobs_away", every_s=LOOK_S),
            Look(lambda: records.examine_sweep(archive), every_s=SELDOM_S),
            Look(lambda: machine.examine_tls(settings), away="disk_away", every_s=SELDOM_S),
        ]

    def findings(self) -> list[Finding]:
        """Everything that was looked at: faults with the time since when, the worst first, then what is well."""
        found: dict[tuple[str, str, str], Finding] = {}
        for look in self._looks:
            look.begin()
        for look in self._looks:
            for finding in look.findings(self._patience_s):
                found.setdefault((finding.code, finding.key, "" if finding.code else finding.subject), finding)
        order = {"problem": 0, "warning": 1, "ok": 2}
        return sorted(self._dated(list(found.values())), key=lambda finding: order[finding.level])

    def faults(self) -> list[Finding]:
        """What stops service, for `/readyz`: none when this process can serve."""
        return [finding for finding in self.findings() if finding.code and FAULTS[finding.code].stops_service]

    def _dated(self, found: list[Finding]) -> list[Finding]:
        now = time.time()
        with self._mutex:
            keys = {(finding.code, finding.key) for finding in found if finding.code}
            self._since = {key: since for key, since in self._since.items() if key in keys}
            return [self._date(finding, now) for finding in found]

    def _date(self, finding: Finding, now: float) -> Finding:
        if not finding.code or finding.since is not None:
            return finding
        since = self._since.setdefault((finding.code, finding.key), now)
        return replace(finding, since=since)

    @contextmanager
    def running(self) -> Iterator[Watch]:
        """Look all the time while the block runs, so that it is known since when, and nobody waits for an answer."""
        stop = threading.Event()

        def watch() -> None:
            before: set[str] = set()
            while not stop.wait(LOOK_S / 2):
                codes = {finding.code for finding in self.findings() if finding.level == "problem"}
                for code in codes - before:
                    log.error("fault", code=code, meaning=FAULTS[code].title)
                for code in before - codes:
                    log.info("fault is over", code=code, meaning=FAULTS[code].title)
                before = codes

        thread = threading.Thread(target=watch, name="health-watch", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
