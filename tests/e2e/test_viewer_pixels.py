"""The values in the viewport are the file's, per transfer syntax and photometric interpretation; so is the brightness.

All images lie in one study, a series each, and are opened one after the other as a reader does: from the strip.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import imagecodecs
import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut
from pydicom.sequence import Sequence

import make
from real_files import pydicom_file, real_files
from screen import DESKTOP, ScreenServer, watched

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

Array = np.ndarray[Any, Any]

ROWS, COLUMNS = 40, 56
STUDY = make.uid()

DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"
JPEG_XL = "1.2.840.10008.1.2.4.110"


class Case:
    """One image: its file, what every pixel is, how much may differ."""

    def __init__(self, ds: Dataset, truth: Array, *, syntax: str = make.EXPLICIT_LE, differs: float = 0) -> None:
        self.ds, self.truth, self.syntax, self.differs = ds, truth, syntax, differs


def hounsfield() -> Array:
    """Stored values of a CT: smooth, noisy and at both ends of 12 bits, so that no codec has it easy."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    values = 1024 + 600 * np.sin(x / 7) * np.cos(y / 5) + rng.integers(-40, 40, (ROWS, COLUMNS))
    values[0, :8] = [0, 4095, 1, 4094, 0, 4095, 2048, 2047]
    return values.clip(0, 4095).astype(np.uint16)


def colours() -> Array:
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    rng = np.random.default_rng(8)
    rgb = np.stack([x * 4, y * 6, 255 - (x + y) * 2], axis=-1) + rng.integers(0, 8, (ROWS, COLUMNS, 3))
    rgb[0, 0], rgb[0, 1], rgb[0, 2] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    return rgb.clip(0, 255).astype(np.uint8)


def grey(values: Array | None = None, **overrides: Any) -> Dataset:
    """A CT slice of 12 stored bits whose modality values begin at -1024 HU."""
    stored = hounsfield() if values is None else values
    return make.ct_slice(
        ROWS,
        COLUMNS,
        **{
            "PixelData": stored.tobytes(),
            "BitsAllocated": stored.itemsize * 8,
            "BitsStored": 12 if stored.itemsize == 2 else 8,
            "HighBit": 11 if stored.itemsize == 2 else 7,
            "PixelRepresentation": 0,
            "RescaleIntercept": "-1024",
            "RescaleSlope": "1",
            "WindowCenter": "40",
            "WindowWidth": "400",
            **overrides,
        },
    )


def colour(pixels: Array | bytes, interpretation: str = "RGB", **overrides: Any) -> Dataset:
    data = pixels if isinstance(pixels, bytes) else pixels.tobytes()
    return make.color(1, ROWS, COLUMNS, PixelData=data, PhotometricInterpretation=interpretation, **overrides)


def compressed(ds: Dataset, frame: bytes) -> Dataset:
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


HU = hounsfield().astype(np.float64) - 1024
RGB = colours()
PLANES = np.moveaxis(RGB, -1, 0).copy()


def ybr_full(rgb: Array) -> Array:
    """PS3.3 C.7.6.3.1.2, rounded as a scanner would."""
    r, g, b = (rgb[..., channel].astype(np.float64) for channel in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    cb = -0.168736 * r - 0.331264 * g + 0.5 * b + 128
    cr = 0.5 * r - 0.418688 * g - 0.081312 * b + 128
    return np.stack([y, cb, cr], axis=-1).round().clip(0, 255).astype(np.uint8)


def ybr_422() -> tuple[bytes, Array]:
    """Native YBR_FULL_422, and the colours it means: each pair of pixels shares its Cb and Cr."""
    ybr = ybr_full(RGB)
    shared = ybr.copy()
    shared[:, 1::2, 1:] = ybr[:, 0::2, 1:]
    packed = np.stack([ybr[:, 0::2, 0], ybr[:, 1::2, 0], ybr[:, 0::2, 1], ybr[:, 0::2, 2]], axis=-1)
    y, cb, cr = (shared[..., channel].astype(np.float64) for channel in range(3))
    rgb = np.stack([y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)])
    return packed.tobytes(), np.moveaxis(rgb, 0, -1).round().clip(0, 255)


def palette(bits: int) -> Case:
    index = (hounsfield() % 200).astype(np.uint8)
    table = np.arange(200, dtype=np.uint16) * (257 if bits == 16 else 1)
    tables = [table, table[::-1].copy(), (table * 3) & (0xFFFF if bits == 16 else 0xFF)]
    ds = grey(index, PhotometricInterpretation="PALETTE COLOR", RescaleIntercept=None, RescaleSlope=None)
    for name, entries in zip(("Red", "Green", "Blue"), tables, strict=True):
        data = entries.astype(np.uint16 if bits == 16 else np.uint8).tobytes()
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [200, 0, bits])
        setattr(ds, f"{name}PaletteColorLookupTableData", data)
    shown = np.stack([entries[index] >> (8 if bits == 16 else 0) for entries in tables], axis=-1)
    return Case(ds, shown)


