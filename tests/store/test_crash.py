"""kill -9 at any moment: what was answered is there and whole, and nothing is there by half."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from filmless.archive import Archive
from filmless.archive.tables import headers, instances, series, studies
from filmless.config import Settings
from filmless.store.sweep import sweep
from filmless.store.verify import verify
from stored import as_flags, waiting_files

WRITER = """
import io, json, sys, threading
from pathlib import Path
import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.config import Settings
from filmless.store.receive import receive

archive = Archive.open(Settings(**json.loads(sys.argv[1])))
mutex = threading.Lock()

def send():
    while True:
        for ds in make.ct_series(20):
            receive(archive, SYSTEM("test"), io.BytesIO(make.part10(ds)))
            with mutex:
                sys.stdout.write(ds.SOPInstanceUID + chr(10))
                sys.stdout.flush()

threads = [threading.Thread(target=send) for _ in range(4)]
for thread in threads:
    thread.start()
"""
ROUNDS = 5


def store_until_killed(settings: Settings, seconds: float) -> list[str]:
    """Store from four threads, kill without warning; the UIDs whose success was told."""
    search = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")]
    program = f"import sys; sys.path[:0] = {search!r}\n{WRITER}"
    command = [sys.executable, "-c", program, json.dumps(as_flags(settings))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        told = (first + process.stdout.read()).splitlines(keepends=True)
    return [line.strip() for line in told if line.endswith("\n")]


def test_everything_that_was_told_is_there_after_a_kill(settings: Settings) -> None:
    chance = random.Random(7)
    told: list[str] = []
    for _ in range(ROUNDS):
        told += store_until_killed(settings, chance.uniform(0.05, 0.4))
        began_at = time.monotonic()
        with Archive.open(settings) as archive, archive.reading() as session:
            assert time.monotonic() - began_at < 2
            there = set(session.execute(select(instances.c.sop_instance_uid)).scalars())
        assert set(told) <= there
    assert len(told) > ROUNDS
    swept = settings.model_copy(update={"sweep_age_s": 0.0})
    with Archive.open(swept) as archive:
        sweep(archive)
        result = verify(archive)
        assert result.findings == []
        assert result.checked == len(list(archive.blobs.keys())) >= len(told)
        assert waiting_files(archive) == []
        with archive.reading() as session:
            counted = select(instances.c.series_key, func.count()).group_by(instances.c.series_key)
            kept = select(series.c.id, series.c.number_of_series_related_instances)
            assert set(session.execute(counted)) == set(session.execute(kept))
            assert session.execute(select(func.count()).select_from(headers)).scalar_one() == result.checked
            total = select(func.sum(studies.c.number_of_study_related_instances))
            assert session.execute(total).scalar_one() == result.checked


pytestmark = pytest.mark.timeout(120)
