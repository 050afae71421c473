"""The values in the viewport are those that pydicom reads, per transfer syntax and photometric interpretation."""

from __future__ import annotations

import io
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from playwright.sync_api import Page
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut

import make
from real_files import real_files
from running import RunningServer, filmless

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

HTJ2K = "1.2.840.10008.1.2.4.201"
ACTIVE = "window.__filmless.viewer.viewport(window.__filmless.viewer.active)"

# name: file, most that a value may differ
FILES = {
    "implicit": ("MR_small_implicit.dcm", 0),
    "explicit": ("MR_small.dcm", 0),
    "big endian": ("MR_small_bigendian.dcm", 0),
    "deflated": ("image_dfl.dcm", 0),
    "RLE": ("MR_small_RLE.dcm", 0),
    "JPEG-LS": ("MR_small_jpeg_ls_lossless.dcm", 0),
    "JPEG 2000": ("MR_small_jp2klossless.dcm", 0),
    "JPEG 2000 with the wrong sign": ("J2K_pixelrep_mismatch.dcm", 0),
    "JPEG lossless": ("JPEG-LL.dcm", 0),
    "JPEG baseline colour": ("SC_rgb_jpeg_dcmtk.dcm", 6),
    "RGB": ("SC_rgb.dcm", 0),
    "RGB planes": ("color-pl.dcm", 0),
    "palette": ("examples_palette.dcm", 1),
    "YBR_FULL": ("SC_ybr_full_uncompressed.dcm", 2),
    "YBR_FULL_422": ("SC_ybr_full_422_uncompressed.dcm", 2),
    "YBR_RCT": ("US1_J2KR.dcm", 1),
}


def compressed(encode: Any, syntax: str) -> bytes:
    """MR_small in another transfer syntax, made here."""
    ds = pydicom.dcmread(next(path for path in real_files() if path.name == "MR_small.dcm"))
    ds.PixelData = encapsulate([bytes(encode(np.ascontiguousarray(ds.pixel_array)))])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def case(name: str) -> tuple[bytes, int]:
    if name == "HTJ2K":
        return compressed(imagecodecs.htj2k_encode, HTJ2K), 0
    file, difference = FILES[name]
    return next(path for path in real_files() if path.name == file).read_bytes(), difference


def relabelled(part10: bytes, study: str) -> tuple[bytes, pydicom.Dataset]:
    """The file in a study of its own, so that cases that share a patient do not meet."""
    ds = pydicom.dcmread(io.BytesIO(part10), force=True)
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, f"{study}.1", f"{study}.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue(), ds


def with_dcmtk(ds: pydicom.Dataset) -> pydicom.Dataset:
    """The data set decompressed by DCMTK, for the syntaxes that pydicom has no decoder for here."""
    tool = {"1.2.840.10008.1.2.4.80": "dcmdjpls", "1.2.840.10008.1.2.4.70": "dcmdjpeg"}.get(
        str(ds.file_meta.TransferSyntaxUID)
    )
    if tool is None:
        return ds
    with tempfile.TemporaryDirectory() as folder:
        ds.save_as(Path(folder) / "in.dcm", enforce_file_format=True)
        subprocess.run([tool, f"{folder}/in.dcm", f"{folder}/out.dcm"], check=True)
        plain = pydicom.dcmread(f"{folder}/out.dcm")
        plain.pixel_array  # noqa: B018 - read while the file is there
        return plain


def truth(name: str, ds: pydicom.Dataset) -> np.ndarray[Any, Any]:
    """What pydicom says: modality values, or RGB."""
    if name == "HTJ2K":
        ds = pydicom.dcmread(next(path for path in real_files() if path.name == "MR_small.dcm"))
    ds = with_dcmtk(ds)
    pixels = ds.pixel_array
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(pixels, ds)
        return (values >> 8).astype(np.int64) if values.dtype.itemsize == 2 else values.astype(np.int64)
    if ds.SamplesPerPixel == 3:
        return np.asarray(pixels, np.int64)  # pydicom has turned YBR into RGB
    return np.asarray(apply_modality_lut(pixels, ds), np.float64)


@pytest.mark.parametrize("name", [*FILES, "HTJ2K"])
def test_the_viewport_holds_the_values_of_the_file(
    page: Page, screen_server: RunningServer, tmp_path: Path, name: str
) -> None:
    part10, difference = case(name)
    study = "1.2.826.0.1.3680043.10.99." + str(abs(hash(name)) % 10**12)
    file, ds = relabelled(part10, study)
    (tmp_path / "case.dcm").write_bytes(file)
    filmless(screen_server.data, "import", str(tmp_path / "case.dcm"))

    page.goto(f"{screen_server.url}/viewer/{study}")
    page.wait_for_function(f"() => window.__filmless?.viewer && {ACTIVE}?.values()?.length")
    shown = np.array(page.evaluate(f"() => {ACTIVE}.values()"), np.float64)

    expected = truth(name, ds)
    if expected.ndim == 3:
        channels = shown.size // (expected.shape[0] * expected.shape[1])
        shown = shown.reshape(*expected.shape[:2], channels)[..., :3]
    assert np.abs(shown.reshape(expected.shape) - expected).max() <= difference


@pytest.fixture(scope="session")
def stack(screen_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CT of five slices, each a ramp from its own value on."""
    folder = tmp_path_factory.mktemp("stack")
    slices = make.ct_series(5, rows=64)
    for index, ds in enumerate(slices):
        ds.PixelData = (np.arange(64 * 64) % 64 + 100 * (index + 1)).astype(np.uint16).tobytes()
        (folder / f"{index}.dcm").write_bytes(make.part10(ds))
    filmless(screen_server.data, "import", str(folder))
    return str(slices[0].StudyInstanceUID)


def test_scrolling_by_key_and_wheel_shows_the_next_slice(page: Page, screen_server: RunningServer, stack: str) -> None:
    page.goto(f"{screen_server.url}/viewer/{stack}")
    page.wait_for_function(f"() => window.__filmless?.viewer && {ACTIVE}?.values()?.length")
    first = page.evaluate(f"() => {ACTIVE}.imageId")
    page.keyboard.press("ArrowDown")
    page.wait_for_function(f"(first) => {ACTIVE}.index === 1 && {ACTIVE}.imageId !== first", arg=first)
    page.mouse.move(760, 450)
    page.mouse.wheel(0, 120)
    page.wait_for_function(f"() => {ACTIVE}.index === 2 && {ACTIVE}.shown === 2")
    page.keyboard.press("End")
    page.wait_for_function(f"() => {ACTIVE}.index === 4 && {ACTIVE}.shown === 4")


def test_orientation_letters_follow_a_flip(page: Page, screen_server: RunningServer, stack: str) -> None:
    page.goto(f"{screen_server.url}/viewer/{stack}")
    page.wait_for_function(f"() => window.__filmless?.viewer && {ACTIVE}?.values()?.length")
    before = page.evaluate(f"() => {ACTIVE}.letters")
    page.keyboard.press("h")
    page.wait_for_function(f"(before) => JSON.stringify({ACTIVE}.letters) !== JSON.stringify(before)", arg=before)
    after = page.evaluate(f"() => {ACTIVE}.letters")
    assert (before["left"], before["right"]) == (after["right"], after["left"])
