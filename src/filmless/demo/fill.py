"""Writes the sample studies to a folder and takes them in by the ordinary import. `python -m filmless.demo.fill`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.config import read_settings
from filmless.demo import generated, packaged
from filmless.store.importing import import_paths

STUDIES: tuple[Callable[[datetime], Iterator[bytes]], ...] = (*generated.STUDIES, *packaged.STUDIES)


def fill(archive: Archive, today: datetime, on_study: Callable[[str, int, int], None]) -> None:
    """Import all sample studies, one after the other; `on_study` hears of each: name, taken in, refused."""
    for study in STUDIES:
        with tempfile.TemporaryDirectory(dir=archive.settings.data) as folder:
            for number, file in enumerate(study(today), 1):
                (Path(folder) / f"{number:05d}.dcm").write_bytes(file)
            outcomes = [result.outcome for result in import_paths(archive, SYSTEM("import"), [Path(folder)])]
        refused = sum(outcome not in {"stored", "duplicate"} for outcome in outcomes)
        on_study(study.__name__.replace("_", " "), len(outcomes) - refused, refused)


def main() -> None:
    """Fill the demo's archive (FILMLESS_DATA) and say how far it is on standard error."""

    def say(name: str, taken: int, refused: int) -> None:
        refusal = f", {refused} refused" if refused else ""
        sys.stderr.write(f"samples: {name}: {taken} instances{refusal}\n")

    with Archive.open(read_settings()) as archive:
        fill(archive, datetime.now().replace(hour=12, minute=0, second=0, microsecond=0), say)
    sys.stderr.write("samples: all are in\n")


if __name__ == "__main__":
    main()
