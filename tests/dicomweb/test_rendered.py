"""PS3.18 8.3.5, 10.4.1.1.3, 10.4.1.1.4: pictures of anything that is stored."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from starlette.testclient import TestClient

import make
from answers import address, parts_of
from filmless.archive import Archive
from filmless.retrieve import thumbnails
from real_files import pydicom_file

Store = Callable[..., Dataset]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def image(rows: int = 32, columns: int = 48, **attributes: Any) -> Dataset:
    """A CT slice whose values are 0, 1, 2 ... and whose window shows 0 as black and 1535 as white."""
    ds = make.ct_slice(rows=rows, columns=columns, PixelRepresentation=0)
    ds.PixelData = np.arange(rows * columns, dtype=np.uint16).tobytes()
    ds.RescaleSlope, ds.RescaleIntercept = "1", "0"
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = str(rows * columns / 2), str(rows * columns), "LINEAR_EXACT"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def grey(client: TestClient, url: str, **parameters: str) -> np.ndarray[Any, Any]:
    response = client.get(url, params={"accept": "image/png", **parameters})
    assert response.status_code == 200, response.text
    return np.asarray(opened(response.content))


@pytest.mark.parametrize(("accept", "kind"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/gif", "GIF")])
def test_the_kind_of_picture_is_the_callers_choice(accept: str, kind: str, stored: Store, client: TestClient) -> None:
    ds = stored(image())
    for response in (
        client.get(address(ds) + "/rendered", headers={"accept": accept}),
        client.get(address(ds) + "/rendered", params={"accept": accept}),
    ):
        assert response.headers["content-type"] == accept
        assert opened(response.content).format == kind
        assert opened(response.content).size == (48, 32)


def test_without_a_wish_it_is_a_jpeg(stored: Store, client: TestClient) -> None:
    ds = stored(image())
    assert client.get(address(ds) + "/rendered").headers["content-type"] == "image/jpeg"


def test_what_cannot_be_made_is_not_acceptable(stored: Store, client: TestClient) -> None:
    ds = stored(image())
    assert client.get(address(ds) + "/rendered", headers={"accept": "video/mp4"}).status_code == 406


def test_the_window_of_the_data_set_counts(stored: Store, client: TestClient) -> None:
    shown = grey(client, address(stored(image())) + "/rendered")
    assert shown[0, 0] == 0
    assert shown[-1, -1] == 255
    assert abs(int(shown[16, 0]) - 128) <= 1


def test_monochrome1_is_shown_with_its_low_values_white(stored: Store, client: TestClient) -> None:
    shown = grey(client, address(stored(image(PhotometricInterpretation="MONOCHROME1"))) + "/rendered")
    assert (shown[0, 0], shown[-1, -1]) == (255, 0)


@pytest.mark.parametrize(
    ("window", "black", "white"),
    [("100,2,linear", 99, 101), ("100,2,linear-exact", 98, 102), ("100,1,sigmoid", 80, 120)],
)
def test_a_window_that_is_asked_for_wins(
    window: str, black: int, white: int, stored: Store, client: TestClient
) -> None:
    shown = grey(client, address(stored(image())) + "/rendered", window=window).reshape(-1)
    assert shown[black] == 0
    assert shown[white] == 255


def test_a_viewport_scales_and_cuts(stored: Store, client: TestClient) -> None:
    url = address(stored(image(PixelSpacing=["1", "1"]))) + "/rendered"
    assert grey(client, url, viewport="24,24").shape == (16, 24)
    assert grey(client, url, viewport="480,480").shape == (320, 480)
    whole = grey(client, url)
    assert np.array_equal(grey(client, url, viewport="10,10,4,6,10,10"), whole[6:16, 4:14])
    assert np.array_equal(grey(client, url, viewport="10,10,4,6,-10,10"), whole[6:16, 4:14][:, ::-1])


def test_pixels_that_are_not_square_are_shown_in_their_proportion(stored: Store, client: TestClient) -> None:
    url = address(stored(image(PixelSpacing=["2", "1"]))) + "/rendered"
    assert grey(client, url, viewport="64,64").shape == (64, 48)
    assert grey(client, url).shape == (32, 48)


def test_quality_is_obeyed(stored: Store, client: TestClient) -> None:
    url = address(stored(image(rows=128, columns=128))) + "/rendered"
    low, high = (len(client.get(f"{url}?quality={quality}").content) for quality in (5, 100))
    assert low < high


def test_a_multi_frame_instance_moves_as_gif_at_its_pace(stored: Store, client: TestClient) -> None:
    ds = make.multi_frame(frames=5, rows=8)
    ds.FrameTime = "40"
    stored(ds)
    movie = opened(client.get(address(ds) + "/rendered", headers={"accept": "image/gif"}).content)
    assert (movie.n_frames, movie.info["duration"]) == (5, 40)


def test_named_frames_come_as_gif_or_in_parts(stored: Store, client: TestClient) -> None:
    ds = stored(make.multi_frame(frames=5, rows=8))
    url = f"{address(ds)}/frames/4,2/rendered"
    assert opened(client.get(url, headers={"accept": "image/gif"}).content).n_frames == 2
    parts = parts_of(client.get(url, headers={"accept": 'multipart/related; type="image/png"'}))
    assert [opened(body).format for _, body in parts] == ["PNG", "PNG"]
    assert client.get(url, headers={"accept": "image/png"}).status_code == 406


def test_one_frame_is_the_one_that_was_named(stored: Store, client: TestClient) -> None:
    ds = make.multi_frame(frames=2, rows=4, WindowCenter=None, WindowWidth=None)
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelData = bytes(16) + b"\xff" * 16
    stored(ds)
    assert grey(client, f"{address(ds)}/frames/1/rendered").max() == 0
    assert grey(client, f"{address(ds)}/frames/2/rendered").min() == 255
    assert client.get(f"{address(ds)}/frames/3/rendered").status_code == 404


def test_colour_is_shown_as_colour(stored: Store, client: TestClient) -> None:
    ds = stored(make.color(rows=4))
    assert grey(client, address(ds) + "/rendered").tobytes() == ds.pixel_array.tobytes()


@pytest.mark.parametrize(
    "name",
    [
        "JPEG2000.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm",
        "SC_ybr_full_422_uncompressed.dcm", "examples_palette.dcm", "examples_ybr_color.dcm",
        "parametric_map_float.dcm", "liver_1frame.dcm", "MR_truncated.dcm", "SC_rgb_rle_32bit.dcm", "JPGExtended.dcm",
    ],
)  # fmt: skip
def test_real_files_of_every_kind_are_shown(name: str, stored: Store, client: TestClient) -> None:
    try:
        path = pydicom_file(name)
    except StopIteration:
        pytest.skip("not among pydicom's files")
    ds = stored(path.read_bytes())
    shown = opened(client.get(address(ds) + "/rendered").content)
    assert shown.size == (ds.Columns, ds.Rows)


def test_a_series_is_shown_by_its_middle_or_in_parts(stored: Store, client: TestClient) -> None:
    slices = [stored(ds) for ds in make.ct_series(5)]
    url = address(slices[0], "series") + "/rendered"
    assert opened(client.get(url, headers={"accept": "image/jpeg"}).content).format == "JPEG"
    parts = parts_of(client.get(url, headers={"accept": 'multipart/related; type="image/jpeg"'}))
    locations = [headers["content-location"].rpartition("/")[2] for headers, _ in parts]
    ordered = sorted(slices, key=lambda ds: int(ds.InstanceNumber))
    assert locations == [ds.SOPInstanceUID for ds in ordered]


# Thumbnails -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize("maker", [make.ct_slice, make.text_report, make.segmentation, make.color])
def test_everything_has_a_thumbnail(
    level: str, maker: Callable[[], Dataset], stored: Store, client: TestClient
) -> None:
    ds = stored(maker())
    response = client.get(address(ds, level) + "/thumbnail", params={"accept": "image/jpeg"})
    assert response.status_code == 200
    assert opened(response.content).format == "JPEG"


def test_a_thumbnail_fits_its_size_and_never_grows(stored: Store, client: TestClient) -> None:
    large, small = stored(image(rows=600, columns=300)), stored(image(rows=8, columns=8))
    assert opened(client.get(address(large) + "/thumbnail").content).size == (128, 256)
    assert opened(client.get(address(large) + "/thumbnail?viewport=64,64").content).size == (32, 64)
    assert opened(client.get(address(small) + "/thumbnail").content).size == (8, 8)


def test_the_thumbnail_of_a_study_is_an_image_if_it_has_one(stored: Store, client: TestClient) -> None:
    report = stored(make.text_report(SeriesNumber="0"))
    picture = image(rows=20, columns=40)
    picture.StudyInstanceUID, picture.PatientID = report.StudyInstanceUID, report.PatientID
    stored(picture)
    assert opened(client.get(address(report, "study") + "/thumbnail").content).size == (40, 20)


def test_a_frame_has_its_own_thumbnail(stored: Store, client: TestClient) -> None:
    ds = stored(make.multi_frame(frames=3, rows=8, WindowCenter="96", WindowWidth="192"))
    first, last = (client.get(f"{address(ds)}/frames/{number}/thumbnail").content for number in (1, 3))
    assert first != last
    assert client.get(f"{address(ds)}/frames/4/thumbnail").status_code == 404


def test_a_damaged_image_has_a_sheet_for_a_thumbnail(stored: Store, client: TestClient) -> None:
    ds = stored(make.encapsulated([b"\xff\xd8 not a JPEG"]), transfer_syntax=make.JPEG_BASELINE)
    assert client.get(address(ds) + "/thumbnail").status_code == 200


def test_a_thumbnail_is_drawn_once(
    stored: Store, archive: Archive, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = stored(image())
    drawn = client.get(address(ds) + "/thumbnail").content
    monkeypatch.setattr(thumbnails, "render_any", None)
    assert client.get(address(ds) + "/thumbnail").content == drawn


def test_thumbnails_are_kept_up_to_a_limit(tmp_path: Path) -> None:
    cache = thumbnails._Cache(tmp_path, 10_000)
    for number in range(40):
        cache.keep(f"{number:02d}-name.jpeg", bytes(1000))
    kept = list(tmp_path.rglob("*.jpeg"))
    assert sum(path.stat().st_size for path in kept) <= 10_000
    assert cache.find("39-name.jpeg") == bytes(1000)
    assert cache.find("00-name.jpeg") is None


def test_a_thumbnail_that_is_known_is_not_sent_again(stored: Store, client: TestClient) -> None:
    url = address(stored(image())) + "/thumbnail"
    etag = client.get(url).headers["etag"]
    assert client.get(url, headers={"if-none-match": etag}).status_code == 304
