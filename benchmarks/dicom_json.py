"""How fast a header is scanned and written as DICOM JSON, beside pydicom on the same bytes in the same process.

    python benchmarks/dicom_json.py

Both start from the bytes of a file in memory and end with a dict in the DICOM JSON model. Runs of the two alternate,
so that a busy machine slows both; the fastest call of each counts, in processor time.
"""

from __future__ import annotations

import io
import logging
import struct
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pydicom
from report import Line, Report

from filmless.dicom.frames import locate_frames
from filmless.dicom.json import to_json
from filmless.dicom.scanner import scan

TARGET = 10.0
"""Of the issue "First light": DICOM JSON at least 10 times as fast as pydicom's for a CT header."""
ROUNDS = 10
ROUND_S = 0.04

# The file of the target, then others of different make.
FILES = (
    ("CT_small.dcm", "CT, explicit VR, 258 elements", TARGET),
    ("MR_small_implicit.dcm", "MR, implicit VR, 72 elements", None),
    ("MR_small_bigendian.dcm", "MR, big endian, 72 elements", None),
    ("test-SR.dcm", "structured report, nested sequences", None),
    ("DICOMDIR", "DICOMDIR, a sequence of 80 items", None),
    ("chrH32.dcm", "names in three Japanese sets", None),
)


def best_us(mine: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """The least processor time of a single call of each, in microseconds: what other programs take does not count."""
    bests = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for i, call in enumerate((mine, other)):
            until = time.perf_counter() + ROUND_S
            while True:
                started = time.thread_time()
                call()
                bests[i] = min(bests[i], time.thread_time() - started)
                if time.perf_counter() > until:
                    break
    return bests[0] * 1e6, bests[1] * 1e6


def read_by_pydicom(data: bytes) -> dict[str, object]:
    ds = pydicom.dcmread(io.BytesIO(data))
    return ds.to_json_dict(bulk_data_element_handler=lambda _: "bulk")


def multi_frame(frames: int) -> bytes:
    """An encapsulated instance of many small frames, to time the search for their offsets."""
    item = struct.Struct("<HHL").pack
    fragments = b"".join(item(0xFFFE, 0xE000, 64) + bytes(64) for _ in range(frames))
    head = struct.pack("<HH2sH", 0x28, 8, b"IS", 8) + str(frames).ljust(8).encode()
    head += struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + item(0xFFFE, 0xE000, 0)
    return head + fragments + item(0xFFFE, 0xE0DD, 0)


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    report = Report("DICOM JSON, beside pydicom " + pydicom.__version__)
    folder = Path(pydicom.__file__).parent / "data"
    for name, what, target in FILES:
        path = next(folder.rglob(name))
        data = path.read_bytes()
        ours, theirs = best_us(lambda d=data: scan(d), lambda d=data: pydicom.dcmread(io.BytesIO(d)))
        report.add(Line(f"scan, {what}", "µs", ours, theirs, None, higher_is_better=False, of="pydicom"))
        ours, theirs = best_us(lambda d=data: to_json(scan(d), bulk_uri="/bulk"), lambda d=data: read_by_pydicom(d))
        report.add(Line(f"scan and JSON, {what}", "µs", ours, theirs, target, higher_is_better=False, of="pydicom"))
    data = multi_frame(100_000)
    started = time.perf_counter()
    table = locate_frames(scan(data, transfer_syntax_uid="1.2.840.10008.1.2.5"))
    took_ms = (time.perf_counter() - started) * 1000
    assert table.count == 100_000
    report.add(Line("find 100,000 frames without an offset table", "ms", took_ms, None, None, higher_is_better=False))


if __name__ == "__main__":
    main()
