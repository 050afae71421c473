"""The sample studies have every attribute that their IOD asks for: dciodvfy finds no error in what we make."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pydicom
import pytest

import dciodvfy
from filmless.demo import generated, packaged

TODAY = datetime(2026, 11, 24, 9)
EVERY = 50  # slices of one series differ in place and pixels alone


def sample(files: Iterator[bytes]) -> Iterator[bytes]:
    """The first of each series, and one of so many."""
    series = set()
    for number, file in enumerate(files):
        uid = pydicom.dcmread(io.BytesIO(file), specific_tags=["SeriesInstanceUID"]).SeriesInstanceUID
        if uid not in series or number % EVERY == 0:
            yield file
        series.add(uid)


@pytest.mark.parametrize("study", [*generated.STUDIES, packaged.brain_atlas], ids=lambda study: str(study.__name__))
def test_what_is_drawn_has_no_error(study: Callable[[datetime], Iterator[bytes]], tmp_path: Path) -> None:
    for number, file in enumerate(sample(study(TODAY))):
        (tmp_path / f"{number}.dcm").write_bytes(file)
    assert len(list(tmp_path.iterdir())) >= (1 if study is generated.heart_ultrasound else 2)
    assert dciodvfy.errors_in(tmp_path.iterdir()) == {}


def test_a_new_label_on_a_packaged_file_adds_no_error(tmp_path: Path) -> None:
    """The files of pydicom have errors of their own, which stay."""
    names = [name for *_, images in packaged.DEPARTMENT for name, _ in images if packaged.find_file(name)]
    files = list(packaged.department(TODAY))
    assert len(names) == len(files) > 10
    for name, file in zip(names, files, strict=True):
        (tmp_path / name).write_bytes(file)
    before = dciodvfy.errors_in(path for name in names if (path := packaged.find_file(name)))
    after = dciodvfy.errors_in(tmp_path.iterdir())
    assert {name: set(errors) - set(before.get(name, ())) for name, errors in after.items()} == {
        name: set() for name in after
    }
