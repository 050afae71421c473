"""DELETE of studies, series and instances: who may, what is answered, what is left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset
from sqlalchemy import select
from starlette.testclient import TestClient

import make
from answers import Mounted, address
from callers import principal_of
from filmless.access.tables import audit
from filmless.archive import Archive
from filmless.retrieve import instances as remembering

Store = Callable[..., Dataset]


@pytest.fixture
def administrator(archive: Archive) -> TestClient:
    """A client that an administrator uses."""
    principal = replace(principal_of("administrator"), door="dicomweb")
    return TestClient(Mounted(archive, principal), base_url="http://pacs.test")


def trail(archive: Archive, action: str) -> list[str]:
    with archive.reading() as session:
        return list(session.scalars(select(audit.c.detail).where(audit.c.action == action)))


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_what_is_deleted_is_no_longer_found_or_retrieved(administrator: TestClient, stored: Store, level: str) -> None:
    ds = stored(make.ct_slice())
    assert administrator.get(address(ds) + "/frames/1").status_code == 200
    assert administrator.get(address(ds) + "/thumbnail").status_code == 200
    answer = administrator.delete(address(ds, level))
    assert (answer.status_code, answer.content) == (204, b"")
    for part in ("", "/metadata", "/rendered", "/thumbnail"):
        assert administrator.get(address(ds, level) + part).status_code == 404
        assert administrator.get(address(ds) + (part or "/frames/1")).status_code == 404
    assert administrator.get("/dicomweb/studies").json() == []
    assert administrator.delete(address(ds, level)).status_code == 404


def test_other_processes_give_out_no_frame_of_it_a_moment_later(
    administrator: TestClient, archive: Archive, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "_DELETIONS_AGAIN_S", 0.1)
    ds = stored(make.ct_slice())
    with Archive.open(archive.settings) as elsewhere:
        other = TestClient(Mounted(elsewhere, principal_of("radiologist")), base_url="http://pacs.test")
        assert other.get(address(ds) + "/frames/1").status_code == 200
        assert administrator.delete(address(ds)).status_code == 204
        time.sleep(0.15)
        assert other.get(address(ds) + "/frames/1").status_code == 404


def test_a_deleted_instance_leaves_the_others_and_their_counts(administrator: TestClient, stored: Store) -> None:
    slices = [stored(ds) for ds in make.ct_series(3)]
    assert administrator.delete(address(slices[1])).status_code == 204
    (study,) = administrator.get("/dicomweb/studies").json()
    assert study["00201208"]["Value"] == [2]
    metadata = administrator.get(address(slices[0], "series") + "/metadata").json()
    assert [ds["00080018"]["Value"][0] for ds in metadata] == [slices[0].SOPInstanceUID, slices[2].SOPInstanceUID]


def test_who_may_not_delete_is_refused_and_remembered(client: TestClient, archive: Archive, stored: Store) -> None:
    ds = stored(make.ct_slice())
    answer = client.delete(address(ds, "study"))
    assert answer.status_code == 403
    assert "lacks the right 'delete'" in answer.json()["detail"]
    assert client.get(address(ds) + "/metadata").status_code == 200
    assert "may not delete studies" in trail(archive, "request")[0]


def test_a_stranger_deletes_nothing(archive: Archive, client: TestClient, stored: Store) -> None:
    ds = stored(make.ct_slice())
    stranger = TestClient(Mounted(archive, None), base_url="http://pacs.test")
    assert stranger.delete(address(ds, "study")).status_code == 401
    assert client.get(address(ds) + "/metadata").status_code == 200


def test_the_reason_is_in_the_trail(administrator: TestClient, archive: Archive, stored: Store) -> None:
    ds = stored(make.ct_slice())
    administrator.delete(address(ds, "study"), params={"reason": "sent twice"})
    (detail,) = trail(archive, "delete")
    assert json.loads(detail)["reason"] == "sent twice"


def test_dicomweb_client_deletes(administrator: TestClient, stored: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (stored(ds) for ds in make.ct_series(2))
    client = DICOMwebClient("http://pacs.test/dicomweb")
    monkeypatch.setattr(client._session, "delete", administrator.delete)
    client.delete_instance(one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)
    assert [ds["00080018"]["Value"][0] for ds in administrator.get("/dicomweb/instances").json()] == [
        other.SOPInstanceUID
    ]
