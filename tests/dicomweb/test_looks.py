"""PS3.18 8.3.5.1: the parameters of pictures, their bad values, colour profiles, and words that are burned in."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from pydicom import Dataset
from pydicom.sequence import Sequence
from starlette.testclient import TestClient

import make
from answers import address, parts_of
from filmless.dicom.colour import known_profile, with_profile
from make import color, ct_slice, multi_frame

pytestmark = pytest.mark.embedded  # what is drawn does not depend on where it is kept

Store = Callable[..., Dataset]
Array = np.ndarray[Any, Any]

BAD = [
    "window=", "window=1", "window=1,2", "window=,2,linear", "window=1,,linear", "window=a,b,linear",
    "window=1,0,linear", "window=1,0.5,linear", "window=1,0,sigmoid", "window=1,-2,linear-exact", "window=1,2,cubic",
    "window=nan,2,linear", "window=1,inf,linear", "window=1,2,linear,3",
    "viewport=", "viewport=10", "viewport=,10", "viewport=0,10", "viewport=-5,10", "viewport=1.5,10",
    "viewport=1e2,10", "viewport=99999,10", "viewport=10,10,x", "viewport=10,10,-1,0,5,5",
    "viewport=10,10,900,900,5,5", "viewport=1,2,3,4,5,6,7",
    "quality=", "quality=0", "quality=101", "quality=x", "quality=50.5", "quality=-1",
    "annotation=", "annotation=,", "annotation=pa%20tient", "annotation=patient,%22",
    "iccprofile=", "iccprofile=SRGB", "iccprofile=display-p3", "iccprofile=no,yes",
]  # fmt: skip


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def png(client: TestClient, url: str, **parameters: str) -> Image.Image:
    response = client.get(url, params={"accept": "image/png", **parameters})
    assert response.status_code == 200, response.text
    return opened(response.content)


@pytest.mark.parametrize("query", BAD)
def test_parameters_that_are_none_are_refused(query: str, stored: Store, client: TestClient) -> None:
    ds = stored(ct_slice(rows=32))
    for level in ("instance", "series", "study"):
        response = client.get(f"{address(ds, level)}/rendered?{query}", headers={"accept": "image/jpeg"})
        assert response.status_code == 400, response.text
        assert response.headers["content-type"] == "application/problem+json"
        assert query.partition("=")[0] in response.json()["detail"]
    assert client.get(f"{address(ds)}/frames/1/rendered?{query}").status_code == 400


@pytest.mark.parametrize("level", ["study", "series", "instance", "frame"])
@pytest.mark.parametrize("viewport", ["", "10", "10,0", "x,10", "10,10,0,0,5,5", "10,10,,", "99999,10"])
def test_a_thumbnail_has_a_size_and_no_region(viewport: str, level: str, stored: Store, client: TestClient) -> None:
    ds = stored(ct_slice(rows=32))
    base = f"{address(ds)}/frames/1" if level == "frame" else address(ds, level)
    assert client.get(f"{base}/thumbnail?viewport={viewport}").status_code == 400
    assert opened(client.get(f"{base}/thumbnail?viewport=16,20").content).size == (16, 16)


@pytest.mark.parametrize("level", ["study", "series", "instance", "frame"])
def test_window_viewport_and_quality_count_at_every_level(level: str, stored: Store, client: TestClient) -> None:
    ds = ct_slice(rows=64, PixelRepresentation=0, RescaleSlope="1", RescaleIntercept="0")
    ds.PixelData = np.arange(64 * 64, dtype=np.uint16).tobytes()
    stored(ds)
    base = f"{address(ds)}/frames/1" if level == "frame" else address(ds, level)
    narrow = np.asarray(png(client, f"{base}/rendered", window="100,2,linear-exact", viewport="32,32,0,0,32,32"))
    assert narrow.shape == (32, 32)
    assert (narrow[0] == 0).all() and (narrow[2] == 255).all()
    sizes = [
        len(client.get(f"{base}/rendered?quality={quality}", headers={"accept": "image/jpeg"}).content)
        for quality in (5, 100)
    ]
    assert sizes[0] < sizes[1]


def test_parts_that_are_left_out_of_a_viewport_are_the_whole(stored: Store, client: TestClient) -> None:
    url = address(stored(ct_slice(rows=32))) + "/rendered"
    assert png(client, url, viewport="8,8,,,16,16").tobytes() == png(client, url, viewport="8,8,0,0,16,16").tobytes()


# Colour ---------------------------------------------------------------------------------------------------------------


def patches(**attributes: Any) -> Dataset:
    """Red, green, blue and grey squares."""
    squares = np.repeat(np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [119, 119, 119]], np.uint8), 16, axis=0)
    pixels = np.tile(squares[:, None], (1, 64, 1))
    return color(1, 64, PixelData=pixels.tobytes(), **attributes)


def squares_of(picture: Image.Image) -> list[tuple[int, ...]]:
    shown = np.asarray(picture)
    return [tuple(int(value) for value in shown[row, 32]) for row in (8, 24, 40, 56)]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("srgb", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (119, 119, 119)]),
        # Published values of the primaries of sRGB in the two wider spaces.
        ("adobergb", [(219, 0, 0), (144, 255, 60), (0, 0, 250), (119, 119, 119)]),
        ("rommrgb", [(179, 70, 26), (138, 237, 78), (86, 35, 236), (100, 100, 100)]),
    ],
)
@pytest.mark.parametrize("accept", ["image/png", "image/jpeg"])
def test_a_picture_is_put_into_the_space_asked_for_and_says_so(
    accept: str, space: str, expected: list[tuple[int, ...]], stored: Store, client: TestClient
) -> None:
    url = address(stored(patches())) + "/rendered"
    picture = opened(client.get(url, params={"accept": accept, "iccprofile": space, "quality": "100"}).content)
    assert picture.info["icc_profile"] == known_profile(space)
    for found, wanted in zip(squares_of(picture), expected, strict=True):
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 3, (found, wanted)


def test_the_profile_of_the_data_set_says_what_its_colours_mean(stored: Store, client: TestClient) -> None:
    ds = stored(patches(ICCProfile=known_profile("adobergb")))
    url = address(ds) + "/rendered"
    kept = png(client, url, iccprofile="yes")
    assert kept.info["icc_profile"] == known_profile("adobergb")
    assert kept.tobytes() == ds.PixelData
    changed = png(client, url, iccprofile="srgb")
    assert changed.info["icc_profile"] == known_profile("srgb")
    assert squares_of(changed)[0] == (255, 0, 0)  # beyond sRGB: its edge
    assert np.asarray(changed).tobytes() != ds.PixelData or squares_of(changed)[3] == (119, 119, 119)
    back = ImageCms.profileToProfile(
        png(client, url, iccprofile="adobergb"), io.BytesIO(known_profile("adobergb")), ImageCms.createProfile("sRGB")
    )
    assert max(abs(a - b) for a, b in zip(squares_of(back)[3], squares_of(changed)[3], strict=True)) <= 1


def test_each_optical_path_has_its_profile(stored: Store, client: TestClient) -> None:
    ds = color(2, 8)
    paths = []
    for name, space in (("1", "rommrgb"), ("2", "adobergb")):
        path = Dataset()
        path.OpticalPathIdentifier, path.ICCProfile = name, known_profile(space)
        paths.append(path)
    ds.OpticalPathSequence = Sequence(paths)
    groups = []
    for name in ("2", "1"):
        path, group = Dataset(), Dataset()
        path.OpticalPathIdentifier = name
        group.OpticalPathIdentificationSequence = Sequence([path])
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    stored(ds)
    found = [
        png(client, f"{address(ds)}/frames/{number}/rendered", iccprofile="yes").info["icc_profile"]
        for number in (1, 2)
    ]
    assert found == [known_profile("adobergb"), known_profile("rommrgb")]


def test_the_profile_within_a_stored_jpeg_counts_when_the_data_set_has_none(stored: Store, client: TestClient) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(buffer, "JPEG", icc_profile=known_profile("rommrgb"))
    ds = make.encapsulated([buffer.getvalue()])
    ds.Rows = ds.Columns = 16
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "YBR_FULL_422", 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    stored(ds, transfer_syntax=make.JPEG_BASELINE)
    picture = png(client, address(ds) + "/rendered", iccprofile="yes")
    assert picture.info["icc_profile"] == known_profile("rommrgb")


def test_without_the_parameter_or_with_no_there_is_no_profile(stored: Store, client: TestClient) -> None:
    ds = stored(patches(ICCProfile=known_profile("adobergb")))
    for parameters in ({}, {"iccprofile": "no"}):
        picture = png(client, address(ds) + "/rendered", **parameters)
        assert "icc_profile" not in picture.info
        assert picture.tobytes() == ds.PixelData


def test_grey_is_that_of_srgb(stored: Store, client: TestClient) -> None:
    url = address(stored(ct_slice(rows=32))) + "/rendered"
    grey, picture = png(client, url), png(client, url, iccprofile="srgb")
    assert picture.info["icc_profile"] == known_profile("srgb")
    assert np.array_equal(np.asarray(picture), np.repeat(np.asarray(grey)[..., None], 3, axis=2))


@pytest.mark.parametrize("profile", [b"nonsense" * 20, "grey"])
def test_a_profile_that_cannot_be_used_is_said(profile: bytes | str, stored: Store, client: TestClient) -> None:
    if profile == "grey":
        import imagecodecs

        profile = bytes(imagecodecs.cms_profile("gray", gamma=2.2))
    assert isinstance(profile, bytes)
    url = address(stored(patches(ICCProfile=profile))) + "/rendered"
    answer = client.get(url, params={"accept": "image/png", "iccprofile": "srgb"})
    assert answer.status_code == 406
    assert "ICC profile" in answer.json()["detail"]
    assert client.get(url).status_code == 200


@pytest.mark.parametrize("kind", ["image/gif", "video/mp4"])
def test_what_holds_no_profile_is_refused_one(kind: str, stored: Store, client: TestClient) -> None:
    url = address(stored(multi_frame(3, 8))) + "/rendered"
    assert client.get(url, params={"accept": kind, "iccprofile": "yes"}).status_code == 400
    assert client.get(url, params={"accept": "image/gif", "iccprofile": "no"}).status_code == 200


def test_a_long_profile_lies_in_a_jpeg_in_several_pieces() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, "JPEG")
    profile = np.random.default_rng(1).bytes(150_000)
    assert opened(with_profile(buffer.getvalue(), profile)).info["icc_profile"] == profile


# Annotation -----------------------------------------------------------------------------------------------------------


def dark(rows: int = 256, **attributes: Any) -> Dataset:
    """A black image of a patient with a name."""
    return ct_slice(rows, PixelData=bytes(rows * rows * 2), PatientName="Müller^Zoë", PatientID="4711", **attributes)


def marks(client: TestClient, url: str, **parameters: str) -> Array:
    return np.asarray(png(client, url, window="0,100,linear", **parameters)) > 128


def test_words_are_burned_in_only_when_asked_for(stored: Store, client: TestClient) -> None:
    url = address(stored(dark(WindowCenter="5000", WindowWidth="100", RescaleIntercept="0"))) + "/rendered"
    plain = np.asarray(png(client, url))
    patient = np.asarray(png(client, url, annotation="patient"))
    technique = np.asarray(png(client, url, annotation="technique"))
    both = np.asarray(png(client, url, annotation="technique,patient"))
    assert not plain.any()
    assert patient[:128].max() == 255 and not patient[160:].any()
    assert technique[128:].max() == 255 and not technique[:96].any()
    assert np.array_equal(both, np.maximum(patient, technique))


@pytest.mark.parametrize("attribute", [{"PatientName": "Other^Name"}, {"PatientID": "4712"}])
def test_the_words_are_those_of_the_data_set(attribute: dict[str, str], stored: Store, client: TestClient) -> None:
    one, other = stored(dark()), dark()
    for keyword, value in attribute.items():
        setattr(other, keyword, value)
    stored(other)
    pictures = [png(client, address(ds) + "/rendered", annotation="patient").tobytes() for ds in (one, other)]
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize("side", [64, 128, 512, 2000])
def test_words_fit_and_are_large_enough_at_any_size(side: int, stored: Store, client: TestClient) -> None:
    url = address(stored(dark(64, WindowCenter="5000", WindowWidth="100"))) + "/rendered"
    shown = np.asarray(png(client, url, annotation="patient", viewport=f"{side},{side}")) > 100
    columns = np.flatnonzero(shown.any(axis=0))
    lines = np.flatnonzero(np.diff(np.concatenate([[0], shown.any(axis=1), [0]])))
    heights = lines[1::2] - lines[::2]
    assert columns[-1] < side - 1  # nothing is cut off at the right
    assert heights.max() >= max(6, side / 60)
    assert shown[-1].sum() == 0


def test_words_come_after_the_viewport_and_are_in_colour_pictures_too(stored: Store, client: TestClient) -> None:
    url = address(stored(patches())) + "/rendered"
    shown = np.asarray(png(client, url, annotation="patient", viewport="256,256"))
    plain = np.asarray(png(client, url, viewport="256,256"))
    changed = (shown != plain).any(axis=2)
    assert changed[:128].any() and not changed[140:].any()
    assert (shown[changed].min(axis=-1) > 240).any()


def test_each_frame_and_each_picture_of_a_film_has_its_words(stored: Store, client: TestClient) -> None:
    ds = multi_frame(3, 128, PixelData=bytes(3 * 128 * 128 * 2), WindowCenter="5000", WindowWidth="10")
    stored(ds)
    base = f"{address(ds)}/frames"
    first, second = (png(client, f"{base}/{n}/rendered", annotation="technique").tobytes() for n in (1, 2))
    assert first != second  # "Fr 1/3", "Fr 2/3"
    film = opened(client.get(address(ds) + "/rendered?annotation=patient", headers={"accept": "image/gif"}).content)
    for number in range(film.n_frames):
        film.seek(number)
        assert np.asarray(film.convert("L")).max() == 255
    several = {"accept": "multipart/related; type=image/png"}
    parts = parts_of(client.get(f"{base}/1,2/rendered?annotation=patient", headers=several))
    assert all(np.asarray(opened(body)).max() == 255 for _, body in parts)


def test_keywords_that_are_not_known_are_named_and_ignored(stored: Store, client: TestClient) -> None:
    url = address(stored(dark())) + "/rendered"
    answer = client.get(url, params={"annotation": "patient,physician", "accept": "image/png"})
    assert answer.status_code == 200
    assert answer.headers["warning"] == ('299 filmless "The following annotation values are not supported: physician"')
    assert answer.content == client.get(url, params={"annotation": "patient", "accept": "image/png"}).content
    assert "warning" not in client.get(url, params={"annotation": "patient"}).headers


@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO 2022 IR 87"])
def test_the_ideographic_name_is_burned_in_beside_the_alphabetic(
    charset: str, stored: Store, client: TestClient
) -> None:
    def image(name: str) -> Dataset:
        ds = dark(SpecificCharacterSet=["", charset] if " 2022 " in charset else charset)
        ds.PatientName = name
        return stored(ds)

    names = ("Yamada^Tarou", "Yamada^Tarou=山田^太郎", "Yamada^Tarou=山本^太郎")
    latin, both, other = (
        marks(client, address(image(name)) + "/rendered", annotation="patient")[:20] for name in names
    )
    assert np.array_equal(latin & both, latin)
    assert (both != latin).any() and (both != other).any()
