"""WADO-URI (PS3.18 9): what old viewers send, and what they are told when it cannot be had."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from starlette.testclient import TestClient

import make
import presenting
from answers import Mounted
from callers import principal_of
from filmless.archive import Archive

Store = Callable[..., Dataset]


def wado(client: TestClient, ds: Dataset, **parameters: Any) -> Any:
    uids = {"studyUID": ds.StudyInstanceUID, "seriesUID": ds.SeriesInstanceUID, "objectUID": ds.SOPInstanceUID}
    return client.get("/dicomweb/wado", params={"requestType": "WADO", **uids, **parameters})


def picture(answer: Any) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def test_without_a_content_type_one_picture_is_jpeg_and_all_else_the_instance(
    client: TestClient, stored: Store
) -> None:
    assert picture(wado(client, stored(make.ct_slice(rows=32)))).format == "JPEG"
    report = wado(client, stored(make.text_report()))
    assert report.headers["content-type"].startswith("application/dicom")


@pytest.mark.parametrize(("kind", "name"), [("image/png", "PNG"), ("image/gif", "GIF"), ("image/jpeg", "JPEG")])
def test_the_kind_of_picture_is_the_callers_choice(client: TestClient, stored: Store, kind: str, name: str) -> None:
    answer = wado(client, stored(make.ct_slice(rows=32)), contentType=kind, charset="UTF-8", annotation="patient")
    assert (answer.headers["content-type"], picture(answer).format) == (kind, name)


def test_the_first_of_a_list_that_can_be_had_is_given(client: TestClient, stored: Store) -> None:
    ds = stored(make.ct_slice(rows=32))
    assert picture(wado(client, ds, contentType="image/jp2;level=1,image/png;q=0.5")).format == "PNG"


def test_the_instance_comes_in_the_transfer_syntax_asked_for(client: TestClient, stored: Store) -> None:
    ds = stored(make.ct_slice(rows=16))
    answer = wado(client, ds, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.80")
    assert dcmread(io.BytesIO(answer.content)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"
    plain = dcmread(io.BytesIO(wado(client, ds, contentType="application/dicom").content))
    assert plain.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert plain.PixelData == ds.PixelData
    bad = wado(client, ds, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.100")
    assert bad.status_code == 406


def test_size_and_region_are_obeyed(client: TestClient, stored: Store) -> None:
    ds = stored(make.ct_slice(rows=64))
    assert picture(wado(client, ds, rows=20, columns=30)).size == (20, 20)
    whole = np.asarray(picture(wado(client, ds, contentType="image/png")))
    part = np.asarray(picture(wado(client, ds, contentType="image/png", region="0.5,0.25,1,0.75")))
    assert np.array_equal(part, whole[16:48, 32:64])


def test_the_window_is_obeyed(client: TestClient, stored: Store) -> None:
    ds = stored(make.ct_slice(rows=16))
    black = np.asarray(picture(wado(client, ds, contentType="image/png", windowCenter=30000, windowWidth=1)))
    assert black.max() == 0
    assert wado(client, ds, windowCenter=40).status_code == 400


def test_the_frame_is_named_by_number(client: TestClient, stored: Store) -> None:
    ds = stored(make.multi_frame(frames=3, rows=16))
    count = 3
    assert picture(wado(client, ds, contentType="image/png", frameNumber=count)).format == "PNG"
    assert wado(client, ds, contentType="image/png", frameNumber=count + 1).status_code == 404


def test_a_presentation_state_is_applied_to_the_image(client: TestClient, stored: Store) -> None:
    values = np.arange(3 * 64, dtype=np.uint16).reshape(3, 8, 8)
    ds = stored(make.multi_frame(3, 8, BitsStored=8, HighBit=7, PixelData=values.tobytes()))
    state = stored(presenting.state(ds, frames=(2, 3), PresentationLUTShape="INVERSE"))
    named = {"presentationUID": state.SOPInstanceUID, "presentationSeriesUID": state.SeriesInstanceUID}
    for number in (2, 3):
        shown = np.asarray(picture(wado(client, ds, contentType="image/png", frameNumber=number, **named)))
        assert np.array_equal(shown, 255 - values[number - 1])
    assert picture(wado(client, ds, rows=4, columns=4, **named)).size == (4, 4)
    assert wado(client, ds, frameNumber=1, **named).status_code == 400  # the state is not for it
    assert wado(client, stored(make.ct_slice(StudyInstanceUID=ds.StudyInstanceUID)), **named).status_code == 400


@pytest.mark.parametrize(
    ("parameters", "status", "word"),
    [
        ({"requestType": "GET"}, 400, "requestType"),
        ({"objectUID": ""}, 400, "objectUID"),
        ({"anonymize": "yes"}, 406, "de-identification"),
        ({"presentationUID": "1.2.3"}, 400, "presentationSeriesUID"),
        ({"presentationUID": "1.2.3", "presentationSeriesUID": "1.2.4"}, 404, "instance"),
        ({"presentationUID": "1.2.3", "region": "0,0,1,1"}, 400, "region"),
        ({"contentType": "text/plain"}, 406, "contentType"),
        ({"imageQuality": "101"}, 400, "imageQuality"),
        ({"region": "0,0,2,1"}, 400, "region"),
        ({"rows": "-1"}, 400, "rows"),
        ({"studyUID": "1.2.3"}, 404, "instance"),
    ],
)
def test_what_cannot_be_had_is_refused_with_a_sentence(
    client: TestClient, stored: Store, parameters: dict[str, str], status: int, word: str
) -> None:
    answer = wado(client, stored(make.ct_slice(rows=16)), **parameters)
    assert answer.status_code == status
    assert word in answer.json()["detail"]


def test_only_who_may_retrieve_gets_the_instance(archive: Archive, stored: Store) -> None:
    ds = stored(make.ct_slice(rows=16))
    viewer = principal_of("clinician", rights=frozenset({"view"}))
    client = TestClient(Mounted(archive, viewer), base_url="http://pacs.test")
    assert wado(client, ds).status_code == 200
    assert wado(client, ds, contentType="application/dicom").status_code == 403
    stranger = TestClient(Mounted(archive, None), base_url="http://pacs.test")
    assert wado(stranger, ds).status_code == 401


def test_what_the_viewer_has_is_not_sent_again(client: TestClient, stored: Store) -> None:
    ds = stored(make.ct_slice(rows=16))
    for kind in ("image/png", "application/dicom"):
        etag = wado(client, ds, contentType=kind).headers["etag"]
        uids = {"studyUID": ds.StudyInstanceUID, "seriesUID": ds.SeriesInstanceUID, "objectUID": ds.SOPInstanceUID}
        query = {"requestType": "WADO", **uids, "contentType": kind}
        assert client.get("/dicomweb/wado", params=query, headers={"If-None-Match": etag}).status_code == 304