def real(name: str, *, differs: float = 0) -> Case:
    path = next((path for path in real_files() if path.name == name), None) or pydicom_file(name)
    ds = dcmread(path)
    pixels = ds.pixel_array
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        rgb = apply_color_lut(pixels, ds)
        truth = rgb >> 8 if rgb.dtype.itemsize == 2 else rgb
    else:
        truth = pixels if ds.SamplesPerPixel == 3 else apply_modality_lut(pixels, ds)
    return Case(ds, truth[0] if int(ds.get("NumberOfFrames", 1)) > 1 else truth, syntax="", differs=differs)


def with_overlay_in_high_bits() -> Case:
    """Retired, but archives are full of it: an overlay lives in the bits above the stored ones."""
    stored = hounsfield() | (np.arange(COLUMNS, dtype=np.uint16) % 2 << 15)[None, :]
    return Case(grey(stored), HU)


def signed_low_bits() -> Case:
    """Signed values of 12 bits: the sign is bit 11, and the bits above it are not its copies."""
    stored = ((hounsfield().astype(np.int32) - 1024) & 0xFFF).astype(np.uint16)
    truth = np.where(stored >= 2048, stored.astype(np.int32) - 4096, stored)
    return Case(grey(stored, PixelRepresentation=1, RescaleIntercept="0"), truth)


