"""Real DICOM files: those in the packages pydicom and pydicom-data, and those below FILMLESS_CORPUS if it is set."""

from __future__ import annotations

import os
from pathlib import Path

import pydicom

_NOT_DICOM = {
    ".py", ".pyc", ".pyi", ".csv", ".md", ".txt", ".json", ".icc", ".gz", ".dump", ".zip", ".license", ".typed",
}  # fmt: skip


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in _NOT_DICOM)


def pydicom_files() -> list[Path]:
    """Every DICOM file that pydicom ships. Not no_meta.dcm, which lacks the first byte of its data set."""
    return [
        path
        for path in _files_below(Path(pydicom.__file__).parent / "data")
        if path.name not in ("README", "no_meta.dcm")
    ]


def pydicom_file(name: str) -> Path:
    return next(path for path in pydicom_files() if path.name == name)


def real_files() -> list[Path]:
    """All there are: some 280, and the corpus."""
    found = pydicom_files()
    try:
        import data_store
    except ImportError:
        pass
    else:
        found += _files_below(Path(data_store.__path__[0]))
    if corpus := os.environ.get("FILMLESS_CORPUS"):
        found += [path for path in _files_below(Path(corpus)) if not path.name.endswith("no_meta.dcm")]
    return found
