"""What is compared of files that went through another archive."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread


def data_set_of(path: Path) -> bytes:
    """What follows the file meta information, which each archive writes for itself."""
    with path.open("rb") as file:
        meta = dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).file_meta
    return path.read_bytes()[132 + 12 + meta.FileMetaInformationGroupLength :]
