"""PS3.18 8.7.4, table 8.7.4-1, categories Multi-frame Image and Video: what moves."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from starlette.testclient import TestClient

import make
import moving
from answers import address
from filmless.archive import Archive
from filmless.retrieve import cine

Store = Callable[..., Dataset]
MP4 = {"accept": "video/mp4"}


def cine_loop(frames: int = 5, rows: int = 16, **attributes: Any) -> Dataset:
    """A grey multi-frame image whose frames are 0, 50, 100 ... all over."""
    ds = make.multi_frame(frames=frames, rows=rows, WindowCenter=None, WindowWidth=None)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData = b"".join(bytes([50 * number % 256]) * rows * ds.Columns for number in range(frames))
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


# As stored ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "codec", "syntax", "media_type"),
    [
        ("mp4", "libx264", moving.H264, "video/mp4"),
        ("mpegts", "libx264", moving.H264, "video/mp2t"),
        ("h264", "libx264", moving.H264, "video/H264"),
        ("mp4", "libx265", moving.H265, "video/mp4"),
        ("hevc", "libx265", moving.H265, "video/H265"),
        ("mpeg", "mpeg2video", moving.MPEG2, "video/mpeg"),
        ("mpeg2video", "mpeg2video", moving.MPEG2, "video/mpeg"),
        ("mpegts", "mpeg2video", moving.MPEG2, "video/mp2t"),
    ],
)
def test_a_video_is_given_as_it_is_and_called_what_it_is(
    container: str, codec: str, syntax: str, media_type: str, stored: Store, client: TestClient
) -> None:
    stream = moving.video(container, codec)
    url = address(stored(moving.instance(stream), transfer_syntax=syntax)) + "/rendered"
    for accept in ("*/*", "video/*", media_type, "text/html,*/*;q=0.8"):
        answer = client.get(url, headers={"accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert answer.content[: len(stream)] == stream
        assert len(answer.content) - len(stream) == len(stream) % 2


def test_a_video_is_given_in_ranges_across_its_fragments(stored: Store, client: TestClient) -> None:
    stream = moving.video()
    ds = stored(moving.instance(stream, fragments=5), transfer_syntax=f"{moving.H264}.1")
    url = address(ds) + "/rendered"
    whole = client.get(url)
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.content[: len(stream)] == stream
    for start, stop in (
        (0, 1),
        (1, len(stream) - 1),
        (len(stream) // 5 - 3, len(stream) // 5 * 4),
        (len(stream) - 2, len(stream)),
    ):
        part = client.get(url, headers={"range": f"bytes={start}-{stop - 1}"})
        assert (part.status_code, part.content) == (206, stream[start:stop])
    assert client.get(url, headers={"range": f"bytes={len(stream) + 9}-"}).status_code == 416


def test_a_browser_that_has_the_video_is_told_so(stored: Store, client: TestClient) -> None:
    url = address(stored(moving.instance(moving.video()), transfer_syntax=moving.H264)) + "/rendered"
    etag = client.get(url).headers["etag"]
    assert client.get(url, headers={"if-none-match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("container", "accept"), [("mp4", "image/jpeg"), ("mpegts", "video/mp4"), ("mp4", "video/mpeg")]
)
def test_a_video_in_another_form_is_406_and_says_which_it_has(
    container: str, accept: str, stored: Store, client: TestClient
) -> None:
    ds = stored(moving.instance(moving.video(container)), transfer_syntax=moving.H264)
    answer = client.get(address(ds) + "/rendered", headers={"accept": accept})
    assert answer.status_code == 406
    assert {"mp4": "video/mp4", "mpegts": "video/mp2t"}[container] in answer.json()["detail"]


def test_a_video_of_nothing_is_not_found(stored: Store, client: TestClient) -> None:
    ds = moving.instance(b"\0\0")
    ds.PixelData = bytes.fromhex("feff00e000000000 feffdde000000000")
    answer = client.get(address(stored(ds, transfer_syntax=moving.H264)) + "/rendered")
    assert answer.status_code in {404, 406}


# Made of frames -------------------------------------------------------------------------------------------------------


def test_frames_become_a_video_that_shows_them_at_their_pace(stored: Store, client: TestClient) -> None:
    ds = stored(cine_loop(FrameTime="40"))
    answer = client.get(address(ds) + "/rendered", headers=MP4)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    shown = moving.frames_of(answer.content)
    assert [second for second, _ in shown] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    for number, (_, pixels) in enumerate(shown):
        assert np.abs(pixels.astype(int) - 50 * number).max() <= 3


def test_colour_stays_colour_in_a_video(stored: Store, client: TestClient) -> None:
    ds = make.color(frames=3, rows=32)
    ds.PixelData = bytes([200, 40, 90]) * (3 * 32 * 32)
    shown = moving.frames_of(client.get(address(stored(ds)) + "/rendered", headers=MP4).content)
    assert np.abs(shown[1][1].astype(int) - [200, 40, 90]).max() <= 6


def test_named_frames_and_a_viewport_make_their_own_video(stored: Store, client: TestClient) -> None:
    ds = stored(cine_loop(rows=15))
    url = address(ds)
    chosen = moving.frames_of(client.get(f"{url}/frames/4,2/rendered", headers=MP4).content)
    assert [round(float(pixels.mean()) / 50) for _, pixels in chosen] == [3, 1]
    assert chosen[0][1].shape[:2] == (16, 16)  # an odd side is made even
    large = moving.frames_of(client.get(f"{url}/rendered?viewport=48,48", headers=MP4).content)
    assert large[0][1].shape[:2] == (48, 48)


def test_a_video_of_frames_is_given_in_ranges_and_made_once(
    stored: Store, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = address(stored(cine_loop())) + "/rendered"
    whole = client.get(url, headers=MP4).content
    monkeypatch.setattr(cine, "_film", None)
    part = client.get(url, headers={**MP4, "range": "bytes=4-7"})
    assert (part.status_code, part.content, whole[4:8]) == (206, b"ftyp", b"ftyp")
    assert whole.index(b"moov") < whole.index(b"mdat")  # it plays before all of it is there


def test_without_the_encoder_a_video_is_406_and_says_what_to_install(
    stored: Store, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "av" else find(name, *rest))
    answer = client.get(address(stored(cine_loop())) + "/rendered", headers=MP4)
    assert answer.status_code == 406
    assert "filmless[video]" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("limits", "path", "status", "words"),
    [
        ({"cine_frames_max": 4}, "/rendered", 400, "5 frames in one picture; 4 are allowed"),
        ({"cine_frames_max": 2}, "/frames/1,2,3/rendered", 400, "3 frames in one picture; 2 are allowed"),
        ({"cine_side_max": 32}, "/rendered?viewport=64,64", 400, "up to 32 x 32"),
        ({"cine_bytes_max": 100}, "/rendered", 406, "passes 100 bytes"),
    ],
)
def test_a_video_stays_within_its_limits(
    limits: dict[str, int], path: str, status: int, words: str, stored: Store, client: TestClient, archive: Archive
) -> None:
    archive.settings = archive.settings.model_copy(update=limits)
    answer = client.get(address(stored(cine_loop())) + path, headers=MP4)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True)
    assert list((archive.settings.data / "spool").glob("*.mp4")) == []


def test_large_frames_are_made_to_fit(stored: Store, client: TestClient, archive: Archive) -> None:
    archive.settings = archive.settings.model_copy(update={"cine_side_max": 32})
    shown = moving.frames_of(client.get(address(stored(cine_loop(rows=64))) + "/rendered", headers=MP4).content)
    assert shown[0][1].shape[:2] == (32, 32)


# The pace (PS3.3 C.7.6.5) ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "durations"),
    [
        ({"FrameTime": "40"}, [40, 40, 40]),
        ({"FrameTimeVector": ["0", "100", "300"], "FrameIncrementPointer": 0x00181065}, [100, 300, 200]),
        (
            {"FrameTimeVector": ["0", "100", "300"], "FrameTime": "40", "FrameIncrementPointer": 0x00181063},
            [40, 40, 40],
        ),
        ({"RecommendedDisplayFrameRate": "20"}, [50, 50, 50]),
        ({"CineRate": "4"}, [250, 250, 250]),
        ({"FrameTime": "-1", "CineRate": "0"}, [100, 100, 100]),
        ({"FrameTimeVector": ["0", "0", "0"], "FrameIncrementPointer": 0x00181065}, [100, 100, 100]),
    ],
)
def test_the_pace_is_that_of_the_data_set(
    attributes: dict[str, Any], durations: list[int], stored: Store, client: TestClient
) -> None:
    ds = cine_loop(frames=3)
    for keyword in ("FrameTime", "FrameIncrementPointer"):
        if keyword in ds:
            delattr(ds, keyword)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    movie = Image.open(
        io.BytesIO(client.get(address(stored(ds)) + "/rendered", headers={"accept": "image/gif"}).content)
    )
    found = []
    for number in range(movie.n_frames):
        movie.seek(number)
        found.append(movie.info["duration"])
    assert found == durations