def binary() -> Case:
    bits = (hounsfield() & 1).astype(np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    packed += b"\0" * (len(packed) % 2)
    ds = grey(
        bits, BitsAllocated=1, BitsStored=1, HighBit=0, RescaleIntercept=None, RescaleSlope=None, PixelData=packed
    )
    return Case(ds, bits)


def modality_table() -> Case:
    stored = hounsfield()
    entries = (np.arange(4096, dtype=np.uint32) ** 2 >> 10).clip(0, 4095).astype(np.uint16)
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.ModalityLUTType = "US"
    item.add_new(0x00283006, "OW", entries.tobytes())
    ds = grey(stored, RescaleIntercept=None, RescaleSlope=None, ModalityLUTSequence=Sequence([item]))
    return Case(ds, entries[stored])


def jpeg_baseline_grey() -> Case:
    eight = (hounsfield() >> 4).astype(np.uint8)
    frame = imagecodecs.jpeg8_encode(eight, level=95)
    ds = compressed(grey(eight, RescaleIntercept=None, RescaleSlope=None), frame)
    return Case(ds, imagecodecs.jpeg8_decode(frame), syntax=JPEG_BASELINE, differs=2)


def jpeg_baseline(interpretation: str) -> Case:
    """The same pixels as YCbCr, and as RGB that no marker names as such: a decoder left alone takes it for YCbCr."""
    is_ybr = interpretation != "RGB"
    frame = imagecodecs.jpeg8_encode(
        RGB, level=97, colorspace="RGB", outcolorspace="YCBCR" if is_ybr else "RGB", subsampling="444"
    )
    if not is_ybr:
        at = frame.find(b"\xff\xee")
        if at >= 0:  # without Adobe's marker
            frame = frame[:at] + frame[at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big") :]
        frame = with_plain_component_ids(frame)
    ds = compressed(colour(RGB, interpretation), frame)
    return Case(ds, RGB, syntax=JPEG_BASELINE, differs=14)


def with_plain_component_ids(frame: bytes) -> bytes:
    """Component ids 1, 2, 3 in place of R, G, B, by which decoders would know."""
    changed = bytearray(frame)
    start = frame.find(b"\xff\xc0")
    for number in range(3):
        changed[start + 10 + number * 3] = number + 1
    scan = frame.find(b"\xff\xda")
    for number in range(3):
        changed[scan + 5 + number * 2] = number + 1
    return bytes(changed)


def jpeg_ls_near() -> Case:
    frame = imagecodecs.jpegls_encode(hounsfield(), level=2)
    return Case(compressed(grey(), frame), imagecodecs.jpegls_decode(frame).astype(float) - 1024, syntax=JPEG_LS_NEAR)


def native_422() -> Case:
    packed, rgb = ybr_422()
    return Case(colour(packed, "YBR_FULL_422"), rgb, differs=1)


def lossless(frame: Callable[[], bytes], syntax: str) -> Case:
    return Case(compressed(grey(), frame()), HU, syntax=syntax)


CASES: dict[str, Callable[[], Case]] = {
    "Implicit": lambda: Case(grey(), HU, syntax=make.IMPLICIT_LE),
    "Explicit": lambda: Case(grey(), HU),
    "Big endian": lambda: Case(grey(), HU, syntax=make.EXPLICIT_BE),
    "Deflated": lambda: Case(grey(), HU, syntax=DEFLATED),
    "RLE": lambda: Case(make.rle(grey()), HU, syntax=make.RLE),
    "RLE RGB": lambda: Case(make.rle(colour(RGB)), RGB, syntax=make.RLE),
    "JPEG lossless": lambda: lossless(lambda: imagecodecs.ljpeg_encode(hounsfield(), bitspersample=12), JPEG_LOSSLESS),
    "JPEG-LS": lambda: lossless(lambda: imagecodecs.jpegls_encode(hounsfield()), JPEG_LS),
    "JPEG-LS RGB": lambda: Case(compressed(colour(RGB), imagecodecs.jpegls_encode(RGB)), RGB, syntax=JPEG_LS),
    "JPEG-LS near": jpeg_ls_near,
    "JPEG 2000": lambda: lossless(
        lambda: imagecodecs.jpeg2k_encode(hounsfield(), level=0, codecformat="j2k", bitspersample=12), JPEG_2000
    ),
    "JPEG 2000 RCT": lambda: Case(
        compressed(colour(RGB, "YBR_RCT"), imagecodecs.jpeg2k_encode(RGB, level=0, codecformat="j2k", mct=True)),
        RGB,
        syntax=JPEG_2000,
    ),
    "HTJ2K": lambda: lossless(lambda: imagecodecs.htj2k_encode(hounsfield()), HTJ2K),
    "JPEG XL": lambda: lossless(lambda: imagecodecs.jpegxl_encode(hounsfield(), lossless=True), JPEG_XL),
    "JPEG baseline": jpeg_baseline_grey,
    "JPEG baseline YBR": lambda: jpeg_baseline("YBR_FULL"),
    "JPEG baseline RGB": lambda: jpeg_baseline("RGB"),
    "MONOCHROME1": lambda: Case(grey(PhotometricInterpretation="MONOCHROME1"), HU),
    "RGB": lambda: Case(colour(RGB), RGB),
    "RGB planes": lambda: Case(colour(PLANES, PlanarConfiguration=1), RGB),
    "YBR_FULL": lambda: Case(colour(ybr_full(RGB), "YBR_FULL"), RGB, differs=2),
    "YBR_FULL_422": native_422,
    "Palette of 8 bits": lambda: palette(8),
    "Palette of 16 bits": lambda: palette(16),
    "Overlay bits": with_overlay_in_high_bits,
    "Signed 12 bits": signed_low_bits,
    "Binary": binary,
    "Fractions": lambda: Case(grey(RescaleSlope="0.25", RescaleIntercept="-3.5"), hounsfield() * 0.25 - 3.5),
    "Modality LUT": modality_table,
    "Sign mismatch": lambda: real("J2K_pixelrep_mismatch.dcm"),
    "Real palette": lambda: real("examples_palette.dcm"),
    "Real YBR_FULL_422": lambda: real("SC_ybr_full_422_uncompressed.dcm", differs=2),
    "Real ICT": lambda: real("US1_J2KI.dcm", differs=2),
    "Real enhanced MR": lambda: real("emri_small.dcm"),
}


@functools.cache
def case_of(name: str) -> Case:
    """Encoded when first asked for, so that collecting tests costs nothing."""
    return CASES[name]()


VOI_SIZE = 64


def ramp(**overrides: Any) -> Dataset:
    """Every value from 0 to 4095, so large that a screen point is one of them."""
    values = np.arange(VOI_SIZE * VOI_SIZE, dtype=np.uint16)
    return make.ct_slice(
        VOI_SIZE,
        PixelData=values.tobytes(),
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
        RescaleIntercept="0",
        RescaleSlope="1",
        **overrides,
    )


def curve() -> Array:
    """A VOI LUT that no window can stand for: it falls again."""
    x = np.arange(4096)
    return (255 * np.abs(np.sin(x / 700))).round().astype(np.uint16)


def with_voi_table() -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 8]
    item.LUTExplanation = "CURVE"
    item.add_new(0x00283006, "OW", curve().tobytes())
    return ramp(VOILUTSequence=Sequence([item]), WindowCenter="2048", WindowWidth="4096")


def linear(value: float, center: float, width: float) -> float:
    """PS3.3 C.11.2.1.2.1."""
    return min(1.0, max(0.0, (value - (center - 0.5)) / (width - 1) + 0.5))


BRIGHTNESS: dict[str, tuple[Dataset, Callable[[float], float]]] = {
    "Linear": (ramp(WindowCenter="1500", WindowWidth="1000"), lambda v: linear(v, 1500, 1000)),
    "Exact": (
        ramp(WindowCenter="1500", WindowWidth="1000", VOILUTFunction="LINEAR_EXACT"),
        lambda v: min(1.0, max(0.0, (v - 1500) / 1000 + 0.5)),
    ),
    "Sigmoid": (
        ramp(WindowCenter="2048", WindowWidth="2000", VOILUTFunction="SIGMOID"),
        lambda v: 1 / (1 + math.exp(-4 * (v - 2048) / 2000)),
    ),
    "VOI LUT": (with_voi_table(), lambda v: float(curve()[int(v)]) / 255),
    "White is low": (
        ramp(WindowCenter="2048", WindowWidth="4096", PhotometricInterpretation="MONOCHROME1"),
        lambda v: 1 - linear(v, 2048, 4096),
    ),
}


def file_of(case: Case) -> bytes:
    if case.syntax == JPEG_XL:  # unknown to pydicom; its UID is as long as that of HTJ2K
        return make.part10(case.ds, HTJ2K).replace(HTJ2K.encode(), JPEG_XL.encode(), 1)
    if case.syntax:
        return make.part10(case.ds, case.syntax)
    return make.part10(case.ds, str(case.ds.file_meta.TransferSyntaxUID))


@pytest.fixture(scope="module")
def gallery(screen_server: ScreenServer, browser: Browser, admin_cookies: list[Any]) -> Iterator[Page]:
    """The viewer on a study with one series for each case. What the console complains of fails the module."""
    images = {name: case_of(name) for name in CASES}
    images |= {name: Case(ds, np.zeros(0)) for name, (ds, _) in BRIGHTNESS.items()}
    for number, (name, case) in enumerate(images.items(), 1):
        ds = case.ds
        ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (
            "PIXELS",
            STUDY,
            make.uid(),
            make.uid(),
        )
        ds.SeriesDescription, ds.SeriesNumber = name, number
        results = screen_server.call("POST", "/uploads?name=case.dcm", file_of(case))["results"]
        assert [result["outcome"] for result in results] == ["stored"], (name, results)
    context = browser.new_context(base_url=screen_server.url, viewport=DESKTOP, reduced_motion="reduce")
    context.add_cookies(admin_cookies)
    complaints: list[str] = []
    page = watched(context, complaints)
    page.goto(f"/viewer/{STUDY}")
    page.wait_for_function(f"() => window.__filmless?.viewer?.displaySets.length >= {len(images)}", timeout=60_000)
    yield page
    context.close()
    assert complaints == []


def open_series(page: Page, name: str) -> None:
    """Press the series in the strip and wait until its image is on the screen."""
    identity = page.evaluate(
        "name => window.__filmless.viewer.displaySets.find(set => set.description === name).id", name
    )
    page.locator(f"[data-display-set='{identity}']").click()
    page.wait_for_function(
        "id => { const v = window.__filmless.viewer.viewport('pane1');"
        " return v.displaySetId === id && (v.status === 'failed' || (v.status === 'ready' && v.values())); }",
        arg=identity,
        timeout=30_000,
    )
    assert page.evaluate("window.__filmless.viewer.viewport('pane1').status") == "ready", page.locator(
        "[role=alert]"
    ).inner_text()


@pytest.mark.parametrize("name", CASES)
def test_the_viewport_holds_the_values_of_the_file(gallery: Page, name: str) -> None:
    open_series(gallery, name)

    shown = np.array(gallery.evaluate("window.__filmless.viewer.viewport('pane1').values()"), np.float64)

    case = case_of(name)
    difference = np.abs(shown.reshape(case.truth.shape) - case.truth)
    assert difference.max() <= case.differs, (
        f"differs by {difference.max()} at {np.argwhere(difference > case.differs)[:5]}"
    )


@pytest.mark.parametrize("name", BRIGHTNESS)
def test_the_screen_is_as_bright_as_the_standard_says(gallery: Page, name: str) -> None:
    open_series(gallery, name)
    gallery.keyboard.press("0")
    gallery.wait_for_function(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    )

    points = [(column, row) for row in range(2, VOI_SIZE, 6) for column in range(4, VOI_SIZE, 11)]
    shown = gallery.evaluate(
        "points => { const v = window.__filmless.viewer.viewport('pane1');"
        " return points.map(point => v.screen(v.imageToCanvas(point))); }",
        points,
    )

    expected = BRIGHTNESS[name][1]
    for (column, row), (red, green, blue) in zip(points, shown, strict=True):
        assert red == green == blue
        assert abs(red - 255 * expected(row * VOI_SIZE + column)) <= 3, (column, row, red)
