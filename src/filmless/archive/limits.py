"""The limits of `dicom`, which knows no settings, filled from them."""

from __future__ import annotations

from filmless.config import Settings
from filmless.dicom.scanner import ScanLimits


def scan_limits(settings: Settings) -> ScanLimits:
    """What reading one data set may cost."""
    return ScanLimits(
        depth_max=settings.sequence_depth_max,
        elements_max=settings.elements_max,
        header_max_bytes=settings.header_max_bytes,
        inflate_max_bytes=settings.inflate_max_bytes,
        frames_max=settings.frames_max,
        level_elements_max=settings.level_elements_max,
        spool_folder=settings.data.absolute() / "spool",
    )
