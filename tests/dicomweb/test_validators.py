"""What a client has is not sent again (304), and parts of it can be asked for (206), for each kind of answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom import Dataset
from starlette.testclient import TestClient

import make
from answers import address

Store = Callable[..., Dataset]

INSTANCE = "application/dicom"
JPEG_LS = "1.2.840.10008.1.2.4.80"


@pytest.mark.parametrize(
    ("what", "accept"),
    [
        ("", f"{INSTANCE}; transfer-syntax=*"),
        ("", f"{INSTANCE}; transfer-syntax={JPEG_LS}"),
        ("/metadata", "application/dicom+json"),
        ("/frames/1", "application/octet-stream"),
        ("/frames/1", "image/jls"),
        ("/rendered", "image/png"),
        ("/bulkdata/7FE00010", "application/octet-stream"),
    ],
)
def test_what_the_client_has_is_not_sent_again(client: TestClient, stored: Store, what: str, accept: str) -> None:
    url = address(stored(make.ct_slice(rows=16))) + what
    first = client.get(url, headers={"Accept": accept})
    assert first.status_code == 200
    again = client.get(url, headers={"Accept": accept, "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(url, headers={"Accept": accept, "If-None-Match": '"another"'}).content == first.content


def test_frames_as_bulk_data_have_a_validator_for_each_form(client: TestClient, stored: Store) -> None:
    url = address(stored(make.rle(), transfer_syntax=make.RLE)) + "/bulkdata/7FE00010"
    seen = set()
    for accept in ('multipart/related; type="image/dicom-rle"', 'multipart/related; type="application/octet-stream"'):
        etag = client.get(url, headers={"Accept": accept}).headers["etag"]
        assert client.get(url, headers={"Accept": accept, "If-None-Match": etag}).status_code == 304
        seen.add(etag)
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("what", "accept"),
    [
        ("", f"{INSTANCE}; transfer-syntax=*"),
        ("/frames/1", "application/octet-stream"),
        ("/bulkdata/7FE00010", "application/octet-stream"),
    ],
)
def test_parts_of_what_is_stored_can_be_asked_for(client: TestClient, stored: Store, what: str, accept: str) -> None:
    url = address(stored(make.ct_slice(rows=16))) + what
    whole = client.get(url, headers={"Accept": accept}).content
    part = client.get(url, headers={"Accept": accept, "Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    beyond = client.get(url, headers={"Accept": accept, "Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416
